"""Conditions that keep the time of their last transition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serinus.api.status import Condition
from serinus.core.model.timestamps import to_rfc3339_seconds


@dataclass(frozen=True)
class Statement:
    """What is said of a condition type now."""

    type: str
    holds: bool
    reason: str
    message: str


def conditions_of(
    before: Iterable[Condition], statements: Iterable[Statement], *, generation: int, now: float
) -> tuple[Condition, ...]:
    """Turn statements into metav1.Conditions; the transition time moves only when the status does."""
    known = {condition.type: condition for condition in before}
    return tuple(_condition(known.get(one.type), one, generation, now) for one in statements)


def _condition(before: Condition | None, statement: Statement, generation: int, now: float) -> Condition:
    status = "True" if statement.holds else "False"
    unchanged = before is not None and before.status == status
    return Condition(
        type=statement.type,
        status=status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unchanged else to_rfc3339_seconds(now),
        reason=statement.reason,
        message=statement.message[:1024],
    )
