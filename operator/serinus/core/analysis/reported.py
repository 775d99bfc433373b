"""One counter that several may report: two Prometheus replicas, two scrape jobs, a series before and after relabelling.

It is one line, which never counts a request twice and never misses one that any reporter saw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALIVE_INTERVALS: Final = 1.5
"""A reporter without a sample for longer than this many scrape intervals reports no more."""
LARGEST_COUNT: Final = 2.0**53
"""Beyond it a double leaves whole numbers out, and so would every sum with it: an exporter's number has underflowed."""


@dataclass(slots=True)
class _Reporter:
    """The newest sample of one series, and how many restarts of the counter it has shown."""

    at: float
    value: float
    restarts: int


class ReportedCounter:
    """Samples of all reporters, each newer than the last, as increments.

    A value that falls below its reporter's own last one tells of a restart, once: the others show the same one later. A
    value that is only below another reporter's is late news, unless nobody else reports any more.
    """

    __slots__ = ("_reporters", "_restarted_at", "_restarts", "at", "counts_in_full", "value")

    def __init__(self, *, counts_in_full: bool) -> None:
        self.counts_in_full = counts_in_full
        self.at: float | None = None
        self.value = 0.0
        self._restarts = 0
        self._restarted_at = -math.inf
        self._reporters: dict[object, _Reporter] = {}

    def take(self, reporter: object, at: float, value: float, *, interval: float) -> float | None:
        """Return the increment since the newest sample of anybody; None where this one is none, or is not newer."""
        if not is_count(value) or not math.isfinite(at):
            return None
        before = self._reporters.get(reporter)
        if before is not None and at <= before.at:
            return None
        if before is not None and value >= before.value and self._goes_on(before, at):
            before.at = self.at = at
            before.value = value
            last, self.value = self.value, max(self.value, value)
            return self.value - last
        alone = self._is_alone(reporter, at, interval)
        shown = self._restarts_shown(before, at, value, alone=alone)
        if self.at is not None and at <= self.at:
            self._reporters[reporter] = _Reporter(at, value, min(shown, self._restarts))
            return None
        increment = self._increment(before, shown, value, alone=alone)
        if shown > self._restarts:
            self._restarts, self._restarted_at = shown, at
        self._reporters[reporter] = _Reporter(at, value, shown)
        self.at = at
        return increment

    def take_all(self, reporter: object, samples: Sequence[tuple[float, float]]) -> list[float] | None:
        """Take samples that simply go on, the oldest first, and give what each adds.

        None where it is not as simple as that: then nothing is taken.
        """
        before = self._reporters.get(reporter)
        if before is None or samples[0][0] <= before.at or not self._goes_on(before, samples[0][0]):
            return None
        told_at, last, amounts = before.at, self.value, list[float]()
        if before.value != last:
            return None
        for at, value in samples:
            amount = value - last
            # What is no number is neither.
            if at <= told_at or not 0.0 <= amount < math.inf or value > LARGEST_COUNT:
                return None
            amounts.append(amount)
            told_at, last = at, value
        before.at = self.at = told_at
        before.value = self.value = last
        return amounts

    def is_told_by(self, reporter: object) -> bool:
        """Whether this reporter is the only one."""
        return len(self._reporters) == 1 and reporter in self._reporters

    def _goes_on(self, before: _Reporter, at: float) -> bool:
        """Whether nobody else reports it, and nothing has happened that a sample has to be compared with."""
        return len(self._reporters) == 1 and before.restarts == self._restarts and self.at is not None and at > self.at

    def _restarts_shown(self, before: _Reporter | None, at: float, value: float, *, alone: bool) -> int:
        if before is not None:
            return before.restarts + (value < before.value)
        if alone and self.at is not None and value < self.value:
            return self._restarts + 1
        return self._restarts - (at < self._restarted_at)

    def _increment(self, before: _Reporter | None, shown: int, value: float, *, alone: bool) -> float:
        if self.at is None:
            self.value = value
            return value if self.counts_in_full else 0.0
        last = self.value
        if shown > self._restarts:
            self.value = value
            return value
        if shown < self._restarts:
            # It has not shown the restart that others have: its value is from before, and only its growth is news.
            self.value = value if alone else last
            return value - before.value if alone and before is not None else 0.0
        self.value = max(last, value)
        return self.value - last

    def _is_alone(self, reporter: object, at: float, interval: float) -> bool:
        if len(self._reporters) == 1 and reporter in self._reporters:
            return True
        others = (one.at for name, one in self._reporters.items() if name != reporter)
        return all(at - last > ALIVE_INTERVALS * interval for last in others)


def is_count(value: float) -> bool:
    """Whether a sample is a count: a stale marker, infinity, what is below zero and what nobody can count are none."""
    return 0.0 <= value <= LARGEST_COUNT
