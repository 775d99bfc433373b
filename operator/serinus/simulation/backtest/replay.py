"""A policy replayed against recorded series: each past change of revision as if it had been a rollout.

Weights are read off the traffic, since the change need not have been made by Serinus. Looks and verdicts are the
product's own: its sampler asks the past, and its judge says what it makes of the answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serinus.api.durations import seconds
from serinus.api.status import Verdict
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.sequential.blocks import BLOCK_WITHOUT_HISTORY_S
from serinus.core.model.assessment import Reason
from serinus.core.rollout.alone import Span
from serinus.simulation.backtest.record import Activity
from serinus.simulation.backtest.recorded import RecordedMetrics
from serinus.simulation.backtest.stages import PastStage
from serinus.simulation.backtest.trials import Trial
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.judged import JudgedRollout

BEFORE_S: Final = 30.0
"""Looked at before the first weight, as live: by then it is known how often is scraped."""
LOOKS_AFTER: Final = 3
"""The look that judges the last scrape comes after it."""
WEIGHED_WITHIN_S: Final = BLOCK_WITHOUT_HISTORY_S + 5.0
"""Within this the last of a canary's requests are weighed: with those of a block of scrapes, when that is full."""


@dataclass(frozen=True)
class Replayed:
    """What the policy would have said of one past rollout; times in unix seconds."""

    stable: str
    canary: str
    started: float
    ended: float
    looks: int
    requests: float
    wrong: float
    weights: tuple[int, ...]
    last: Verdict | None
    reason: str
    message: str
    metric: str | None = None
    reverted_at: float | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def reverted(self) -> bool:
        """Whether the weight would have been taken away."""
        return self.reverted_at is not None


@dataclass(frozen=True)
class PastRollout:
    """What is replayed of one trial: arms, stages, all increments, and when stable was alone before."""

    trial: Trial
    canary: Arm
    stable: Arm
    stages: tuple[PastStage, ...]
    activity: Activity
    alone: tuple[Span, ...] = ()


async def replay(subject: Subject, past: PastRollout, metrics: RecordedMetrics, clock: PlayedClock) -> Replayed:
    """Judge a trial look by look, until it is reverted or over."""
    interval, trial, tale = subject.interval_s, past.trial, _Tale()
    began = past.stages[0].started if past.stages else trial.started
    rollout = JudgedRollout(subject, (past.canary, past.stable), metrics, clock, alone=past.alone)
    waiting = list(past.stages)
    told_until = trial.ended + LOOKS_AFTER * interval
    weighed_until = min(trial.ended + WEIGHED_WITHIN_S, _last_scrape(past) + LOOKS_AFTER * interval)
    until = told_until if _goes_on(past) else max(told_until, weighed_until)
    for at in _times(began, until, interval, between=_between_scrapes(past)):
        while waiting and waiting[0].started < at:
            stage = waiting.pop(0)
            rollout.set_weight(stage.weight, stage.started)
            tale.weights.append(stage.weight)
        cause = await rollout.look(at)
        if tale.weights and (at <= told_until or cause is not None):
            tale.see(rollout)
        if cause is not None:
            tale.reason, tale.metric = cause.reason, cause.finding.metric if cause.finding else None
            return tale.told(past, at)
    return tale.told(past, None)


@dataclass
class _Tale:
    """What was seen on the way."""

    weights: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    verdict: Verdict | None = None
    reason: str = str(Reason.NO_TRAFFIC)
    message: str = "no request reached the new revision"
    metric: str | None = None

    def see(self, rollout: JudgedRollout) -> None:
        """Take in one look's verdict."""
        assessment = rollout.state.assessment
        if assessment is not None:
            self.verdict, self.reason, self.message = assessment.verdict, str(assessment.reason), assessment.message
            self.reasons[self.reason] += 1

    def told(self, past: PastRollout, reverted_at: float | None) -> Replayed:
        """Sum up."""
        trial = past.trial
        requests, wrong = _cost(past, min(trial.ended, reverted_at or trial.ended))
        return Replayed(
            stable=trial.stable,
            canary=trial.canary,
            started=past.stages[0].started if past.stages else trial.started,
            ended=trial.ended,
            looks=self.reasons.total(),
            requests=requests,
            wrong=wrong,
            weights=tuple(self.weights),
            last=self.verdict,
            reason=self.reason,
            message=self.message,
            metric=self.metric,
            reverted_at=reverted_at,
            reasons=dict(self.reasons),
        )


def _cost(past: PastRollout, until: float) -> tuple[float, float]:
    """Count the canary's requests until a time, and its errors beyond stable's own rate just then."""
    own, other = past.activity.get(past.trial.canary, {}), past.activity.get(past.trial.stable, {})
    requests = wrong = 0.0
    for at, totals in own.items():
        if past.trial.started <= at <= until:
            beside = other.get(at)
            rate = beside.server_errors / beside.requests if beside is not None and beside.requests else 0.0
            requests += totals.requests
            wrong += totals.server_errors - totals.requests * rate
    return requests, wrong


def _between_scrapes(past: PastRollout) -> float:
    """Give the middle between the canary's first scrape and stable's one before it.

    At the very time of a scrape it would be chance whether a look sees it, or the next one sees it together with
    another: what broke in a single scrape would pass for a burst.
    """
    first = past.trial.started
    before = max((at for at in past.activity.get(past.trial.stable, {}) if at < first), default=first)
    return (before + first) / 2.0


def _goes_on(past: PastRollout) -> bool:
    """Whether the canary was asked after its trial, too: what it did then is not of the trial."""
    ended, later = past.trial.ended, past.trial.ended + WEIGHED_WITHIN_S
    own = past.activity.get(past.trial.canary, {})
    return any(ended < at <= later and totals.requests > 0 for at, totals in own.items())


def _last_scrape(past: PastRollout) -> float:
    """Tell when the record ends: who looks for longer calls its end blindness."""
    return max((at for line in past.activity.values() for at in line), default=past.trial.ended)


def _times(began: float, until: float, interval: float, *, between: float) -> Iterator[float]:
    """Look from before the first weight until every scrape has been judged, every so often from a time `between`."""
    at = between - math.ceil((between - began + BEFORE_S) / interval) * interval
    while at <= until:
        yield round(at, 3)
        at += interval


def played_s(subject: Subject, promoted_after_s: float) -> float:
    """How long a rollout by this policy takes at least; an A/A trial is that long, ten minutes at least."""
    waits = sum(stage.wait_s for stage in subject.stages(promoted_after_s))
    dwell = seconds(subject.policy.analysis.min_dwell or "1m") * len(subject.stages(0.0))
    return max(waits, dwell, 600.0)


def stage_weights(subject: Subject) -> Sequence[int]:
    """List the weights that the policy sets."""
    return [stage.weight for stage in subject.stages(0.0)]
