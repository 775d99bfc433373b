"""Keeps what the answers of a source reveal about time: how far its clock is ahead, how often it is scraped, how late
its samples appear, and whether that is too late to judge by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from serinus.api.status import Verdict
from serinus.core.analysis.places import LONGEST_INTERVAL, STALE_INTERVALS
from serinus.core.analysis.source_time import (
    LONGEST_DELAY,
    PHASE_SLACK,
    Cadence,
    SourceClock,
    judged_too_late,
    least_window,
)
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Missing, Reason
from serinus.runtime.groups import COUNTED_SECONDS, SLACK, Group

log = structlog.get_logger("serinus.source_times")

COUNT_HOLDS_SECONDS = 30.0
SCRAPES_TO_TELL = 2
"""Of one nobody knows when the next comes."""


@dataclass
class GroupTimes:
    """The times of one group: `samples` are those of its series, `targets` those of whatever is scraped for it."""

    asked_every: float
    clock: SourceClock
    samples: Cadence = field(default_factory=Cadence)
    targets: Cadence = field(default_factory=Cadence)
    counted: float = 0.0
    """The most scrapes of a target in `COUNTED_SECONDS`, while no series of the group tells how often is scraped."""
    counted_at: float = -math.inf
    failure: NoAnswer | None = None

    def take_targets(self, answer: MetricsAnswer, *, asked_at: float, answered_at: float) -> None:
        """Take in when anything was scraped last, and the source's clock."""
        self.failure = answer if isinstance(answer, NoAnswer) else None
        samples = [one.samples[-1] for one in ([] if isinstance(answer, NoAnswer) else answer.series) if one.samples]
        for evaluated_at, _ in samples[:1]:
            self.clock.tell(evaluated_at, asked_at=asked_at, answered_at=answered_at)
        newest = max((value - self.clock.ahead for _, value in samples), default=None)
        self.targets.see(newest, answered_at, asked_at=asked_at)

    def take_count(self, answer: MetricsAnswer, now: float) -> None:
        """Take in how often the targets were scraped lately; fewer than before were missed, and tell no interval."""
        found = [] if isinstance(answer, NoAnswer) else answer.series
        self.counted = max(self.counted, *(one.samples[-1][1] for one in found if one.samples), 0.0)
        self.counted_at = now

    def wants_count(self, now: float) -> bool:
        """Whether nothing else tells how often is scraped; what was counted holds for a while, as a big mesh has much
        to count."""
        if self.samples.scrape_interval(self.asked_every) is not None:
            return False
        return self._counted_interval is None or now - self.counted_at >= COUNT_HOLDS_SECONDS

    @property
    def learnt_interval(self) -> float | None:
        """How often is scraped, None while it is not known: by the series, else by the targets that they will be of."""
        return self.samples.scrape_interval(self.asked_every) or self._counted_interval

    @property
    def _counted_interval(self) -> float | None:
        return min(COUNTED_SECONDS / self.counted, LONGEST_INTERVAL) if self.counted >= SCRAPES_TO_TELL else None

    @property
    def interval(self) -> float:
        """How often there can be news: what is scraped more often than it is looked at has some with each look."""
        return max(self.learnt_interval or 0.0, self.asked_every)

    @property
    def delay(self) -> float:
        """How old the newest sample always is."""
        return self.samples.delay(self.asked_every)

    def window(self, wished: float) -> float:
        """Lengthen a window so that it holds enough scrapes."""
        return least_window(wished, self.learnt_interval)

    def targets_fresh(self, now: float) -> bool:
        """Whether something was scraped lately."""
        known = self.targets.scrape_interval(self.asked_every) or self.learnt_interval
        interval = max(self.asked_every, known or 0.0)
        oldest = now - self.targets.delay(self.asked_every) - STALE_INTERVALS * interval - SLACK
        return self.targets.newest is not None and self.targets.newest >= oldest

    def too_late(self, now: float) -> Missing | None:
        """Say that the source shows its samples too late to judge by."""
        newest = max((one for one in (self.samples.newest, self.targets.newest) if one is not None), default=None)
        late = judged_too_late(self.samples, newest, now, self.asked_every)
        return Missing(Verdict.BLIND, Reason.STALE, late) if late else None

    def unjudged(self, now: float) -> Missing | None:
        """Say why nothing can be judged now, although the source answers: its samples are too late, or how late they
        always are is not known yet, as after a restart.
        """
        if (late := self.too_late(now)) is not None:
            return late
        seen = self.targets if self.samples.newest is None else self.samples
        if seen.newest is None or not seen.may_be_late(now, self.interval):
            return None
        text = f"the newest scrape is {now - seen.newest:.0f} s old: whether it always is, is known with the next"
        return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text)

    def not_yet(self, now: float) -> Missing | None:
        """Say why no weight can be judged yet, although the source answers."""
        if (late := self.unjudged(now)) is not None:
            return late
        if self.samples.newest is None and self.targets.newest is None:
            text = "the scrape targets are absent: nothing that counts this model's requests has been scraped yet"
            return Missing(Verdict.BLIND, Reason.TARGETS_ABSENT, text)
        seen = self.samples.newest or (self.targets.newest if self.counted >= 1 else None)
        lately = seen is not None and now - seen < LONGEST_DELAY
        if lately and self.learnt_interval is None:
            text = "one scrape has been seen: how often is scraped is known with the next"
            return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text)
        return None


class SourceTimes:
    """The times of all groups; those of one source share its clock."""

    def __init__(self) -> None:
        self._clocks: dict[str, SourceClock] = {}
        self._groups: dict[Group, GroupTimes] = {}
        self._said: dict[str, tuple[float, float]] = {}

    def of(self, group: Group) -> GroupTimes:
        """Give what is known of a group's times."""
        times = self._groups.get(group)
        if times is None:
            clock = self._clocks.setdefault(group.source, SourceClock())
            times = self._groups[group] = GroupTimes(group.interval, clock)
        return times

    def sources(self) -> Mapping[str, tuple[float, float]]:
        """Tell of each source how far its clock is ahead, and how old its newest sample always is."""
        delays = dict.fromkeys(self._clocks, 0.0)
        for group, times in self._groups.items():
            delays[group.source] = max(delays[group.source], times.delay)
        return {source: (clock.ahead, delays[source]) for source, clock in self._clocks.items()}

    def say(self) -> None:
        """Log once how a source's times differ from ours, and again when that changes."""
        for source, (ahead, delay) in self.sources().items():
            differs = (ahead, round(delay / PHASE_SLACK) * PHASE_SLACK)
            if differs != self._said.get(source, (0.0, 0.0)):
                self._said[source] = differs
                log.warning("a source's times differ from ours", source=source, clock_ahead_s=ahead, delay_s=delay)
