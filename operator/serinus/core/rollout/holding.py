"""Holds the weight and says why; handles the steps that an SRE skips."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.rollout.records import Cause, recorded


def because(state: RolloutState, cause: Cause) -> RolloutState:
    """Say why it stands where it stands."""
    return replace(state, reason=cause.reason, message=cause.message)


def held(plan: RolloutPlan, state: RolloutState, cause: Cause, now: float) -> RolloutState:
    """Hold the weight, and say why."""
    state = because(replace(state, phase=phase_while_held(plan, state)), cause)
    looked_at = state.assessment.at if state.assessment is not None and cause.finding is not None else now
    return recorded(plan, state, "Held", cause, looked_at)


def phase_while_held(plan: RolloutPlan, state: RolloutState) -> Phase:
    """Tell the phase of a rollout whose weight does not move."""
    if state.phase is Phase.GUARDING:
        return Phase.GUARDING
    pause = plan.steps[state.step].pause if state.step < len(plan.steps) and not plan.straight else None
    waits_for_people = pause is not None and pause.duration is None and not skips(plan, state.step)
    if plan.spec.paused or waits_for_people:
        return Phase.PAUSED
    return Phase.PENDING if state.weight == 0 else Phase.PROGRESSING


def skips(plan: RolloutPlan, step: int) -> bool:
    """Whether an SRE has promoted past this pause; steps count from 1 for people."""
    return step + 1 <= (plan.promote.through_step or 0)
