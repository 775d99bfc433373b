"""How long a rollout has waited for its pods, and when that is too long.

Only waits before a raise, or for a scale, count: pauses, holds and missing metrics are not the canary's fault, and a
serving canary is not ended for pods that it lost or never got.
"""

from __future__ import annotations

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.values import revised
from serinus.core.rollout.gates import waits_for_pods
from serinus.core.rollout.question import Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.verbs.steps import needs_pods


def timed_wait(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Time the waiting for pods: all waits before one rise or scale add up. Remember how long the longest took."""
    if _waits(plan, state, seen, now):
        return state if state.waiting_since is not None else revised(state, waiting_since=now)
    if state.waiting_since is None:
        return state
    took = round(now - state.waiting_since, 3)
    pods = state.pods.model_copy(update={"load_seconds": max(took, state.pods.load_seconds)})
    waited = _waited(state, now) if _needs_pods_next(plan, state) else 0.0
    return revised(state, waiting_since=None, waited_seconds=waited, pods=pods)


def overdue_pods(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> Cause | None:
    """Why the rollout ends for want of pods; the first revision is waited for: there is nothing to go back to."""
    if plan.stable is None or not waited_too_long(plan, state, now):
        return None
    deadline = plan.policy.progress_deadline_seconds
    why = waits_for_pods(Question(plan, state, seen, now))
    detail = f": {why.message}" if why else ""
    obstacle = seen.fleet(plan.canary).obstacle
    reason = obstacle.reason if obstacle else RolloutReason.DEADLINE_EXCEEDED
    return Cause(reason, f"not ready within progressDeadlineSeconds ({deadline}){detail}")


def waited_too_long(plan: RolloutPlan, state: RolloutState, now: float) -> bool:
    """Whether the deadline is over."""
    return state.waiting_since is not None and _waited(state, now) >= plan.policy.progress_deadline_seconds


def _waits(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> bool:
    if plan.spec.paused or not _needs_pods_next(plan, state):
        return False
    return waits_for_pods(Question(plan, state, seen, now)) is not None and not _scaler_holds(plan, seen)


def _scaler_holds(plan: RolloutPlan, seen: Snapshot) -> bool:
    """Whether the canary has all the pods that somebody else's scaler allows it: that holds, and ends nothing."""
    fleet = seen.fleet(plan.canary)
    return fleet.scaled_by_other and fleet.ready >= max(1, fleet.desired)


def _needs_pods_next(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the next thing is a rise or a scale, and no pause or guard whose end is awaited."""
    return state.phase is not Phase.GUARDING and needs_pods(plan, state)


def _waited(state: RolloutState, now: float) -> float:
    return round(state.waited_seconds + (now - state.waiting_since if state.waiting_since is not None else 0.0), 3)
