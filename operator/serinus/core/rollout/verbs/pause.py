"""pause: the weight stays for a while, or until somebody promotes."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.canary import Pace, Pause
from serinus.api.canary_scale import CanaryScale
from serinus.api.status import Verdict
from serinus.core.model.exposure import Exposure
from serinus.core.rollout.question import PAUSED, Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause


@dataclass(frozen=True)
class PauseVerb:
    """A pause, as the manifest has it."""

    wish: Pause
    scale: CanaryScale | None = None

    @property
    def text(self) -> str:
        return f"pause {self.wish.duration or 'until promoted'}"

    @property
    def for_people(self) -> bool:
        return self.wish.duration is None

    def shows(self, before: Exposure) -> Exposure:
        return before

    def waits(self, question: Question) -> Cause | None:
        """Wait, unless an SRE has promoted past it, or nothing is gained by waiting."""
        plan, state = question.plan, question.state
        if plan.skips(state.step):
            return None
        if plan.spec.paused:
            return Cause(RolloutReason.PAUSED_BY_USER, PAUSED, state.verdict)
        if self.for_people:
            command = f"kubectl serinus promote {plan.spec.model_deployment}"
            lever = f"spec.promote.throughStep: {state.step + 1} on Rollout {plan.name}"
            text = f"waits for a person: {command}, or {lever}{_beside(question)}"
            return Cause(RolloutReason.AWAITING_PROMOTION, text, state.verdict)
        ends_at = self.ends_at(state.step_started_at or question.now)
        # No evidence is gathered of a cohort alone: its pause lasts, whatever the pace.
        gathers = plan.pace is Pace.EVIDENCE and (state.exposure.weight > 0 or not state.exposure.matches)
        if gathers or question.outdone or (ends_at is not None and question.now >= ends_at):
            return None
        return _suspicion(question) or Cause(RolloutReason.PAUSING, f"pausing for {self.wish.duration}")

    def ends_at(self, began: float | None) -> float | None:
        seconds = self.wish.seconds
        return None if seconds is None or began is None else began + seconds

    def tells(self, question: Question) -> Cause | None:
        return None


def _beside(question: Question) -> str:
    """Say beside the wait for people what speaks against going on."""
    assessment = question.state.assessment
    return "" if assessment is None or assessment.verdict is Verdict.SAFE else f" ({question.told})"


def _suspicion(question: Question) -> Cause | None:
    """Say in a pause already what would hold the weight at its end."""
    assessment = question.state.assessment
    if assessment is None:
        return None
    return Cause(assessment.reason, question.told, assessment.verdict, assessment.finding)
