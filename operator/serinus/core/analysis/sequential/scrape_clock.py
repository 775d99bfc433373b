"""Is this the time of a scrape?  Times come from other machines' clocks, and some of them are wrong."""

from __future__ import annotations

import copy
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from serinus.core.analysis.sequential.cleaning import clean_number
from serinus.core.analysis.sequential.state import State

LONGEST_JUMP_S: Final = 86400.0
LATEST_S: Final = 1e11
"""The year 5138 in seconds; in milliseconds, 1973."""


class ScrapeClock:
    """The times that were seen, of all scrapes and of the last that said something of each metric."""

    def __init__(self) -> None:
        self.now_s = 0.0
        """The last time that was believed."""
        self._seen_s: float | None = None
        self._taken_s: dict[str, float] = {}

    def start(self, t: float) -> bool:
        """A stage starts at `t` (s); False when that is no time."""
        if not _is_time(t):
            return False
        self.now_s = self._seen_s = t
        return True

    def admits(self, t: Any) -> bool:
        """Whether a scrape at `t` is believed: a time in seconds, within a day of the one before or the last believed.

        A jump is refused once; if it was the clock that was put right, the next scrape agrees with it. One target among
        others whose clock is wrong does not keep out the rest.
        """
        if clean_number(t) is None or not _is_time(float(t)):
            return False
        time = float(t)
        before, self._seen_s = self._seen_s, time
        if before is not None and min(abs(time - before), abs(time - self.now_s)) > LONGEST_JUMP_S:
            return False
        self.now_s = time
        return True

    @property
    def latest_s(self) -> float:
        """The latest time that was believed."""
        return max((self.now_s, *self._taken_s.values()))

    def set_back(self, t: float) -> None:
        """Forget times later than `t` (s): the clock that told them has been put right."""
        self.now_s = min(self.now_s, t)
        self._seen_s = None
        self._taken_s = {name: min(taken, t) for name, taken in self._taken_s.items()}

    def go_on_from(self, other: ScrapeClock, names: Container[str]) -> None:
        """Take over the times of another clock, those of these metrics among them."""
        self.now_s, self._seen_s = other.now_s, other._seen_s
        self._taken_s = {name: taken for name, taken in other._taken_s.items() if name in names}

    def copied(self) -> ScrapeClock:
        """Give another one in the same state."""
        twin = copy.copy(self)
        twin._taken_s = dict(self._taken_s)
        return twin

    def is_news(self, name: str, t: float) -> bool:
        """Whether a metric has not been seen at this time or a later one."""
        return t > self._taken_s.get(name, -math.inf)

    def newest_of(self, name: str, until: float) -> float:
        """Give the last time that a metric has been seen, up to a time: a cell may end with the scrape of another."""
        return min(until, self._taken_s.get(name, until))

    def take(self, t: float, names: Sequence[str]) -> None:
        """Note that these metrics have been seen at `t` (s)."""
        self._taken_s.update(dict.fromkeys(names, float(t)))

    def to_dict(self) -> State:
        """State as JSON values."""
        return {"now": self.now_s, "seen": self._seen_s, "taken": dict(self._taken_s)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.now_s, self._seen_s, self._taken_s = float(state["now"]), state["seen"], dict(state["taken"])


def _is_time(t: float) -> bool:
    return math.isfinite(t) and abs(t) <= LATEST_S
