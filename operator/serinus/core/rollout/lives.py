"""Since when a canary's answers are those of the stage that is judged: its pods may be new, and it may have come back.

Counters know nothing of either: a scrape tells of all the time since the one before it.
"""

from __future__ import annotations

from dataclasses import replace

from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.rollout.sizes import canary_replicas

MOST_COMEBACKS = 3
"""Times that pods may go and come without it being held against the version: nodes are drained, one after the other."""


def cold_since(state: RolloutState) -> float | None:
    """When the canary's newest pods got their first requests: at the last raise that was given more pods.

    A scale that it reached while it had requests counts as one: its record does not tell whether it brought pods.
    Without any record of a raise it is when the stage began, as if all its pods were new.
    """
    size, before, since = max(1, state.pods.full, state.pods.min_replicas), 0, state.stage_started_at
    raises = [record for record in state.decisions if record.action == "Raised"]
    for record in state.decisions if raises else ():
        carried = canary_replicas(record.weight, size) if record.weight or record.exposure else 0
        if (record.action == "Raised" and carried > before) or (record.action == "Scaled" and carried):
            since = from_rfc3339(record.first_time)
        before = carried
    return since


def with_life_begun(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    """Begin to count anew, as weight is raised, where the canary comes back.

    It had lost its pods, and callers got errors that are not the model's; or an earlier attempt was judged by them. One
    that comes back again and again is judged by all that callers got.
    """
    served = state.weight_changed_at is not None
    returns = state.exposure.is_nothing and (served or plan.spec.attempt > 1 or bool(plan.spec.rollback))
    comebacks = state.comebacks + int(served and state.exposure.is_nothing)
    anew = returns and comebacks <= MOST_COMEBACKS
    return replace(state, comebacks=comebacks, counts_from=now if anew else None)
