"""Whether stable can serve: it should have pods, and has had none ready for a while.

A version with ready pods always takes precedence over one without.
"""

from __future__ import annotations

from serinus.core.model.assessment import Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Obstacle, Snapshot
from serinus.core.model.values import revised

DOWN_SECONDS = 10.0
WAKING_SECONDS = 300.0
"""One that was scaled to zero loads its model first, and that is no failure."""


def with_stable_seen(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Remember since when stable has had no ready pod, and when it was woken."""
    if plan.stable is None:
        return state
    fleet = seen.fleet(plan.stable)
    if fleet.ready > 0:
        return revised(state, stable_down_since=None, stable_woken_at=None)
    if fleet.desired == 0 and fleet.scaled_by_other:
        return revised(state, stable_down_since=None, stable_woken_at=state.stable_woken_at or now)
    since = min(now, seen.down_since.get(plan.stable, now))
    return revised(state, stable_down_since=state.stable_down_since or since)


def stable_fails(state: RolloutState, now: float) -> bool:
    """Whether stable cannot serve."""
    at = fails_at(state)
    return at is not None and now >= at


def keeps_only_from_judging(obstacle: Obstacle | None) -> bool:
    """Whether an obstacle is a query that is refused: where stable cannot serve, nothing is judged anyway."""
    return obstacle is not None and obstacle.reason == Reason.REFUSED


def fails_at(state: RolloutState) -> float | None:
    """When stable counts as failing if no pod of it becomes ready; None while there is no reason to think so."""
    if state.stable_down_since is None:
        return None
    return state.stable_down_since + (DOWN_SECONDS if state.stable_woken_at is None else WAKING_SECONDS)
