"""Ends a rollout, and takes traffic back: as much as stable can carry, pod by pod, until the weight is 0."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.status import Phase, Verdict
from serinus.core.model.exposure import Exposure, change
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.plan.diagnosis.reasons import REJECTING
from serinus.core.rollout.group import companions, fault_of_another, left_behind, release_left
from serinus.core.rollout.guard import clean, final_verdict
from serinus.core.rollout.judge import unjudged_evidence, unsafe
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.sizes import taken_exposure
from serinus.core.rollout.stable import stable_fails

Ending = tuple[Phase, Cause]


def ending(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Ending | None:
    """What ends the rollout now besides a verdict: an SRE, or another wish."""
    if plan.spec.abort:
        return Phase.ABORTED, Cause(RolloutReason.ABORT_REQUESTED, "spec.abort is true")
    if cause := fault_of_another(plan, state, seen):
        return Phase.REVERTED, cause
    # A guard may end with a success for another release, but only of all members: see `guarded`.
    finishes = state.phase is Phase.GUARDING and clean(plan, state) and bool(companions(plan, seen))
    if how := _another_wish(plan, state, seen, finishes=finishes):
        return how
    cause = release_left(plan, state, seen, finishes=finishes)
    return (Phase.SUPERSEDED, cause) if cause else None


def _another_wish(plan: RolloutPlan, state: RolloutState, seen: Snapshot, *, finishes: bool) -> Ending | None:
    wanted = seen.wanted
    if wanted is None or wanted.name == plan.canary:
        return None
    if wanted.name == plan.stable:
        return Phase.SUPERSEDED, Cause(
            RolloutReason.SPEC_RESTORED, f"the spec was set back to version {wanted.version}"
        )
    if finishes:
        return None
    if state.phase is Phase.GUARDING and clean(plan, state):
        text = f"superseded by version {wanted.version}; this one was Safe at 100%"
        return Phase.SUCCEEDED, Cause(RolloutReason.ENDED_IN_GUARD, text)
    return Phase.SUPERSEDED, Cause(RolloutReason.NEW_SPEC, f"superseded by version {wanted.version}")


def condemned(plan: RolloutPlan, state: RolloutState, now: float) -> Ending | None:
    """The verdict that takes the weight away whatever else is so."""
    cause = unsafe(plan, state, now)
    return (Phase.REVERTED, cause) if cause else None


def ended(plan: RolloutPlan, state: RolloutState, seen: Snapshot, how: Ending, now: float) -> RolloutState:
    """End the rollout, and begin to take its weight away unless it has succeeded."""
    phase, cause = how
    state = replace(
        state,
        phase=phase,
        reason=cause.reason,
        message=cause.message,
        verdict=cause.verdict or state.verdict,
        finished_at=now,
        waiting_since=None,
    )
    if phase is Phase.SUCCEEDED:
        cause = replace(cause, verdict=final_verdict(state))
        state = replace(state, verdict=cause.verdict, settled_at=now)
        return recorded(plan, state, "Held", cause, now)
    return taking_back(plan, state, seen, now, cause)


def taking_back(
    plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float, cause: Cause | None = None
) -> RolloutState:
    """Give stable what it can carry; what it cannot carry yet follows pod by pod."""
    exposure = taken_exposure(state.exposure, seen.fleet(plan.stable), state.pods.carried)
    taken = state.exposure.exceeds(exposure)
    settled = exposure.is_nothing or left_serving(plan, replace(state, exposure=exposure), seen, now)
    state = replace(
        state,
        exposure=exposure,
        weight_changed_at=now if taken else state.weight_changed_at,
        settled_at=now if settled else None,
    )
    if taken or cause is not None:
        state = recorded(plan, state, "Taken", cause or _cause_of(state), now)
    return state


def left_serving(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> bool:
    """Whether an ended canary keeps its weight because stable cannot serve and something else is wanted.

    To wait for a dead stable would hold up every commit. What was superseded serves on; what was rejected does so only
    where nobody else would answer.
    """
    if not stable_fails(state, now) or seen.wanted is None:
        return False
    if seen.revision(plan.stable) is None and not seen.fleet(plan.stable).desired:
        return True
    serves = seen.fleet(plan.canary).ready > 0
    if state.phase is Phase.SUPERSEDED:
        return serves
    asks_again = plan.spec.retry is not None and plan.spec.retry != state.acknowledged.retry
    return seen.wanted.name not in {plan.canary, plan.stable} or (seen.wanted.name == plan.canary and asks_again)


def without_pods(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Take the weight of a canary that has no ready pod: it goes back to Pending and is not rejected for it.

    What metrics say meanwhile is no verdict on the model, so its stage begins anew. So it does while the fallback has
    its requests, and a pause or guard with it: a time in which it served nobody shows nothing.
    """
    ready = seen.fleet(plan.canary).ready > 0
    if plan.stable is None or state.exposure.is_nothing or (ready and not seen.on_fallback):
        return state
    known = replace(state.analysis.for_new_stage(), gathered=unjudged_evidence(state, seen.look, now))
    state = replace(state, stage_started_at=now, analysis=known, assessment=None)
    if seen.on_fallback:
        state = _not_yet_shown(state, now)
    if ready:
        return state
    exposure = taken_exposure(state.exposure, seen.fleet(plan.stable), state.pods.carried)
    if exposure == state.exposure:
        return state
    text = f"no canary pod is ready: {change(state.exposure, exposure)}"
    return _begun_again(plan, state, exposure, Cause(RolloutReason.CANARY_NOT_READY, text), now)


def _not_yet_shown(state: RolloutState, now: float) -> RolloutState:
    """Let the time of the step, and of the guard, begin now."""
    return replace(
        state,
        step_started_at=None if state.step_started_at is None else now,
        guard_started_at=None if state.guard_started_at is None else now,
    )


def with_the_others(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Begin again with a member of the group that has: they climb together, whatever threw one of them back.

    What stable cannot carry stays, as always; and who stands in for a stable that fails is no member of a line.
    """
    cause = left_behind(plan, state, seen)
    if cause is None or stable_fails(state, now):
        return state
    exposure = taken_exposure(state.exposure, seen.fleet(plan.stable), state.pods.carried)
    state = replace(state, stage_started_at=now, analysis=state.analysis.for_new_stage(), assessment=None)
    cause = replace(cause, message=f"{change(state.exposure, exposure)}: {cause.message}")
    return _begun_again(plan, state, exposure, cause, now)


def _begun_again(plan: RolloutPlan, state: RolloutState, exposure: Exposure, cause: Cause, now: float) -> RolloutState:
    """Go back to the first step, with what stable cannot carry."""
    state = replace(
        state,
        phase=Phase.PENDING,
        step=0,
        exposure=exposure,
        weight_changed_at=now,
        step_started_at=now,
        guard_started_at=None,
        safe_at=None,
        asked_at=None,
        verdict=None,
        reason=cause.reason,
        message=cause.message,
    )
    return recorded(plan, state, "Taken", cause, now)


def killed(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Ending | None:
    """What killed the last pod of a canary that had traffic: a fault of the model, and not of a node."""
    fleet = seen.fleet(plan.canary)
    if plan.stable is None or state.exposure.is_nothing or fleet.ready > 0 or fleet.obstacle is None:
        return None
    if fleet.obstacle.reason not in REJECTING:
        return None
    return Phase.ABORTED, Cause(fleet.obstacle.reason, fleet.obstacle.message, Verdict.UNSAFE)


def _cause_of(state: RolloutState) -> Cause:
    return Cause(state.reason or state.phase, state.message or "", state.verdict)
