"""Increments on the time line: what a counter grew by between two of its samples, spread over the time between them.

Targets are scraped at seconds of their own, so two of them never tell of the same stretch of time. Spread evenly, all
can be asked about the same cells, and whatever the cells are, they add up to the same: each part lies in exactly one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from serinus.core.analysis.exposition import Count
from serinus.core.analysis.places import Place
from serinus.core.model.assessment import ErrorAnswers

PUNCTUAL: Final = 0.9
"""Part of a scrape interval after which the next scrape may come: scrapes are never quite punctual."""
SILENT: Final = 1.5
"""So many scrape intervals without a scrape of the canary's own, and one has been missed, or had nothing to tell."""


Told = tuple[Count, float, str]
"""What an increment adds to: the kind, a bucket's bound in seconds, what an error is called."""


class Row(NamedTuple):
    """What one place told at one scrape: it happened within (since, at].

    The place was not scraped within (unseen_since, at).
    """

    since: float
    at: float
    unseen_since: float
    place: Place


@dataclass(frozen=True)
class Totals:
    """Sums over a window. `slower` maps a bucket's bound in seconds to the answers that were at most that slow.

    `errors` are the errors by their codes, and whether these blame the caller.
    """

    success: float = 0.0
    server_errors: float = 0.0
    client_errors: float = 0.0
    seconds: float = 0.0
    slower: Mapping[float, float] = field(default_factory=dict)
    errors: Mapping[tuple[str, bool], float] = field(default_factory=dict)

    @property
    def requests(self) -> float:
        return self.success + self.server_errors + self.client_errors

    @property
    def error_answers(self) -> tuple[ErrorAnswers, ...]:
        """The errors, the most frequent first."""
        answers = (ErrorAnswers(code, count, by_caller) for (code, by_caller), count in self.errors.items())
        return tuple(sorted(answers, key=lambda one: (-one.count, one.code)))


def totals_of(columns: Iterable[Told], amounts: Iterable[float]) -> Totals:
    """Read sums, one a column; what has not grown is left out, as a series that is not there would be."""
    counts = dict.fromkeys(Count, 0.0)
    slower: dict[float, float] = {}
    errors: dict[tuple[str, bool], float] = {}
    for (count, bound_s, code), amount in zip(columns, amounts, strict=False):
        if amount <= 0.0:
            continue
        if count is Count.SLOWER:
            slower[bound_s] = slower.get(bound_s, 0.0) + amount
            continue
        counts[count] += amount
        if code:
            called = code, count is Count.CLIENT_ERROR
            errors[called] = errors.get(called, 0.0) + amount
    return Totals(
        success=counts[Count.SUCCESS],
        server_errors=counts[Count.SERVER_ERROR],
        client_errors=counts[Count.CLIENT_ERROR],
        seconds=counts[Count.SECONDS],
        slower=slower,
        errors=errors,
    )


@dataclass(frozen=True)
class Cells:
    """Sums cell by cell, by the end of each (s): one column for each thing that is counted.

    A cell in which nothing grew is not there.
    """

    columns: Mapping[Told, int]
    sums: Mapping[float, Sequence[float]]

    def counts(self, end: float) -> tuple[float, float, float]:
        """Give the requests of a cell, and its errors: the server's and the callers'."""
        amounts = self.sums.get(end)
        if amounts is None:
            return 0.0, 0.0, 0.0
        success, server, client = (sum((amounts[column] for column in columns), 0.0) for columns in self._by_outcome)
        return success + server + client, server, client

    def error_answers(self, end: float) -> tuple[ErrorAnswers, ...]:
        """List the errors of a cell, the most frequent first."""
        _, server, client = self.counts(end)
        return totals_of(self.columns, self.sums[end]).error_answers if server or client else ()

    def buckets(self, end: float, bounds: Sequence[float]) -> tuple[float, ...]:
        """Count the answers of a cell in each bucket: the differences of what is below each bound (s)."""
        amounts = self.sums.get(end)
        if amounts is None:
            return (0.0,) * len(bounds)
        below, counts = 0.0, []
        for bound in bounds:
            column = self.columns.get((Count.SLOWER, bound, ""))
            reached = below if column is None else max(below, amounts[column])
            counts.append(reached - below)
            below = reached
        return tuple(counts)

    @cached_property
    def _by_outcome(self) -> tuple[list[int], ...]:
        outcomes = Count.SUCCESS, Count.SERVER_ERROR, Count.CLIENT_ERROR
        return tuple([column for told, column in self.columns.items() if told[0] is one] for one in outcomes)


NO_CELLS: Final = Cells({}, {})


def points(
    own: Collection[float], others: Collection[float], *, began: float, after: float, until: float, every: float
) -> tuple[float, ...]:
    """Choose the ends of cells within (after, until] among the times of scrapes, about one each scrape interval.

    The first after `began` is one. Each of the others follows from the one before it and from scrapes alone, so that a
    replay from any of them finds the same. With one target they are its scrapes. Scrapes of the canary's `own` targets
    go first: what is spread over two cells is blurred, and a blurred canary would fail in cells where stable did not.
    """
    firsts, all_times = (sorted({at for at in times if after < at <= until}) for times in (own, (*own, *others)))
    chosen, last, waits = list[float](), after, 0.0 if after <= began else PUNCTUAL * every
    while True:
        known = min(until, last + SILENT * every)
        found = _next(firsts, last + waits, known)
        if found is None and until > known:
            found = _next(all_times, last + waits, until)
        if found is None:
            return tuple(chosen)
        chosen.append(found)
        last, waits = found, PUNCTUAL * every


def _next(times: Sequence[float], least: float, most: float) -> float | None:
    """Find the first of these times that is after the one and not after the other."""
    place = bisect_right(times, least)
    return times[place] if place < len(times) and times[place] <= most else None


def laid_out(
    rows: Iterable[tuple[Row, Sequence[float]]], edges: Sequence[float], began: float
) -> dict[float, list[float]]:
    """Add up rows cell by cell, (edge, next edge], by the cell's end; what began before `began` is laid after it whole.

    A cell in which nothing grew is left out.
    """
    cells: dict[int, list[float]] = {}
    for row, amounts in rows:
        since = min(max(row.since, began), row.at)
        last = bisect_left(edges, row.at)
        first = bisect_right(edges, since) if since < row.at else last
        for end in range(max(first, 1), min(last, len(edges) - 1) + 1):
            part = _part(since, row.at, edges[end - 1], edges[end])
            there = cells.get(end)
            if there is None:
                cells[end] = [*amounts] if part == 1.0 else [amount * part for amount in amounts]
            else:
                cells[end] = [known + amount * part for known, amount in zip(there, amounts, strict=True)]
    return {edges[end]: cells[end] for end in sorted(cells)}


def _part(since: float, at: float, start: float, end: float) -> float:
    """Tell which part of (since, at] lies in (start, end]; one that has no length lies at its end."""
    if since >= start and at <= end:
        return 1.0
    return (min(at, end) - max(since, start)) / (at - since)
