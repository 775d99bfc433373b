"""setWeight: the canary gets a share of all requests. It waits for every gate, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.canary_scale import CanaryScale
from serinus.core.model.exposure import Exposure
from serinus.core.rollout.question import Question
from serinus.core.rollout.records import Cause


@dataclass(frozen=True)
class SetWeightVerb:
    """A share of requests, in percent; one that has more keeps it."""

    weight: int
    for_people: bool = False
    scale: CanaryScale | None = None

    @property
    def text(self) -> str:
        return f"setWeight {self.weight}"

    def shows(self, before: Exposure) -> Exposure:
        return before.at_least(self.weight)

    def waits(self, question: Question) -> Cause | None:
        return None

    def ends_at(self, began: float | None) -> float | None:
        return None

    def tells(self, question: Question) -> Cause | None:
        return None
