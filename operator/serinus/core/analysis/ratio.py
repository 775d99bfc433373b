"""What share of a revision's trials were events, as the two counters of a metric of type Ratio tell it, look by look.

Counters are read when they are looked at, not when they are scraped. So an event may be seen before its trial: it waits
for it, and no share is above 1. What a look cannot tell of one revision is compared for neither.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from serinus.api.policy import Metric
from serinus.api.status import Verdict
from serinus.core.analysis.bursts import beyond_of, in_steps
from serinus.core.analysis.reported import is_count
from serinus.core.analysis.sums import CounterSum
from serinus.core.model.assessment import Increment, Measured, Missing, Reading, Reason

KEPT_LOOKS: Final = 4000
"""More than an hour of looks each second; a window that is longer holds no more."""
FEW_EVENTS: Final = 20.0
"""So many may wait for their trials, whatever was counted: that is one late scrape of a little traffic."""

LATE_SHARE: Final = 0.05
"""Of the trials of a window: so many may be seen after their events."""


@dataclass(frozen=True)
class CountedLook:
    """What one revision has counted after one look (`since`) and until another (`at`), in seconds."""

    since: float
    at: float
    trials: float = 0.0
    events: float = 0.0


@dataclass(frozen=True)
class RatioWindow:
    """The time in (since, until] that a value is taken over, of looks that begin at `whole_after` or later.

    `step` is how often is scraped; all in seconds.
    """

    since: float
    until: float
    step: float
    whole_after: float = 0.0


@dataclass
class _Arm:
    """The counters of one revision, and when they showed anything last.

    `early` are events whose trials have not been seen yet.
    """

    sums: CounterSum[str] = field(default_factory=CounterSum[str])
    shown_at: float | None = None
    shown: Mapping[str, float] = field(default_factory=dict)
    early: float = 0.0
    counted: deque[CountedLook] = field(default_factory=lambda: deque(maxlen=KEPT_LOOKS))

    def take(self, at: float, trials: float, events: float) -> CountedLook | None:
        """Give what was counted since the last look that showed anything; None where nobody knows."""
        since, grown = self.shown_at, self._grown(at, {"trials": trials, "events": events})
        self.shown_at = at
        if since is None or grown is None:
            return None
        happened = self.early + grown["events"]
        events = min(happened, grown["trials"])
        self.early = happened - events
        self.counted.append(CountedLook(since, at, grown["trials"], events))
        return self.counted[-1]

    def _grown(self, at: float, values: Mapping[str, float]) -> Mapping[str, float] | None:
        """Ask only what has changed: between two scrapes nothing does, and that is no pace of the traffic."""
        if values == self.shown:
            return dict.fromkeys(values, 0.0)
        self.shown = values
        return self.sums.take(at, values)


@dataclass
class CountedRatio:
    """A metric of a rollout, by revision."""

    arms: dict[str, _Arm] = field(default_factory=dict)
    at: float = 0.0

    def take(
        self, at: float, read: Mapping[str, tuple[Reading, Reading]], *, whole_after: float = 0.0
    ) -> Increment | None:
        """Take what `query` and `of` say of each revision, the canary first.

        None where there is nothing to compare, or where the two were not counted over the same time, or not all of it
        after `whole_after`.
        """
        if at <= self.at:
            return None
        self.at = at
        counted = [_taken(self.arms.setdefault(arm, _Arm()), at, *both) for arm, both in read.items()]
        known = [one for one in counted if one is not None]
        if len(known) < 2 or known[0].since != known[1].since or known[0].since < whole_after:
            return None
        canary, stable = known
        return Increment(at, (canary.trials, canary.events), (stable.trials, stable.events))

    def reading(self, arm: str, metric: Metric, window: RatioWindow) -> Reading:
        """Tell the share of a revision within a window, and how much of it one burst explains."""
        found = self.arms.get(arm, _Arm())
        counted = [*_within(found, window)]
        if not counted:
            text = "nothing is counted yet: counters count from one look to the next"
            return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text, 0.0)
        trials, events = sum(one.trials for one in counted), sum(one.events for one in counted)
        if found.early > max(trials, FEW_EVENTS):
            return _no_share(found.early)
        if trials <= 0.0:
            return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "no trial of this revision in the window", 0.0)
        if metric.bounds.upper is None:
            return Measured(events / trials, trials, counted[-1].at)
        if self._all_have_more_events(window):
            return _no_share_yet(found.early)
        # A look without a trial was none of a scrape.
        steps = in_steps({one.at: one.events for one in counted if one.trials > 0.0}, window.since, window.step)
        return Measured(events / trials, trials, counted[-1].at, beyond=beyond_of([sum(one) for one in steps], trials))

    def _all_have_more_events(self, window: RatioWindow) -> bool:
        """Whether each revision has events without a trial: then a full share is the queries' work, and nobody's."""
        arms = [(arm.early, sum(one.trials for one in _within(arm, window))) for arm in self.arms.values()]
        return len(arms) > 1 and all(early > LATE_SHARE * trials for early, trials in arms)


def counter_of(reading: Reading, name: str) -> Reading:
    """Say which of the two queries, by its field's name, has no number, or one that no counter shows."""
    if isinstance(reading, Missing):
        return replace(reading, message=f"{name}: {reading.message}")
    if not is_count(reading.value):
        text = f"{name}: the query gives {reading.value:g}, and a counter is never below 0"
        return Missing(Verdict.BLIND, Reason.NOT_A_NUMBER, text)
    return reading


def unanswered(both: tuple[Reading, Reading]) -> Missing | None:
    """Give what keeps a revision from being counted; what is Blind goes before what is Undecided."""
    missing = [one for one in both if isinstance(one, Missing)]
    return min(missing, key=lambda one: one.verdict is not Verdict.BLIND, default=None)


def _taken(arm: _Arm, at: float, events: Reading, trials: Reading) -> CountedLook | None:
    """Take both counters; a series that is missing is not zero, and the other revision's hours are not its own."""
    if isinstance(events, Measured) and isinstance(trials, Measured):
        return arm.take(at, trials.value, events.value)
    return None


def _within(arm: _Arm, window: RatioWindow) -> Iterator[CountedLook]:
    return (one for one in arm.counted if one.since >= window.whole_after and window.since < one.at <= window.until)


def _no_share(early: float) -> Missing:
    text = (
        f"query has counted {early:.0f} events more than of has counted trials: each event must be one of the trials; "
        "correct query or of"
    )
    return Missing(Verdict.BLIND, Reason.NOT_A_NUMBER, text)


def _no_share_yet(early: float) -> Missing:
    text = (
        f"of both revisions query has counted more events than of has counted trials (of this one {early:.0f} more): "
        "unless they are only late, correct query or of"
    )
    return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text)
