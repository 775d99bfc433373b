"""What every verb must tell of itself."""

from __future__ import annotations

from typing import Protocol

from serinus.api.canary_scale import CanaryScale
from serinus.core.model.exposure import Exposure
from serinus.core.rollout.question import Question
from serinus.core.rollout.records import Cause


class Verb(Protocol):
    """One step: it changes what the canary is shown or how many pods it has, or it waits."""

    @property
    def text(self) -> str:
        """How it is told, in the words of the manifest."""
        ...

    @property
    def for_people(self) -> bool:
        """Whether it waits until somebody promotes."""
        ...

    @property
    def scale(self) -> CanaryScale | None:
        """How many pods it asks for; None for a step that leaves that as it is."""
        ...

    def shows(self, before: Exposure) -> Exposure:
        """Tell what the canary is shown from this step on; a step that only waits leaves it as it is."""
        ...

    def waits(self, question: Question) -> Cause | None:
        """Why the step is not over yet, besides the gates of a rise; None when the next one may begin."""
        ...

    def tells(self, question: Question) -> Cause | None:
        """What is recorded when it is over, if that is a decision of its own."""
        ...

    def ends_at(self, began: float | None) -> float | None:
        """When time alone ends it, in unix seconds; None where time does not, or it has not begun."""
        ...
