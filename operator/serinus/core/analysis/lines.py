"""Increments on the time line: what a counter grew by between two of its samples, spread over the time between them.

Targets are scraped at seconds of their own, so two of them never tell of the same stretch of time. Spread evenly, all
can be asked about the same cells, and whatever the cells are, they add up to the same: each part lies in exactly one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serinus.core.analysis.exposition import Count
from serinus.core.analysis.places import Place
from serinus.core.model.assessment import ErrorAnswers

PUNCTUAL: Final = 0.9
"""Part of a scrape interval after which the next scrape may come: scrapes are never quite punctual."""
SILENT: Final = 1.5
"""So many scrape intervals without a scrape of the canary's own, and one has been missed, or had nothing to tell."""


@dataclass(frozen=True, slots=True)
class Line:
    """One increment, which happened within (since, at]; its place was not scraped within (unseen_since, at)."""

    since: float
    at: float
    count: Count
    bound_s: float
    amount: float
    place: Place
    code: str
    unseen_since: float


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


@dataclass
class _Sums:
    """Totals while they are added up."""

    counts: dict[Count, float] = field(default_factory=lambda: dict.fromkeys(Count, 0.0))
    slower: dict[float, float] = field(default_factory=dict)
    errors: dict[tuple[str, bool], float] = field(default_factory=dict)

    def add(self, line: Line, amount: float) -> None:
        if line.count is Count.SLOWER:
            self.slower[line.bound_s] = self.slower.get(line.bound_s, 0.0) + amount
            return
        self.counts[line.count] += amount
        if line.code:
            called = line.code, line.count is Count.CLIENT_ERROR
            self.errors[called] = self.errors.get(called, 0.0) + amount

    def totals(self) -> Totals:
        return Totals(
            success=self.counts[Count.SUCCESS],
            server_errors=self.counts[Count.SERVER_ERROR],
            client_errors=self.counts[Count.CLIENT_ERROR],
            seconds=self.counts[Count.SECONDS],
            slower=self.slower,
            errors=self.errors,
        )


def summed(lines: Iterable[Line]) -> Totals:
    """Add up whole increments."""
    sums = _Sums()
    for line in lines:
        sums.add(line, line.amount)
    return sums.totals()


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


def laid_out(lines: Iterable[Line], edges: Sequence[float], began: float) -> dict[float, Totals]:
    """Add up increments cell by cell, (edge, next edge]; what began before `began` is laid after it whole.

    A cell in which nothing grew is left out.
    """
    cells: dict[int, _Sums] = {}
    for line in lines:
        since = min(max(line.since, began), line.at)
        last = bisect_left(edges, line.at)
        first = bisect_right(edges, since) if since < line.at else last
        for end in range(max(first, 1), min(last, len(edges) - 1) + 1):
            part = _part(since, line.at, edges[end - 1], edges[end])
            cells.setdefault(end, _Sums()).add(line, line.amount * part)
    return {edges[end]: sums.totals() for end, sums in sorted(cells.items())}


def _part(since: float, at: float, start: float, end: float) -> float:
    """Tell which part of (since, at] lies in (start, end]; one that has no length lies at its end."""
    if since >= start and at <= end:
        return 1.0
    return (min(at, end) - max(since, start)) / (at - since)
