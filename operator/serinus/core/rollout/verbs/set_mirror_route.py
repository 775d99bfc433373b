"""setMirrorRoute: the canary gets copies of requests, and its answers are thrown away; users see nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.canary_scale import CanaryScale
from serinus.core.model.exposure import Exposure
from serinus.core.rollout.question import Question
from serinus.core.rollout.records import Cause


@dataclass(frozen=True)
class MirrorRouteVerb:
    """Copies, in percent of stable's requests."""

    percentage: int
    for_people: bool = False
    scale: CanaryScale | None = None

    @property
    def text(self) -> str:
        return f"setMirrorRoute {self.percentage}%"

    def shows(self, before: Exposure) -> Exposure:
        return before.mirroring(self.percentage)

    def waits(self, question: Question) -> Cause | None:
        return None

    def ends_at(self, began: float | None) -> float | None:
        return None

    def tells(self, question: Question) -> Cause | None:
        return None
