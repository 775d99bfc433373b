"""The steps in the making: what the API server refuses of a list of steps is refused here, with the reason."""

from __future__ import annotations

from typing import Final

from serinus.api.policy_rules import MOST_MATCHES
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.kinds import Json

MOST_STEPS: Final = 50


class StepList:
    """Steps, one verb each. What adds one says why it cannot, or None."""

    def __init__(self) -> None:
        self.steps: list[Json] = []
        self._weight = self._copied = self._matches = 0

    def weight(self, percent: int) -> str | None:
        """Set a weight."""
        if percent < 1:
            return "a rollout starts at 0, and an abort goes back there"
        if percent > 100:
            return "is more than 100"
        if percent <= self._weight:
            return f"a weight must rise from step to step, and the one before it is {self._weight}"
        refused = self._add("setWeight", percent)
        self._weight = self._weight if refused else percent
        return refused

    def pause(self, duration: str | None) -> str | None:
        """Pause; None waits until promoted."""
        return self._add("pause", {} if duration is None else {"duration": duration})

    def cohort(self, matches: list[Json]) -> str | None:
        """Give a cohort the canary."""
        if not matches:
            return "none of its matches can be carried over"
        if self._matches + len(matches) > MOST_MATCHES:
            return f"all steps together may have {MOST_MATCHES} matches: use a regex, or one header for all"
        refused = self._add("setHeaderRoute", {"match": matches})
        self._matches += 0 if refused else len(matches)
        return refused

    def copies(self, percent: int) -> str | None:
        """Give the canary copies."""
        if self._weight or self._matches:
            return "copies come before the first cohort and the first weight, and end there"
        if not self._copied < percent <= 100:
            return "the percentage of copies must rise from step to step, up to 100"
        refused = self._add("setMirrorRoute", {"percentage": percent})
        self._copied = self._copied if refused else percent
        return refused

    def scale(self, wish: Json) -> str | None:
        """Give the canary pods."""
        return self._add("setCanaryScale", wish)

    def strategy(self) -> Json | None:
        """Write the strategy; None where no step shows the canary to anybody."""
        if self._copied and not (self._weight or self._matches):
            # Said outright: after copies alone everybody comes at once.
            self.weight(FULL_WEIGHT)
        shown = self._weight or self._matches
        return {"canary": {"steps": self.steps}} if shown else None

    def _add(self, verb: str, value: object) -> str | None:
        if len(self.steps) == MOST_STEPS:
            return f"a rollout has at most {MOST_STEPS} steps"
        self.steps.append({verb: value})
        return None
