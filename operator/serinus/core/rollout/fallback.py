"""Whether another ModelDeployment answers: at once when no pod of what should serve is ready, and until one has been
ready for a while.

Nothing of it is stored. Where the requests are is read from the live route, and the rest from pods, so a new process
decides the same; the split in the status stays what it was.
"""

from __future__ import annotations

from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.history import REJECTING

BACK_SECONDS = 10.0
"""Pods that come and go within it move no request."""


def with_fallback(seen: Snapshot, split: Split | None, active: RolloutSeen | None, now: float) -> Split | None:
    """Give what the route shall say: the split, or the fallback in its place."""
    fallback = seen.fallback
    if fallback is None or fallback.obstacle is not None or not _is_due(seen, split):
        return split
    at = back_at(seen, split, active, now)
    serves = at is None or (seen.on_fallback and now < at)
    return Split.to_fallback(fallback.name) if serves else split


def back_at(seen: Snapshot, split: Split | None, active: RolloutSeen | None, now: float) -> float | None:
    """When a pod of what should serve will have been ready for long enough; None while none is ready."""
    since = [seen.up_since.get(name, now) for name in _serving(split, active) if seen.fleet(name).ready > 0]
    return min(since) + BACK_SECONDS if since else None


def _is_due(seen: Snapshot, split: Split | None) -> bool:
    """Whether anything should serve at all: a first revision that is tried, too, but not beside an obstacle."""
    return split is not None or (bool(seen.rollouts) and seen.obstacle is None)


def _serving(split: Split | None, active: RolloutSeen | None) -> tuple[str, ...]:
    """Name the revisions with a share of all requests; one that was rejected should have none, whatever it keeps."""
    rejected = active is not None and active.state.phase in REJECTING and active.plan.stable is not None
    out = {active.plan.canary} if active is not None and rejected else set()
    return tuple(name for name, weight in split.weights if weight and name not in out) if split else ()
