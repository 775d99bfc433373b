"""awaitGoal: the split stays until stable or canary has won, or neither will; users stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serinus.api.ab_test import AwaitGoal, OnNoDifference, OnWinner
from serinus.api.canary_scale import CanaryScale
from serinus.api.status import Verdict
from serinus.core.model.assessment import Missing, Reason
from serinus.core.model.exposure import Exposure
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.question import PAUSED, Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause

NOT_STICKY = "users change between the versions, so nothing is counted or decided: set traffic.sessionAffinity again"
NOT_COUNTED = "nothing is counted yet"
OUTCOMES: Final[Mapping[str, RolloutReason]] = {
    one.value: one for one in (RolloutReason.CANARY_WON, RolloutReason.STABLE_WON, RolloutReason.NO_DIFFERENCE)
}
"""What a standing may say; anything else is no outcome."""
_PASSING: Final = frozenset({Reason.NO_TRAFFIC, Reason.INSUFFICIENT_DATA})
WON: Final[Mapping[RolloutReason, str]] = {
    RolloutReason.CANARY_WON: "the canary has won",
    RolloutReason.STABLE_WON: "stable has won",
    RolloutReason.NO_DIFFERENCE: "neither has won",
}


@dataclass(frozen=True)
class AwaitGoalVerb:
    """A goal, as the manifest has it."""

    wish: AwaitGoal
    for_people: bool = False
    scale: CanaryScale | None = None

    @property
    def text(self) -> str:
        goal = self.wish.goal
        return f"awaitGoal {goal.metric} {goal.direction}, {self.wish.min_duration} to {self.wish.max_duration}"

    def shows(self, before: Exposure) -> Exposure:
        return before

    def waits(self, question: Question) -> Cause | None:
        """Wait until the canary may go on; what ends the rollout instead has ended it before."""
        plan, state = question.plan, question.state
        if plan.skips(state.step):
            return None
        if plan.spec.paused:
            return Cause(RolloutReason.PAUSED_BY_USER, self._paused(state), state.verdict)
        if question.outdone:
            return None
        if not is_sticky(question.seen):
            return Cause(RolloutReason.NOT_STICKY, NOT_STICKY, state.verdict)
        if outcome_of(state) is None:
            reason = RolloutReason.AWAITING_GOAL if self._counts(question.seen) else RolloutReason.NOTHING_COUNTED
            return _trouble(state) or Cause(reason, standing_text(state), state.verdict)
        return self._waits_after_the_outcome(plan, state)

    def _counts(self, seen: Snapshot) -> bool:
        """Whether the goal's queries have numbers; one that wants traffic or time will have."""
        found = seen.look.observations.get(self.wish.goal.metric) if seen.look is not None else None
        read = (found.canary, found.stable) if found is not None else ()
        return all(not isinstance(one, Missing) or one.reason in _PASSING for one in read)

    def _waits_after_the_outcome(self, plan: RolloutPlan, state: RolloutState) -> Cause | None:
        outcome = outcome_of(state)
        if outcome is None:
            return None
        if outcome is RolloutReason.CANARY_WON and self.wish.on_winner is OnWinner.WAIT:
            return Cause(RolloutReason.AWAITING_PROMOTION, _winner_waits(plan, state), state.verdict)
        return Cause(outcome, standing_text(state), state.verdict) if self.ends_with(outcome) else None

    def _paused(self, state: RolloutState) -> str:
        outcome = outcome_of(state)
        if outcome is None:
            return PAUSED
        return f"{PAUSED}; {WON[outcome]}, so then {self.follows(outcome)}"

    def follows(self, outcome: RolloutReason) -> str:
        """Say what follows an outcome, unless somebody decides otherwise."""
        if self.ends_with(outcome):
            return "the canary goes back to 0, and its version is rejected"
        if outcome is RolloutReason.CANARY_WON and self.wish.on_winner is OnWinner.WAIT:
            return "the canary waits for promote"
        return "the canary goes on"

    def ends_with(self, outcome: RolloutReason) -> bool:
        """Whether the rollout ends with such an outcome, and does not go on."""
        keeps = self.wish.on_no_difference is not OnNoDifference.PROMOTE
        return outcome is RolloutReason.STABLE_WON or (outcome is RolloutReason.NO_DIFFERENCE and keeps)

    def ends_at(self, began: float | None) -> float | None:
        return None

    def tells(self, question: Question) -> Cause | None:
        """Record who has won, where that is what the rollout goes on for."""
        outcome = outcome_of(question.state)
        return None if outcome is None else Cause(outcome, standing_text(question.state), question.state.verdict)


def is_sticky(seen: Snapshot) -> bool:
    """Whether users stay with the version that answered first."""
    traffic = seen.deployment.spec.traffic
    return traffic is not None and traffic.session_affinity is not None


def outcome_of(state: RolloutState) -> RolloutReason | None:
    """Tell how the goal was decided; None while it is open."""
    standing = state.goal
    return OUTCOMES.get(standing.outcome) if standing is not None and standing.outcome is not None else None


def standing_text(state: RolloutState) -> str:
    """Say the effect, its band, the odds, and what is missing."""
    return NOT_COUNTED if state.goal is None else state.goal.text


def _trouble(state: RolloutState) -> Cause | None:
    """Say meanwhile what the other metrics would hold the weight for."""
    found = state.assessment
    if found is None or found.verdict in {Verdict.SAFE, Verdict.UNSAFE}:
        return None
    return Cause(found.reason, found.message, found.verdict, found.finding)


def _winner_waits(plan: RolloutPlan, state: RolloutState) -> str:
    command = f"kubectl serinus promote {plan.spec.model_deployment}"
    lever = f"spec.promote.throughStep: {state.step + 1} on Rollout {plan.name}"
    return f"{WON[RolloutReason.CANARY_WON]}, and waits for a person: {command}, or {lever}; {standing_text(state)}"
