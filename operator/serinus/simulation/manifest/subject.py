"""A ModelDeployment's own policy, as the simulation and the backtest run it.

Everything that decides comes from the product's own code: the defaults, the streams that are compared, the
configuration of the monitor. Only what the two commands need in addition is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Any, Final

import yaml

from serinus.api.canary import Canary, Pace, Pause, Step
from serinus.api.defaults import Policy, filled_in, policy_of
from serinus.api.durations import seconds
from serinus.api.judging import QueryType
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import parse_model_deployment
from serinus.api.policy import Metric, Provider
from serinus.api.problems import ApiError
from serinus.core.analysis.comparison_metrics import monitor_config, streams_of
from serinus.core.analysis.promql import has_baseline
from serinus.core.analysis.sequential.config import MonitorConfig
from serinus.core.model.assessment import Increment, Look, Measured, Observation
from serinus.core.model.errors import SerinusError
from serinus.core.model.exposure import FULL_WEIGHT

KIND: Final = "ModelDeployment"
GOAL_PLAYED_S: Final = 600.0
"""How long a goal is played at most: a week of looks would say no more of the other metrics."""
ISTIO_BOUNDS_S: Final = tuple(
    milliseconds / 1000
    for milliseconds in (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000)
)
"""Bounds of istio_request_duration_milliseconds that a request is ever near to."""


class UnusableManifest(SerinusError):
    """A file that holds no policy to play."""


@dataclass(frozen=True)
class PlannedStage:
    """One weight (per cent) and how long the walk stays there at least, whatever is known."""

    weight: int
    wait_s: float


@dataclass(frozen=True)
class Subject:
    """What is played: a ModelDeployment's name, and its policy with nothing left to default."""

    namespace: str
    name: str
    policy: Policy
    replicas: int = 1
    left_out_verbs: tuple[str, ...] = ()
    """The verbs of the manifest's steps that are not played."""

    @property
    def interval_s(self) -> float:
        """Time between two looks."""
        return seconds(self.policy.analysis.interval or "5s")

    @property
    def pace(self) -> Pace:
        """What the weight waits for."""
        return self.policy.strategy.canary.pace or Pace.TIMED

    def stages(self, promoted_after_s: float) -> tuple[PlannedStage, ...]:
        """List the weights up to 100 %, which stands for the guard window.

        A pause without a duration lasts `promoted_after_s`, the time a person takes; with pace Evidence only those
        are waited for.
        """
        stages: list[PlannedStage] = []
        for step in self.policy.strategy.canary.steps:
            if step.set_weight is not None:
                stages.append(PlannedStage(step.set_weight, 0.0))
            elif stages:
                stages[-1] = PlannedStage(stages[-1].weight, stages[-1].wait_s + self._pause_s(step, promoted_after_s))
        guard = self.policy.guard.seconds
        if stages and stages[-1].weight == 100:
            return (*stages[:-1], PlannedStage(100, stages[-1].wait_s + guard))
        return (*stages, PlannedStage(100, guard))

    def _pause_s(self, step: Step, promoted_after_s: float) -> float:
        duration = step.pause.seconds if step.pause else 0.0
        if duration is None:
            return promoted_after_s
        return 0.0 if self.pace is Pace.EVIDENCE else duration

    def waits_for_people(self) -> bool:
        """Whether a step stays until a person promotes."""
        return any(step.pause is not None and step.pause.seconds is None for step in self.policy.strategy.canary.steps)

    def left_out(self) -> tuple[str, ...]:
        """Name the metrics that nobody can make up traffic for: they are taken to be in range, and equal."""
        return tuple(metric.name for metric in self.policy.analysis.metrics if not made_up(metric))

    def made_up_only(self) -> Subject:
        """Leave out the metrics that nobody can make up traffic for."""
        return self.with_analysis(metrics=tuple(metric for metric in self.policy.analysis.metrics if made_up(metric)))

    def with_analysis(self, **changes: object) -> Subject:
        """Change what is watched, and how; what a mode needs beside it gets its default."""
        given = self.policy.analysis.model_copy(update=changes)
        return replace(self, policy=self.policy.model_copy(update={"analysis": filled_in(given)}))

    def with_canary(self, canary: Canary) -> Subject:
        """Change the steps, or the pace."""
        strategy = self.policy.strategy.model_copy(update={"canary": canary})
        return replace(self, policy=self.policy.model_copy(update={"strategy": strategy}))

    def monitor(self) -> MonitorConfig:
        """Configure the monitor as the product does, from a look at which every metric has answered."""
        analysis = self.policy.analysis
        look = Look(0.0, {metric.name: _answered(metric) for metric in analysis.metrics})
        try:
            return monitor_config(analysis, streams_of(look, analysis).known, self.pace)
        except ValueError as error:
            raise UnusableManifest(f"spec.analysis: {error}") from error


def made_up(metric: Metric) -> bool:
    """Whether synthetic traffic says anything about a metric: the presets over Istio's counters, not own queries."""
    if metric.preset is None:
        return False
    return metric.counted_by is not Provider.VLLM and (not metric.is_latency or metric.has_histogram)


def read_subject(text: str, name: str | None = None) -> Subject:
    """Find the ModelDeployment of a file (the one called `name`, if there are several); raises UnusableManifest."""
    found = [each for each in _documents(text) if each.get("kind") == KIND]
    chosen = [each for each in found if name is None or (each.get("metadata") or {}).get("name") == name]
    if not found:
        raise UnusableManifest("the file has no ModelDeployment")
    if len(chosen) != 1:
        names = ", ".join(str((each.get("metadata") or {}).get("name")) for each in found)
        raise UnusableManifest(f"choose one ModelDeployment with --name; the file has: {names}")
    try:
        view = parse_model_deployment(chosen[0])
    except ApiError as error:
        raise UnusableManifest(f"the manifest cannot be read: {error}") from error
    unknown = list(_unknown("spec", chosen[0]["spec"], view.spec.model_dump(by_alias=True, exclude_unset=True)))
    if unknown:
        raise UnusableManifest(f"{', '.join(unknown)}: no such field: check the spelling, or leave it out")
    policy, verbs = _played(policy_of(view.spec))
    return Subject(view.namespace, view.name, policy, view.spec.scaling.min_replicas, left_out_verbs=verbs)


def _played(policy: Policy) -> tuple[Policy, tuple[str, ...]]:
    """Leave out cohorts, copies and goals, and the pauses in which nobody else sees the canary; name the verbs left
    out.

    Made-up requests carry no headers, and a cohort is no random sample of them. Nobody counts copies here, or users.
    """
    policy, goals = _without_goal(policy)
    canary = policy.strategy.canary
    cohorts = any(step.set_header_route is not None for step in canary.steps)
    copies = any(step.set_mirror_route is not None for step in canary.steps)
    if not cohorts and not copies:
        return policy, goals
    weighted = dropwhile(lambda step: step.set_weight is None, canary.steps)
    steps = tuple(step for step in weighted if step.set_header_route is None) or (Step(set_weight=FULL_WEIGHT),)
    strategy = policy.strategy.model_copy(update={"canary": canary.model_copy(update={"steps": steps})})
    named = (*(["setHeaderRoute"] if cohorts else []), *(["setMirrorRoute"] if copies else []), *goals)
    return policy.model_copy(update={"strategy": strategy}), named


def _without_goal(policy: Policy) -> tuple[Policy, tuple[str, ...]]:
    """Play a pause for a goal, and leave out its metric where that has no limit of its own: nothing else judges it."""
    goal, canary = policy.strategy.goal, policy.strategy.canary
    if goal is None:
        return policy, ()
    lasts = f"{min(goal.min_seconds, GOAL_PLAYED_S):.0f}s"
    steps = tuple(Step(pause=Pause(duration=lasts)) if step.await_goal else step for step in canary.steps)
    judged = tuple(one for one in policy.analysis.metrics if one.name != goal.goal.metric or one.threshold_range)
    if not judged:
        raise UnusableManifest(
            f"spec.analysis: metric {goal.goal.metric} is the goal's, and nothing else is watched: add a metric that"
            " guards, such as {name: errors, preset: error-rate}"
        )
    strategy = policy.strategy.model_copy(update={"canary": canary.model_copy(update={"steps": steps})})
    analysis = policy.analysis.model_copy(update={"metrics": judged})
    return policy.model_copy(update={"strategy": strategy, "analysis": analysis}), ("awaitGoal",)


def default_subject() -> Subject:
    """Give the policy of a ModelDeployment that says nothing of one."""
    spec = ModelDeploymentSpec.parse(
        {
            "model": {"version": "1", "storageUri": "configmap://model"},
            "runtime": {"image": "triton"},
            "traffic": {"hosts": ["model.example.com"], "istio": {"gateways": ["public"]}},
        }
    )
    return Subject("default", "default", policy_of(spec), spec.scaling.min_replicas)


def _documents(text: str) -> list[Mapping[str, Any]]:
    try:
        found = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise UnusableManifest(f"the file is not valid YAML: {getattr(error, 'problem', error)}{place}") from error
    listed = (
        each["items"] if each.get("kind") == "List" and isinstance(each.get("items"), list) else [each]
        for each in found
    )
    return [each for items in listed for each in items if isinstance(each, dict)]


def _unknown(path: str, given: object, known: object) -> Iterator[str]:
    """Name the fields that parsing ignored: a misspelt one would leave its default in force."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for name, value in given.items():
            if name in known:
                yield from _unknown(f"{path}.{name}", value, known[name])
            else:
                yield f"{path}.{name}"
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for index, (each, its) in enumerate(zip(given, known, strict=False)):
            yield from _unknown(f"{path}[{index}]", each, its)


def _answered(metric: Metric) -> Observation:
    """An observation with every part that the product waits for before it begins to compare."""
    value = Measured(0.0, None, 0.0)
    alone = metric.query is not None and not has_baseline(metric.query)
    if metric.type is QueryType.DISTRIBUTION:
        bins = (0.0,) * 10
        return Observation(value, value, "", (Increment(0.0, bins, bins),))
    return Observation(value, None if alone else value, "", bounds=ISTIO_BOUNDS_S)
