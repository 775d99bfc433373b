"""Since when a canary's answers are those of the stage that is judged: its pods may be new, and it may have come back.

Counters know nothing of either: a scrape tells of all the time since the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serinus.api.rollout import DecisionRecord
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.rollout.sizes import canary_replicas

AT_ONCE = 0.01
"""Seconds between two times that are one, written down with milliseconds."""


def cold_since(state: RolloutState) -> float | None:
    """When the canary's newest pods got their first requests: at the last raise that was given more pods.

    Without any record of a raise it is when the stage began, as if all its pods were new.
    """
    size, before, since = max(1, state.pods.full, state.pods.min_replicas), 0, state.stage_started_at
    raises = [record for record in state.decisions if record.action == "Raised"]
    for record in state.decisions if raises else ():
        carried = canary_replicas(record.weight, size) if record.weight else 0
        if record.action == "Raised" and carried > before:
            since = from_rfc3339(record.first_time)
        before = carried
    return since


def begins_anew(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether what the canary answered before its stage is no part of it.

    It had lost its weight or its pods, and callers got errors that are not the model's; or an earlier attempt has
    been judged by them.
    """
    raises = list(_raises(state.decisions))
    if state.stage_started_at is None or not raises:
        return False
    last, before = raises[-1]
    if state.stage_started_at - from_rfc3339(last.first_time) > AT_ONCE:
        return True
    served_before = len(raises) > 1 or plan.spec.attempt > 1 or bool(plan.spec.rollback)
    return before == 0 and served_before


def _raises(records: Iterable[DecisionRecord]) -> Iterator[tuple[DecisionRecord, int]]:
    """Give each raise, and the weight before it."""
    before = 0
    for record in records:
        if record.action == "Raised":
            yield record, before
        before = record.weight
