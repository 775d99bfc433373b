"""The clock of a metrics source: how far it is from ours, how often it scrapes, and how late its newest sample is.

Stands apart because the times of two clocks must be aligned before anything is counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median_high, median_low

from serinus.core.analysis.places import STALE_INTERVALS
from serinus.core.model.answers import Series

TOLERANCE = 1.5
"""Seconds between two clocks that are no difference: answers take their time."""
LONGEST_DELAY = 120.0
"""A source whose newest sample is always older than this is no judge: a bad revision would serve for two minutes, at
every weight, before anything could speak against it."""
WINDOW_SCRAPES = 3
"""A window holds as many scrapes at least: of fewer, one that is late or missed leaves nothing to judge by."""
PHASE_SLACK = 2.0
AWAITED_SCRAPES = 2
REMEMBERED = 5


@dataclass
class SourceClock:
    """By how many seconds a source's clock is ahead of ours (behind where negative); 0 where they cannot be told apart.

    `goes_over` says that its clock was set back and has not come so far again: it may show the same time twice.
    """

    ahead: float = 0.0
    latest: float = 0.0
    goes_over: bool = False

    def tell(self, theirs: float, *, asked_at: float, answered_at: float) -> None:
        """Take in the time at which an answer was evaluated."""
        self.goes_over = theirs < self.latest - TOLERANCE
        self.latest = max(self.latest, theirs)
        least, most = theirs - answered_at, theirs - asked_at
        if least - TOLERANCE <= self.ahead <= most + TOLERANCE:
            return
        near_nothing = least - TOLERANCE <= 0 <= most + TOLERANCE
        self.ahead = 0.0 if near_nothing else float(round((least + most) / 2))

    def ours(self, series: Sequence[Series]) -> Sequence[Series]:
        """Write samples at the times of our clock."""
        if not self.ahead:
            return series
        return [
            replace(one, samples=tuple((round(at - self.ahead, 3), value) for at, value in one.samples))
            for one in series
        ]


@dataclass
class Cadence:
    """How often a newer sample comes, and how old it is when it is first seen; all in seconds."""

    newest: float | None = None
    shown: float | None = None
    first_seen_at: float | None = None
    _answered_at: float = -math.inf
    _gaps: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _ages: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _waits: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """How long nobody had asked before the question that brought a newer sample: a busy process asks less often than it
    should. How long the source takes to answer is no part of that, but a delay of its samples.
    """

    def see(
        self, newest: float | None, now: float, *, shown: float | None = None, asked_at: float | None = None
    ) -> None:
        """Take in the time of the newest sample of what was `asked_at` a time, and how far apart the `shown` ones are.

        What was there before we asked says nothing of how late it came.
        """
        self.shown = shown or self.shown
        waited, self._answered_at = (now if asked_at is None else asked_at) - self._answered_at, now
        if newest is None or newest == self.newest:
            return
        if self.newest is not None:
            self._gaps.append(abs(newest - self.newest))
            self._ages.append(now - newest)
            self._waits.append(waited)
        else:
            self.first_seen_at = now
        self.newest = newest

    def may_be_late(self, now: float, interval: float) -> bool:
        """Whether the newest sample is too old to be fresh, and the next, which tells if it always is, is awaited.

        `interval` is that of the scrapes. What has not come in two of them has ceased.
        """
        if self.newest is None or self.first_seen_at is None or self._ages:
            return False
        return now - self.newest > STALE_INTERVALS * interval and now - self.first_seen_at <= AWAITED_SCRAPES * interval

    def scrape_interval(self, asked_every: float) -> float | None:
        """Tell how often is scraped; None until two scrapes were seen. Who asks seldom sees only every other one."""
        seen = median_high(self._gaps) if len(self._gaps) >= WINDOW_SCRAPES else 0.0
        return max(self.shown or 0.0, seen if seen > 1.5 * self._asked_every(asked_every) else 0.0) or None

    def delay(self, asked_every: float) -> float:
        """Tell how old the newest sample always is; 0 where asking seldom explains it."""
        least = min(self._ages, default=0.0)
        return round(least, 3) if least > self._asked_every(asked_every) + PHASE_SLACK else 0.0

    def _asked_every(self, meant: float) -> float:
        """Tell how often was asked, which is no more often than was `meant`."""
        return max(meant, median_low(self._waits)) if self._waits else meant


def least_window(window: float, scrape_interval: float | None) -> float:
    """Lengthen a window so that it holds enough scrapes."""
    return max(window, WINDOW_SCRAPES * (scrape_interval or 0.0))


def judged_too_late(cadence: Cadence, newest: float | None, now: float, asked_every: float) -> str | None:
    """Say that the newest sample is too old to judge by, whether it always is or has come to be."""
    delay, limit = cadence.delay(asked_every), f"more than {LONGEST_DELAY:.0f} s is too late to judge by"
    if delay > LONGEST_DELAY:
        return f"the newest sample is always {delay:.0f} s old: {limit}"
    if newest is None:
        return None
    age, interval = now - newest, cadence.scrape_interval(asked_every) or asked_every
    return f"the newest sample is {age:.0f} s old: {limit}" if age > LONGEST_DELAY + interval else None
