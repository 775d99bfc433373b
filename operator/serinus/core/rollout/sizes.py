"""How many pods each revision gets, how many the canary needs ready before its weight may rise, and how much weight
stable can take back with the pods it has.

The required number is fixed when a stage begins, so that scaling mid-stage neither holds nor ends a rollout; the
requested number follows the spec at once. A scale (setCanaryScale) adds pods, and takes none that the weight needs.
Stable keeps the pods that carried its traffic for as long as that traffic may come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from serinus.api.canary_scale import CanaryScale
from serinus.api.rollout import PodCounts
from serinus.api.status import Phase
from serinus.core.model.exposure import FULL_WEIGHT, Exposure
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet, RolloutSeen, Snapshot
from serinus.core.rollout.stable import stable_fails
from serinus.core.rollout.verbs.steps import needs_pods, scale_at, verb_at

EARLY_FACTOR = 1.5
"""Pods do not always load as fast as they did."""


def pod_counts(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> PodCounts:
    """Remember what carries stable's traffic; what the canary needs is set once a stage."""
    known = state.pods
    carried = max(known.carried or seen.min_replicas, seen.fleet(plan.stable).ready)
    begun = known if known.full else stage_counts(plan, state, seen)
    return begun.model_copy(update={"carried": carried})


def stage_counts(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> PodCounts:
    """Fix what 100 percent takes, as a stage begins: what stable really has, and never less than minReplicas."""
    stable = seen.fleet(plan.stable)
    scaled = stable.desired if stable.scaled_by_other else 0
    full = max(seen.min_replicas, scaled, inherited(seen.rollouts, plan.stable, seen.min_replicas))
    return state.pods.model_copy(update={"full": full, "min_replicas": seen.min_replicas})


def needed_replicas(plan: RolloutPlan, state: RolloutState, min_replicas: int, now: float) -> int:
    """How many canary pods must be ready before the weight may rise, or a scale is reached."""
    return _pods(plan, state, _target_weight(plan, state, now), _needed_size(state.pods, min_replicas))


def needed_scale(plan: RolloutPlan, state: RolloutState, min_replicas: int, now: float) -> CanaryScale | None:
    """The scale that asks for more pods than the weight needs; None where the weight decides."""
    size, scale = _needed_size(state.pods, min_replicas), scale_at(plan, state.step)
    decides = scaled_replicas(scale, size) > canary_replicas(_target_weight(plan, state, now), size)
    return scale if decides else None


def canary_pods(plan: RolloutPlan, state: RolloutState, min_replicas: int, now: float) -> int:
    """How many pods the canary is given: those of its weight or scale, and of the next one where they start early."""
    size = _size(state.pods, min_replicas)
    return max(_pods(plan, state, _target_weight(plan, state, now), size), _early_pods(plan, state, size, now))


def serving_pods(plan: RolloutPlan, state: RolloutState, min_replicas: int) -> int:
    """How many pods the canary must have for what it is shown now: a scale counts once it has been reached."""
    size = max(state.pods.full, min_replicas)
    scales = (scale_at(plan, step) for step in (state.step - 1, state.step))
    return max(canary_replicas(state.exposure.load, size), min(scaled_replicas(scale, size) for scale in scales))


def stable_pods(seen: Snapshot, stable: str, active: RolloutSeen | None) -> int | None:
    """How many pods stable is given; None where somebody else's scaler says so.

    Against a scaler we speak up twice: to wake a stable at zero before something is tried on its users, and to give a
    revert the pods that it needs.
    """
    fleet, own = seen.fleet(stable), inherited(seen.rollouts, stable, seen.min_replicas)
    wanted = max(seen.min_replicas, own, active.state.pods.carried if active else 0)
    if not fleet.scaled_by_other:
        return wanted
    if active is None:
        return None
    if active.state.phase.ended:
        return max(wanted, fleet.desired)
    return 1 if fleet.desired == 0 else None


def inherited(rollouts: Iterable[RolloutSeen], revision: str | None, min_replicas: int) -> int:
    """How many pods a revision took over from a stable that a scaler had made larger; until minReplicas changes."""
    won = [one.state for one in rollouts if one.plan.canary == revision and one.state.phase is Phase.SUCCEEDED]
    pods = won[-1].pods if won else PodCounts()
    return _surplus(pods) if pods.min_replicas == min_replicas else 0


def early_at(plan: RolloutPlan, state: RolloutState) -> float | None:
    """When the pods of the next weight or scale must start, to be ready at the end of a pause; None without a pause."""
    if state.phase.ended:
        return None
    ends_at = verb_at(plan, state.step).ends_at(state.step_started_at)
    return None if ends_at is None else ends_at - EARLY_FACTOR * state.pods.load_seconds


def _early_pods(plan: RolloutPlan, state: RolloutState, size: int, now: float) -> int:
    """The pods of the next step that waits for any, once they must start; 0 before."""
    at, last = early_at(plan, state), len(plan.steps)
    if at is None or at > now or state.pods.load_seconds <= 0:
        return 0
    coming = (replace(state, step=step) for step in range(state.step, last))
    there = next((one for one in coming if needs_pods(plan, one)), replace(state, step=last))
    return _pods(plan, there, _target_weight(plan, there, now), size)


def _pods(plan: RolloutPlan, state: RolloutState, weight: int, size: int) -> int:
    """Give a weight its pods, or those of the scale if they are more; who has ended has no scale any more."""
    scaled = 0 if state.phase.ended else scaled_replicas(scale_at(plan, state.step), size)
    return max(canary_replicas(weight, size), scaled)


def _target_weight(plan: RolloutPlan, state: RolloutState, now: float) -> int:
    """The weight that the canary's pods must be able to carry now: the one it has, or the one that comes next."""
    if state.phase.ended:
        return state.exposure.load
    if stable_fails(state, now):
        return FULL_WEIGHT
    return verb_at(plan, state.step).shows(state.exposure).load


def _needed_size(pods: PodCounts, min_replicas: int) -> int:
    return min(pods.full or min_replicas, _size(pods, min_replicas))


def _size(pods: PodCounts, min_replicas: int) -> int:
    return max(min_replicas, _surplus(pods))


def _surplus(pods: PodCounts) -> int:
    """What a scaler gave beyond minReplicas; without one minReplicas alone counts, as it stands now."""
    return pods.full if pods.full > pods.min_replicas else 0


def canary_replicas(weight: int, min_replicas: int) -> int:
    """Scale a canary with its weight: ceil(weight/100 x minReplicas), at least one pod."""
    return max(1, -(-weight * min_replicas // 100))


def scaled_replicas(scale: CanaryScale, min_replicas: int) -> int:
    """How many pods a scale asks for; 0 where it leaves that to the weight."""
    return scale.replicas or (canary_replicas(scale.weight, min_replicas) if scale.weight is not None else 0)


def taken_exposure(current: Exposure, stable: Fleet, carried: int) -> Exposure:
    """What the canary is shown once stable takes what it can carry; never more than now.

    `carried` is the number of pods that carried all of stable's traffic: half of them carry it again, a quarter
    carries half of it, none carries nothing. What somebody wants of stable now says nothing about what it can bear.
    Copies end at once, and so do matches, unless stable has no pod that would answer instead.
    """
    share = min(FULL_WEIGHT, 2 * FULL_WEIGHT * stable.ready // max(1, carried))
    return Exposure(min(current.weight, FULL_WEIGHT - share), current.matches if stable.ready == 0 else ())
