"""When stable had all requests to itself before a rollout: the only time that tells what equal answers look like."""

from __future__ import annotations

from collections.abc import Iterable

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.rollout.history import healed

Span = tuple[float, float]


def alone(seen: Snapshot, plan: RolloutPlan) -> tuple[Span, ...]:
    """List the spans (unix seconds), the oldest first, in which stable was stable and no rollout gave anything away.

    What a Rollout took that is not kept any more is not known.
    """
    since = _stable_since(seen, plan)
    if since is None:
        return ()
    others = (one for one in seen.rollouts if one.plan.name != plan.name)
    taken = sorted((one.plan.created_at, _ended(one, seen, plan.created_at)) for one in others)
    return tuple(_without((since, plan.created_at), taken))


def _stable_since(seen: Snapshot, plan: RolloutPlan) -> float | None:
    """Tell since when it has been stable: by its success mark or the Rollout that succeeded, else by its age."""
    stable = seen.revision(plan.stable)
    if stable is None:
        return None
    succeeded = [
        state.finished_at
        for one in seen.rollouts
        if one.plan.canary == stable.name and (state := healed(one, seen)).phase is Phase.SUCCEEDED
    ]
    known = [at for at in (stable.succeeded_at, *succeeded) if at is not None]
    return max(known, default=stable.created_at)


def _ended(rollout: RolloutSeen, seen: Snapshot, now: float) -> float:
    state = healed(rollout, seen)
    return max((at for at in (state.finished_at, state.settled_at) if at is not None), default=now)


def _without(span: Span, taken: Iterable[Span]) -> Iterable[Span]:
    """Cut spans out of one, in the order of time."""
    start, end = span
    for began, ended in taken:
        if min(began, end) > start:
            yield start, min(began, end)
        start = max(start, ended)
    if start < end:
        yield start, end
