"""Counters that a query has summed over all targets, and what they have added from one look to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from serinus.core.analysis.reported import is_count

Part = TypeVar("Part")

OUT_OF_PROPORTION = 10.0
"""A sum that has lost a part, and rises so many times faster than it does, has a part of it back."""
MOST_RISES_ASIDE = 3
"""So many rises in a row may be parts that come back; then it is traffic."""
REMEMBERED_PACES = 5


@dataclass
class CounterSum(Generic[Part]):
    """Counters that a query has summed over all targets.

    A sum that fell has lost a part whose size nobody knows. It adds nothing then, and neither does the rise by which a
    part comes back: both are put aside. When as much has come back as was lost, what is above it has been counted in
    the meantime, and is news.
    """

    at: float = 0.0
    before: dict[Part, float] | None = None
    aside: dict[Part, float] = field(default_factory=dict)
    paces: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_PACES))
    rises_aside: int = 0

    def take(self, at: float, values: Mapping[Part, float]) -> Mapping[Part, float] | None:
        """Give what each counter has added; None where nobody knows."""
        before, took = self.before, at - self.at
        self.at = at
        self.before = {key: value if is_count(value) else (before or {}).get(key, 0.0) for key, value in values.items()}
        if before is None:
            return None
        rise = _sum_of(self.before, before, -1.0)
        if any(amount < 0 for amount in rise.values()):
            self.rises_aside = 0
            self._put_aside(rise)
            return None
        if self.aside:
            news = _sum_of(rise, self.aside)
            if all(amount >= 0 for amount in news.values()):
                self.aside, self.rises_aside = {}, 0
                return news
            if self._comes_back(sum(rise.values()), took) and self.rises_aside < MOST_RISES_ASIDE:
                self.rises_aside += 1
                self._put_aside(rise)
                return None
        self.rises_aside = 0
        self.paces.append(sum(rise.values()) / max(took, 1e-9))
        return rise

    def _put_aside(self, rise: dict[Part, float]) -> None:
        self.aside = _sum_of(self.aside, rise)

    def _comes_back(self, rise: float, took: float) -> bool:
        """Whether a rise is out of all proportion to what is counted between two looks."""
        if self.paces:
            return rise > OUT_OF_PROPORTION * max(self.paces) * took
        return rise > sum(-amount for amount in self.aside.values() if amount < 0) / OUT_OF_PROPORTION


def _sum_of(one: dict[Part, float], other: dict[Part, float], times: float = 1.0) -> dict[Part, float]:
    return {key: one.get(key, 0.0) + times * other.get(key, 0.0) for key in {**one, **other}}
