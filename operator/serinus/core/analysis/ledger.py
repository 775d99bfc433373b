"""What one revision's counters have grown by, scrape by scrape, as running sums.

A look asks for sums over minutes, once a second and for each metric: the difference of two rows costs the same however
long the window is, and a row holds all that a scrape has brought. Running sums of whole counts are exact.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from operator import add, sub
from typing import Any, Final, TypeVar

from serinus.core.analysis.exposition import ERRORS, Count
from serinus.core.analysis.lines import Cells, Row, Told, Totals, laid_out, totals_of
from serinus.core.analysis.places import Place, half_of

T = TypeVar("T")
Amounts = dict[Told, float]
_DOUBLES: Final = "d"
_MOST_ANSWERS: Final = 16
"""Kept until the next scrape: the metrics of a look ask for the same windows, and the next look for others."""
_MORE_COLUMNS: Final = 4


class Ledger:
    """The rows of one revision in the order of their scrapes, and what all of them up to each add up to.

    Each row of `_sums` has `_width` doubles, of which those of `_columns` are in use: a thousand live rollouts have
    half a million rows.
    """

    def __init__(self) -> None:
        self._columns: dict[Told, int] = {}
        self._answered: list[int] = []
        self._errors: list[int] = []
        """The columns that count well answered requests, and errors."""
        self._width = 0
        self._ats = array(_DOUBLES)
        self._sinces = array(_DOUBLES)
        self._unseens = array(_DOUBLES)
        self._places: list[Place] = []
        self._sums = array(_DOUBLES)
        self._before = array(_DOUBLES)
        """What the rows added up to that are dropped."""
        self._longest_gap = 0.0
        self._unknown_until = -math.inf
        """Of rows up to this time some have no scrape before them that anybody remembers."""
        self._answers: dict[tuple[object, ...], object] = {}

    def take(self, grown: Mapping[Row, Amounts]) -> None:
        """Take what one answer brings; of a row that is there already it is more."""
        rows: dict[Row, list[float]] = {}
        for row, amounts in grown.items():
            for told, amount in amounts.items():
                column = self.column(told)
                there = rows.setdefault(row, [])
                there += [0.0] * (column + 1 - len(there))
                there[column] += amount
        self.take_rows(rows)

    def column(self, told: Told) -> int:
        """Tell in which column of a row something is counted."""
        column = self._columns.get(told)
        if column is None:
            column = self._columns[told] = len(self._columns)
            if told[0] in ERRORS:
                self._errors.append(column)
            elif told[0] is Count.SUCCESS:
                self._answered.append(column)
        return column

    def take_rows(self, taken: Mapping[Row, list[float]]) -> None:
        """Take rows by column, which may be shorter than others; what is nothing but zeros is no row."""
        self._answers.clear()
        if len(self._columns) > self._width:
            self._widen()
        new = {row: [*amounts, *[0.0] * (self._width - len(amounts))] for row, amounts in taken.items() if any(amounts)}
        if not new:
            return
        rows = self._cut(min(row.at for row in new))
        for row, amounts in new.items():
            there = rows.get(row)
            rows[row] = amounts if there is None else [*map(add, there, amounts)]
        for row in sorted(rows, key=lambda one: one.at):
            self._push(row, rows[row])

    def _widen(self) -> None:
        """Have room for more columns."""
        old, width = self._sums, self._width
        more = array(_DOUBLES, [0.0] * (len(self._columns) + _MORE_COLUMNS - width))
        self._sums = array(_DOUBLES)
        for place in range(len(self._ats)):
            self._sums += old[place * width : (place + 1) * width]
            self._sums += more
        self._before += more
        self._width = width + len(more)

    def _cut(self, at: float) -> dict[Row, list[float]]:
        """Take off the rows of a time and later: what comes late belongs between them."""
        first = bisect_left(self._ats, at)
        cut = {self._row(place): self._amounts(place) for place in range(first, len(self._ats))}
        for kept in self._rows_by_field:
            del kept[first:]
        del self._sums[first * self._width :]
        return cut

    def _push(self, row: Row, amounts: Sequence[float]) -> None:
        before = self._up_to(len(self._ats))
        self._sinces.append(row.since)
        self._ats.append(row.at)
        self._unseens.append(row.unseen_since)
        self._places.append(row.place)
        self._sums.extend(map(add, amounts, before))
        if math.isfinite(row.unseen_since):
            self._longest_gap = max(self._longest_gap, row.at - row.unseen_since)
        else:
            self._unknown_until = max(self._unknown_until, row.at)

    def forget(self, limit: float) -> None:
        """Drop the rows of before a time."""
        first = bisect_left(self._ats, limit)
        if first:
            self._before = self._up_to(first)
            for kept in self._rows_by_field:
                del kept[:first]
            del self._sums[: first * self._width]
            self._answers.clear()

    @property
    def _rows_by_field(self) -> tuple[MutableSequence[Any], ...]:
        return self._ats, self._sinces, self._unseens, self._places

    def _row(self, place: int) -> Row:
        return Row(self._sinces[place], self._ats[place], self._unseens[place], self._places[place])

    def _up_to(self, place: int) -> array[float]:
        """What all rows before one add up to."""
        return self._sums[(place - 1) * self._width : place * self._width] if place else self._before

    def _amounts(self, place: int) -> list[float]:
        """What one row has brought."""
        return [*map(sub, self._up_to(place + 1), self._up_to(place))]

    def totals(self, since: float, wholly_after: float) -> Totals:
        """Sum the rows that were scraped after `since`, and had begun by `wholly_after` at the earliest."""
        return self._once((since, wholly_after), lambda: self._summed(since, wholly_after))

    def _summed(self, since: float, wholly_after: float) -> Totals:
        first = self._first_of(since, wholly_after)
        if first == len(self._ats):
            return Totals()
        if first is not None:
            return totals_of(self._columns, map(sub, self._up_to(len(self._ats)), self._up_to(first)))
        sums = [0.0] * self._width
        for _, amounts in self._recent(since, wholly_after):
            sums = [*map(add, sums, amounts)]
        return totals_of(self._columns, sums)

    def _first_of(self, since: float, wholly_after: float) -> int | None:
        """Give the first row of a window; None where some later one in it is left out, as it had begun before."""
        first, unseens = bisect_right(self._ats, since), self._unseens
        until = self._reaches_before(wholly_after)
        while first < until and unseens[first] < wholly_after:
            first += 1
        return None if any(unseens[place] < wholly_after for place in range(first, until)) else first

    def _reaches_before(self, moment: float) -> int:
        """From which row on none has begun before a moment, however long ago the scrapes before them were."""
        if moment == -math.inf:
            return 0
        return bisect_right(self._ats, max(moment + self._longest_gap, self._unknown_until))

    def _recent(self, after: float, wholly_after: float) -> Iterator[tuple[Row, list[float]]]:
        for place in range(bisect_right(self._ats, after), len(self._ats)):
            if self._unseens[place] >= wholly_after:
                yield self._row(place), self._amounts(place)

    def most_errors(self, after: float) -> float:
        """Tell the largest share of errors of what any place told in one scrape after a time."""
        worst = 0.0
        if not self._errors:
            return worst
        for place in range(bisect_right(self._ats, after), len(self._ats)):
            errors = self._grown(place, place + 1, self._errors)
            if errors > 0.0:
                worst = max(worst, errors / (errors + self._grown(place, place + 1, self._answered)))
        return worst

    def requests_and_errors(self, since: float, wholly_after: float) -> tuple[float, float]:
        """Count the requests of a window, as `totals` does, and those of them that were errors."""
        first, end = self._first_of(since, wholly_after), len(self._ats)
        if first is None:
            totals = self.totals(since, wholly_after)
            return totals.requests, totals.server_errors + totals.client_errors
        if first == end:
            return 0.0, 0.0
        errors = self._grown(first, end, self._errors)
        return errors + self._grown(first, end, self._answered), errors

    def _grown(self, first: int, end: int, columns: Sequence[int]) -> float:
        """Add up some columns of the rows from one to before another."""
        sums, last = self._sums, (end - 1) * self._width
        before, start = (sums, (first - 1) * self._width) if first else (self._before, 0)
        return sum((sums[last + column] - before[start + column] for column in columns), 0.0)

    def rows(self, after: float, wholly_after: float) -> Iterator[Row]:
        """Give the rows that were scraped after a time."""
        for place in range(bisect_right(self._ats, after), len(self._ats)):
            if self._unseens[place] >= wholly_after:
                yield self._row(place)

    def scrapes(self, after: float, wholly_after: float, half: int | None) -> dict[float, Totals]:
        """Sum the rows scrape by scrape; those of one half of the places, if asked."""
        by_time: dict[float, list[float]] = {}
        for row, amounts in self._recent(after, wholly_after):
            if half is None or half_of(row.place) == half:
                there = by_time.get(row.at)
                by_time[row.at] = amounts if there is None else [*map(add, there, amounts)]
        return {at: totals_of(self._columns, sums) for at, sums in by_time.items()}

    def cells(self, after: float, wholly_after: float, half: int | None, ends: Sequence[float], began: float) -> Cells:
        """Sum the rows cell by cell, from a time to each of `ends`; two metrics of one revision ask for the same."""
        edges = (after, *ends)
        return self._once((edges, wholly_after, half, began), lambda: self._laid_out(edges, wholly_after, half, began))

    def _laid_out(self, edges: Sequence[float], wholly_after: float, half: int | None, began: float) -> Cells:
        recent = self._recent(edges[0], wholly_after)
        rows = ((row, amounts) for row, amounts in recent if half is None or half_of(row.place) == half)
        return Cells(self._columns, laid_out(rows, edges, began))

    def _once(self, question: tuple[object, ...], answer: Callable[[], T]) -> T:
        """Give the answer to a question that was asked before, while no other scrape has come."""
        if question not in self._answers:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = answer()
        found: T = self._answers[question]  # type: ignore[assignment]
        return found
