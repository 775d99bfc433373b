"""The evidence over time: the recorded increments, fed again to the test that judged them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serinus.api.parsing import unix_seconds
from serinus.api.policy import Pace
from serinus.cli.explain.account import Account
from serinus.core.analysis.comparison_metrics import Stream, monitor_config, streams_of
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.model.assessment import Look, Observation


@dataclass(frozen=True)
class EvidencePoint:
    """The evidence after one scrape: over all metrics, and of each stream."""

    at: float
    total: float
    streams: Mapping[str, float]


@dataclass(frozen=True)
class WeightChange:
    """A weight of the canary in percent, and when it was set."""

    at: float
    weight: int


def weight_changes(account: Account) -> tuple[WeightChange, ...]:
    """The weights that the record tells, oldest first; repeated ones are one."""
    stages: list[WeightChange] = []
    for record in account.rollout.status.decisions:
        if not stages or stages[-1].weight != record.weight:
            stages.append(WeightChange(unix_seconds(record.first_time), record.weight))
    return tuple(stages)


def replayed(account: Account, observations: Mapping[str, Observation]) -> tuple[EvidencePoint, ...]:
    """Feed the test, stage by stage; empty where there is no test, or nothing to feed it with."""
    spec = account.rollout.spec
    streams = streams_of(Look(0.0, observations), spec.analysis).known if account.tests else ()
    if not streams:
        return ()
    pace = spec.strategy.canary.pace or Pace.TIMED
    monitor = RolloutMonitor(monitor_config(spec.analysis, streams, pace))
    stages = [stage for stage in weight_changes(account) if stage.weight > 0]
    points: list[EvidencePoint] = []
    for at in sorted({at for stream in streams for at in stream.observations}):
        while stages and stages[0].at < at:
            stage = stages.pop(0)
            monitor.start_stage(float(stage.weight), float(_next_weight(account, stage.weight)), stage.at)
            points.append(_begin(stage.at, points))
        if points:
            points.append(_fed(monitor, at, streams))
    return tuple(points)


def _begin(at: float, points: list[EvidencePoint]) -> EvidencePoint:
    """A stage begins with what is known: nothing, at first."""
    return EvidencePoint(at, points[-1].total if points else 1.0, points[-1].streams if points else {})


def _fed(monitor: RolloutMonitor, at: float, streams: tuple[Stream, ...]) -> EvidencePoint:
    answer = monitor.observe(at, {stream.name: stream.observations.get(at) for stream in streams})
    return EvidencePoint(at, answer.e_total, {name: one.e_value for name, one in answer.evidence.items()})


def _next_weight(account: Account, weight: int) -> int:
    steps = account.rollout.spec.strategy.canary.steps
    return min((step.set_weight for step in steps if step.set_weight and step.set_weight > weight), default=100)
