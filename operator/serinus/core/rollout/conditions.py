"""Conditions that keep the time of their last transition, and those of a Rollout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serinus.api.status import Condition, Phase
from serinus.core.model.rollout import LONGEST_TEXT, RolloutPlan, RolloutState, shortened
from serinus.core.model.timestamps import to_rfc3339_seconds
from serinus.core.model.values import revised


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


def with_conditions(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    """Say where a Rollout stands in the words that kstatus reads: Ready, Reconciling, Stalled.

    One that was superseded is neither ready nor will it ever be: without Ready nobody waits for it.
    """
    phase, reason, text = state.phase, state.reason or state.phase, state.message or ""
    failed = phase in {Phase.REVERTED, Phase.ABORTED}
    ready = () if phase is Phase.SUPERSEDED else (Statement("Ready", phase is Phase.SUCCEEDED, reason, text),)
    statements = (
        *ready,
        Statement("Reconciling", state.active, reason, text),
        Statement("Stalled", failed, reason, text),
    )
    return revised(state, conditions=conditions_of(state.conditions, statements, generation=plan.generation, now=now))


def _condition(before: Condition | None, statement: Statement, generation: int, now: float) -> Condition:
    status, message = "True" if statement.holds else "False", shortened(statement.message, LONGEST_TEXT)
    unchanged = before is not None and before.status == status
    said = (status, statement.reason, message, generation)
    if before is not None and (before.status, before.reason, before.message, before.observed_generation) == said:
        return before
    return Condition(
        type=statement.type,
        status=status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unchanged else to_rfc3339_seconds(now),
        reason=statement.reason,
        message=message,
    )
