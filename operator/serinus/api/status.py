"""What both kinds' statuses are made of."""

from __future__ import annotations

from enum import StrEnum

from serinus.api.base import Model


class Condition(Model):
    """A metav1.Condition."""

    type: str
    status: str
    observed_generation: int = 0
    last_transition_time: str
    reason: str
    message: str


class Phase(StrEnum):
    """Where a rollout stands."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    GUARDING = "Guarding"
    SUCCEEDED = "Succeeded"
    REVERTED = "Reverted"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"

    @property
    def ended(self) -> bool:
        """Whether nothing more is tried in this phase; the weight may still be on its way to stable."""
        return self in {Phase.SUCCEEDED, Phase.REVERTED, Phase.ABORTED, Phase.SUPERSEDED}


class Verdict(StrEnum):
    """What an assessment says."""

    SAFE = "Safe"
    UNSAFE = "Unsafe"
    UNDECIDED = "Undecided"
    BLIND = "Blind"
