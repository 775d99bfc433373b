"""The arithmetic of weights: how much stable can take back, how many pods the canary needs."""

from __future__ import annotations

from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet
from serinus.core.plan.scaling import canary_replicas


def taken_weight(current: int, stable: Fleet) -> int:
    """The canary's weight once stable takes what it can carry; never more than now.

    Half of stable's pods carry all traffic, a quarter carries half of it, none carries nothing.
    """
    share = min(100, 200 * stable.ready // max(1, stable.desired))
    return min(current, 100 - share)


def target_weight(plan: RolloutPlan, state: RolloutState) -> int:
    """The weight that the canary's pods must be able to carry now: the one it has, or the one that comes next."""
    if state.phase.ended:
        return state.weight
    return max(state.weight, plan.weight_at(state.step) or 0)


def needed_replicas(plan: RolloutPlan, state: RolloutState, min_replicas: int) -> int:
    """How many canary pods must be ready before the weight may rise."""
    return canary_replicas(target_weight(plan, state), min_replicas)
