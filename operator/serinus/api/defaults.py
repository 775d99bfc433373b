"""The defaults of what a Rollout freezes, applied when parsing.

They are here and not in the schema because the API server writes and re-reads schema defaults: a changed default would
change the plan of a rollout in progress, and the policy that a rejected revision was judged by.
"""

from __future__ import annotations

from collections.abc import Iterator

from serinus.api.ab_test import WEIGHT, AbTest, AwaitGoal, goal_filled_in
from serinus.api.base import ApiModel
from serinus.api.blue_green import BlueGreen
from serinus.api.canary import Canary, Pause, Step
from serinus.api.canary_scale import CanaryScale
from serinus.api.canonical import digest
from serinus.api.header_route import HeaderRoute
from serinus.api.judging import ClientErrors, Mode, OnBlind, OnMaxHold
from serinus.api.mirror_route import MirrorRoute
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.policy import Analysis, Guard, Metric, Preset, Provider, Strategy, ThresholdRange
from serinus.api.rollout import RolloutSpec
from serinus.api.runtime import Runtime, RuntimeType

INTERVAL = "5s"
BLIND_TIMEOUT = "5m"
FAILURE_LIMIT = 0
QUANTILE = "0.99"
FALSE_REVERT_RATE = "0.01"
RISK_BUDGET = "0.005"
MIN_DWELL = "1m"
LOAD_TIMEOUT_SECONDS = 300
DEFAULT_DRAIN_SECONDS = 30
PROGRESS_DEADLINE_SECONDS = 600
SECONDS_BESIDE_LOADING = 60
"""For the image, the scheduler and the sample request: a deadline must not cut off a load that has the time for it."""

STRATEGY = Strategy(
    canary=Canary(
        steps=tuple(
            step for weight in (5, 25, 50) for step in (Step(set_weight=weight), Step(pause=Pause(duration="1m")))
        )
    )
)
METRICS = (
    Metric(name="error-rate", preset=Preset.ERROR_RATE, threshold_range=ThresholdRange(max="5%")),
    Metric(name="latency-p99", preset=Preset.LATENCY, quantile=QUANTILE),
)
STREAM_METRICS = (
    METRICS[0],
    Metric(
        name="stream-errors",
        preset=Preset.ERROR_RATE,
        provider=Provider.VLLM,
        threshold_range=ThresholdRange(max="5%"),
    ),
    Metric(name="first-token-p99", preset=Preset.TIME_TO_FIRST_TOKEN, quantile=QUANTILE),
    Metric(name="per-token-p99", preset=Preset.TIME_PER_OUTPUT_TOKEN, quantile=QUANTILE),
)
"""A stream has answered 200 before it fails, and how long it takes is a matter of how much it says: gateways tell
neither."""
GUARD = Guard(duration="10m")


def default_metrics(runtime: Runtime) -> tuple[Metric, ...]:
    """List what is watched where nothing is said; a server that the team starts itself may have no series of vLLM's."""
    if runtime.type is not RuntimeType.OPENAI:
        return METRICS
    started_by_team = runtime.pod_template is not None and runtime.pod_template.command is not None
    return STREAM_METRICS[:1] if started_by_team else STREAM_METRICS


class Policy(ApiModel):
    """How a revision is replaced and judged, with nothing left to default."""

    strategy: Strategy
    analysis: Analysis
    guard: Guard
    progress_deadline_seconds: int

    @property
    def digest(self) -> str:
        """Identify what a revision is judged by; the deadline is no part of it.

        `minSamples` counts as it was always written, with its default: what was rejected once stays so.
        """
        metrics = (one.model_copy(update={"min_samples": one.least_samples}) for one in self.analysis.metrics)
        judged = self.model_copy(update={"analysis": self.analysis.model_copy(update={"metrics": tuple(metrics)})})
        return digest(
            judged.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"progress_deadline_seconds"})
        )


def policy_of(spec: ModelDeploymentSpec) -> Policy:
    """Fill in what the user left out of strategy, analysis, guard and deadline."""
    strategy = _strategy(spec.strategy or STRATEGY)
    return Policy(
        strategy=strategy,
        analysis=filled_in(_beside(strategy, spec.analysis or Analysis(metrics=default_metrics(spec.runtime)))),
        guard=spec.guard or GUARD,
        progress_deadline_seconds=spec.progress_deadline_seconds or _deadline(spec),
    )


def _strategy(strategy: Strategy) -> Strategy:
    """Fill in the steps: a policy may be about the pace alone, and other strategies are lists of steps by a name."""
    if strategy.ab_test is not None:
        return Strategy(canary=Canary(steps=tuple(_ab_test_steps(strategy.ab_test))))
    if strategy.blue_green is not None:
        return Strategy(canary=Canary(steps=tuple(_blue_green_steps(strategy.blue_green))))
    canary = strategy.canary
    if canary.steps:
        return strategy if strategy.goal is None else Strategy(canary=_with_goal_filled_in(canary))
    return Strategy(canary=Canary(steps=STRATEGY.canary.steps, pace=canary.pace))


def unlisted_steps(strategy: Strategy | None) -> str:
    """Name the steps of a strategy that lists none, as its user would write them; empty for one that lists its own."""
    strategy = strategy or STRATEGY
    name = "abTest" if strategy.ab_test is not None else "blueGreen" if strategy.blue_green is not None else ""
    if not name and strategy.canary.steps and strategy is not STRATEGY:
        return ""
    verbs = (
        verb for step in _strategy(strategy).canary.steps for verb in step.model_dump(by_alias=True, exclude_none=True)
    )
    return f"{name or 'the default'} is {', '.join(verbs)}"


def _with_goal_filled_in(canary: Canary) -> Canary:
    steps = (step if step.await_goal is None else _goal_step(step.await_goal) for step in canary.steps)
    return canary.model_copy(update={"steps": tuple(steps)})


def _goal_step(wish: AwaitGoal) -> Step:
    return Step(await_goal=goal_filled_in(wish))


def _ab_test_steps(wish: AbTest) -> Iterator[Step]:
    yield Step(set_weight=wish.weight or WEIGHT)
    yield _goal_step(wish)


def _beside(strategy: Strategy, analysis: Analysis) -> Analysis:
    """Let a goal's metric without a range decide nothing by itself: the goal's own test judges it."""
    wanted = strategy.goal.goal.metric if strategy.goal else None
    metrics = (
        one.model_copy(update={"gating": False}) if one.name == wanted and one.threshold_range is None else one
        for one in analysis.metrics
    )
    return analysis.model_copy(update={"metrics": tuple(metrics)})


def _blue_green_steps(wish: BlueGreen) -> Iterator[Step]:
    yield Step(set_canary_scale=CanaryScale(weight=100))
    if wish.mirror is not None:
        yield Step(set_mirror_route=MirrorRoute(percentage=wish.mirror.percentage))
        yield Step(pause=Pause(duration=wish.mirror.duration))
    if wish.preview is not None:
        yield Step(set_header_route=HeaderRoute(match=wish.preview.match, preview=True))
    yield Step(pause=Pause(duration=wish.auto_promotion_after))
    yield Step(set_weight=100)


def _deadline(spec: ModelDeploymentSpec) -> int:
    loading = spec.runtime.load_timeout_seconds or LOAD_TIMEOUT_SECONDS
    return max(PROGRESS_DEADLINE_SECONDS, loading + SECONDS_BESIDE_LOADING)


def frozen_policy(spec: RolloutSpec) -> Policy:
    """Read the policy that a Rollout froze when it started."""
    return Policy(
        strategy=spec.strategy,
        analysis=spec.analysis,
        guard=spec.guard,
        progress_deadline_seconds=spec.progress_deadline_seconds,
    )


def filled_in(analysis: Analysis) -> Analysis:
    """Fill in what the user left out of an analysis."""
    return Analysis(
        interval=analysis.interval or INTERVAL,
        metrics=tuple(_metric(metric) for metric in analysis.metrics),
        on_blind=analysis.on_blind or OnBlind.HOLD,
        blind_timeout=analysis.blind_timeout or BLIND_TIMEOUT,
        **_sequential(analysis),
    )


def _sequential(analysis: Analysis) -> dict[str, object]:
    """Fill in what the sequential test is asked by; nothing of it in Threshold mode, as admission asks."""
    mode = analysis.mode or Mode.SEQUENTIAL
    if mode is Mode.THRESHOLD:
        return {"mode": mode}
    return {
        "mode": mode,
        "false_revert_rate": analysis.false_revert_rate or FALSE_REVERT_RATE,
        "risk_budget": analysis.risk_budget or RISK_BUDGET,
        "min_dwell": analysis.min_dwell or MIN_DWELL,
        "max_hold": analysis.max_hold,
        "on_max_hold": analysis.on_max_hold or (OnMaxHold.HOLD if analysis.max_hold else None),
    }


def _metric(metric: Metric) -> Metric:
    """Fill in a metric; what has no meaning for its preset stays out, as admission asks."""
    defaults: dict[str, object] = {"failure_limit": FAILURE_LIMIT}
    if metric.preset is not None:
        defaults["provider"] = metric.counted_by
    if metric.preset is Preset.ERROR_RATE:
        defaults["client_errors"] = ClientErrors.COMPARE
    if metric.is_latency:
        defaults["quantile"] = QUANTILE
    missing = {field: value for field, value in defaults.items() if getattr(metric, field) is None}
    return metric.model_copy(update=missing)
