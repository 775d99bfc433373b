"""What both kinds' statuses are made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from serinus.api.base import ApiModel
from serinus.api.constraints import Count, Text, Timestamp, Word
from serinus.api.rules import Keywords


class Condition(ApiModel):
    """A metav1.Condition. Its types and reasons are a closed list: docs/conditions.md."""

    type: Word
    """The condition's type."""
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$", max_length=7)]
    """True, False or Unknown."""
    observed_generation: Count = 0
    """The generation of spec that it describes."""
    last_transition_time: Timestamp
    """When the status last changed."""
    reason: Word
    """Why, in one word from the documented list."""
    message: Text
    """Why, and what to do about it."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(max_length=16),
    Keywords({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]


class Phase(StrEnum):
    """A rollout's phase."""

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
    """The result of an assessment."""

    SAFE = "Safe"
    UNSAFE = "Unsafe"
    UNDECIDED = "Undecided"
    BLIND = "Blind"
