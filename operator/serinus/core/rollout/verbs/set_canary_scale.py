"""setCanaryScale: the canary gets more pods than its weight needs. It waits for them, and shows nobody anything.

The scale in force is that of the last such step: it is derived from the step, and stored nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.api.canary_scale import CanaryScale
from serinus.core.model.exposure import Exposure
from serinus.core.rollout.question import PAUSED, Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause

BY_WEIGHT: Final = CanaryScale(match_traffic_weight=True)
"""What is in force without any such step."""


@dataclass(frozen=True)
class SetCanaryScaleVerb:
    """The canary's size, as the manifest has it."""

    scale: CanaryScale
    for_people: bool = False

    @property
    def text(self) -> str:
        return f"setCanaryScale {scale_text(self.scale)}"

    def shows(self, before: Exposure) -> Exposure:
        return before

    def waits(self, question: Question) -> Cause | None:
        """Wait while the rollout is paused; for its pods it waits by the gates for pods."""
        if question.plan.spec.paused:
            return Cause(RolloutReason.PAUSED_BY_USER, PAUSED, question.state.verdict)
        return None

    def ends_at(self, began: float | None) -> float | None:
        return None

    def tells(self, question: Question) -> Cause | None:
        return Cause(RolloutReason.SCALED, self.text)


def scale_text(scale: CanaryScale) -> str:
    """Write a scale in the words of the manifest."""
    if scale.replicas is not None:
        return f"replicas {scale.replicas}"
    return "matchTrafficWeight" if scale.weight is None else f"weight {scale.weight}"
