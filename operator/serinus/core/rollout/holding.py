"""Holds the weight and says why."""

from __future__ import annotations

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.values import revised
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.verbs.steps import verb_at


def because(state: RolloutState, cause: Cause) -> RolloutState:
    """Say why it stands where it stands."""
    return revised(state, reason=cause.reason, message=cause.message)


def held(plan: RolloutPlan, state: RolloutState, cause: Cause, now: float) -> RolloutState:
    """Hold the weight, and say why."""
    state = because(state, cause)
    state = revised(state, phase=phase_while_held(plan, state))
    looked_at = state.assessment.at if state.assessment is not None and cause.finding is not None else now
    return recorded(plan, state, "Held", cause, looked_at)


def phase_while_held(plan: RolloutPlan, state: RolloutState) -> Phase:
    """Tell the phase of a rollout whose weight does not move."""
    if state.phase is Phase.GUARDING:
        return Phase.GUARDING
    waits_for_people = verb_at(plan, state.step).for_people and not plan.skips(state.step)
    if plan.spec.paused or waits_for_people or state.reason == RolloutReason.AWAITING_PROMOTION:
        return Phase.PAUSED
    return Phase.PENDING if state.exposure.is_nothing else Phase.PROGRESSING
