"""The evidence over time: the operator's own looks, taken again of what Prometheus has recorded.

Weights and their times are the record's, so that a replay sees what the operator saw: the same warm-up, the same stage,
the same scrapes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import dropwhile

from serinus.api.parsing import unix_seconds
from serinus.cli.explain.account import Account
from serinus.cli.explain.history import BEFORE_SECONDS, Archive, Recorded, Span, arms_of
from serinus.cli.moments import clock_time
from serinus.core.analysis.comparison import read_weighed
from serinus.core.model.answers import MetricsAnswer
from serinus.core.model.rollout import from_status, read_plan
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.records import Cause
from serinus.simulation.backtest.recorded import RecordedMetrics
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.judged import JudgedRollout
from serinus.simulation.player.player import unlogged

LOOKS_BEFORE_S = 30.0
SAME_LOOKS = 3
"""Looks that live and played may be apart: nobody has recorded at which seconds the operator looked."""


@dataclass(frozen=True)
class EvidencePoint:
    """The evidence after one look: over all metrics, and of each stream."""

    at: float
    total: float
    streams: Mapping[str, float]


@dataclass(frozen=True)
class WeightChange:
    """A weight of the canary in percent, and when it was set."""

    at: float
    weight: int


@dataclass(frozen=True)
class PlayedAgain:
    """What the looks say now: the evidence, and when and why the weight would be taken away (None: never)."""

    points: tuple[EvidencePoint, ...] = ()
    reverted_at: float | None = None
    reason: str | None = None
    metric: str | None = None


class _Past:
    """The archive as the recorded metrics ask it for what is no raw counter."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def ask(self, query: str, at: float | None = None) -> MetricsAnswer:
        """Ask in a thread: the archive has a loop of its own."""
        assert at is not None
        return await asyncio.to_thread(self._archive.raw, query, at)


def weight_changes(account: Account) -> tuple[WeightChange, ...]:
    """The weights that the record tells, oldest first; repeated ones are one."""
    stages: list[WeightChange] = []
    for record in account.rollout.status.decisions:
        if not stages or stages[-1].weight != record.weight:
            stages.append(WeightChange(unix_seconds(record.first_time), record.weight))
    return tuple(stages)


def played_again(account: Account, span: Span, recorded: Recorded, archive: Archive) -> PlayedAgain:
    """Look again from the first weight to the decision, or to now."""
    if account.rollout.spec.from_ is None:
        return PlayedAgain()
    with unlogged():
        return asyncio.run(_played(account, span, recorded, archive))


async def _played(account: Account, span: Span, recorded: Recorded, archive: Archive) -> PlayedAgain:
    pods = account.rollout.status.pods
    replicas = max(1, pods.full, pods.min_replicas) if pods else 1
    subject = Subject(account.namespace, account.name, read_plan(account.rollout).policy, replicas)
    clock = PlayedClock(span.start - LOOKS_BEFORE_S)
    # Two histograms of one server's are asked for with the same counters.
    series = list({tuple(sorted(one.labels.items())): one for found in recorded.values() for one in found}.values())
    sources = {metric.source for metric in subject.policy.analysis.metrics if metric.source}
    metrics = RecordedMetrics(series, clock, _Past(archive), sources, began=span.start - BEFORE_SECONDS)
    spec = account.rollout.spec
    arms, rollback = arms_of(account), bool(spec.rollback)
    rollout = JudgedRollout(
        subject, arms, metrics, clock, alone=_alone(account), attempt=spec.attempt, rollback=rollback
    )
    stages = _stages(account)
    points: list[EvidencePoint] = []
    told: tuple[float, Cause] | None = None
    for at in _times(span, subject.interval_s):
        while stages and stages[0].at < at:
            stage = stages.pop(0)
            rollout.set_weight(stage.weight, stage.at)
            points.extend(_begin(account, stage.at, points))
        cause = await rollout.look(at)
        points.extend(_seen(rollout, at))
        if cause is not None and told is None:
            told = at, cause
    if told is None:
        return PlayedAgain(tuple(points))
    at, cause = told
    return PlayedAgain(tuple(points), at, cause.reason, cause.finding.metric if cause.finding else None)


def _stages(account: Account) -> list[WeightChange]:
    """List the stages from the first weight on; of no weight only those from which the canary came back."""
    changes = [*dropwhile(lambda change: change.weight == 0, weight_changes(account))]
    return changes[:-1] if changes and changes[-1].weight == 0 else changes


def _alone(account: Account) -> tuple[tuple[float, float], ...]:
    """Take the history of stable that the evidence was calibrated on, as far as it is recorded."""
    known = from_status(account.rollout.status).analysis.gathered
    weighed = read_weighed(known)
    past = weighed.past if weighed else None
    if past is None or past.seconds <= 0.0:
        return ()
    created = account.rollout.created_at
    return ((created - past.seconds, created),)


def _times(span: Span, interval: float) -> Iterator[float]:
    """Look every interval, so that one look is at the end: it is the one that decided."""
    count = int((span.end - span.start + LOOKS_BEFORE_S) / interval)
    return (round(span.end - back * interval, 3) for back in range(count, -1, -1))


def _begin(account: Account, at: float, points: list[EvidencePoint]) -> Iterator[EvidencePoint]:
    """A stage begins with what is known: nothing, at first."""
    if account.tests:
        yield EvidencePoint(at, points[-1].total if points else 1.0, points[-1].streams if points else {})


def _seen(rollout: JudgedRollout, at: float) -> Iterator[EvidencePoint]:
    """Give the evidence of a look; none where there is no test, or nothing to feed it with."""
    assessment = rollout.state.assessment
    if assessment is not None and assessment.e_total is not None:
        yield EvidencePoint(at, assessment.e_total, {one.metric: one.e_value for one in assessment.comparisons})


def disagreement(account: Account, again: PlayedAgain, interval: float) -> str:
    """Say where the replay and the record part; empty where they agree."""
    ended, decided = account.ended, account.deciding
    judged = decided is not None and decided.metric is not None and decided.action == "Taken"
    told = unix_seconds(ended) if judged and ended is not None else None
    if again.reverted_at is None:
        return "" if told is None else "the replay does not revert: Prometheus may have lost scrapes of that time"
    when = f"the replay reverts at {clock_time(to_rfc3339(again.reverted_at))} ({again.reason}, {again.metric})"
    if told is None:
        return f"{when}, the record does not"
    if abs(again.reverted_at - told) > SAME_LOOKS * interval:
        return f"{when}, the record at {clock_time(ended or '')}"
    return ""
