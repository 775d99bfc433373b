"""The question of every pass: may the rollout go on from where it is?"""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.status import Verdict
from serinus.core.model.assessment import Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot

PAUSED = "spec.paused is true: set it to false to continue"


@dataclass(frozen=True)
class Question:
    """May it go on now?"""

    plan: RolloutPlan
    state: RolloutState
    seen: Snapshot
    now: float

    @property
    def outdone(self) -> str:
        """Why the canary need not wait: stable fails, and everything speaks for the canary. Empty where it must."""
        assessment = self.state.assessment
        return assessment.outdone if assessment is not None and assessment.verdict is Verdict.SAFE else ""

    @property
    def told(self) -> str:
        """What the assessment says; of a canary with weight that nobody reaches, also which routes go past it."""
        assessment, past = self.state.assessment, self.seen.bypass
        text = assessment.message if assessment is not None else ""
        unreached = assessment is not None and assessment.reason is Reason.NO_TRAFFIC and self.state.exposure.weight > 0
        return f"{text}; {past}, past the split" if unreached and past else text
