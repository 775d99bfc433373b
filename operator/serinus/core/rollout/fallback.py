"""Whether another ModelDeployment answers: at once when nobody of ours can, and until everybody who should serve has
had a ready pod for a while.

Nothing of it is stored. Where the requests are is read from the live route, and the rest from pods, so a new process
decides the same; the split in the status stays what it was.
"""

from __future__ import annotations

from dataclasses import replace

from serinus.core.model.snapshot import Fallback, Obstacle, RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.history import REJECTING
from serinus.core.rollout.stable import stable_fails

FIELD = "spec.traffic.fallback.name"
BACK_SECONDS = 10.0
"""Pods that come and go within it move no request."""


def compared(seen: Snapshot, split: Split | None) -> Fallback | None:
    """Say of a fallback that it serves another model than who should serve: requests have the name in their path."""
    fallback, view = seen.fallback, seen.deployment
    if fallback is None or not fallback.model:
        return fallback
    kept = [revision.model for name in _shares(split) if (revision := seen.revision(name)) is not None]
    asked = next((model for model in kept or [view.model_name] if model != fallback.model), None)
    if asked is None:
        return fallback
    text = (
        f"{FIELD}: {fallback.name} serves the model {fallback.model}, and {view.name} the model {asked}: requests have "
        "the name in their path, so name one with the same spec.model.name"
    )
    return replace(fallback, obstacle=Obstacle("FallbackModelDiffers", text))


def with_fallback(seen: Snapshot, split: Split | None, active: RolloutSeen | None, now: float) -> Split | None:
    """Give what the route shall say: the split, or the fallback in its place."""
    fallback = seen.fallback
    if fallback is None or fallback.obstacle is not None or not _is_due(seen, split):
        return split
    if seen.on_fallback:
        at = back_at(seen, split, now)
        serves = at is None or now < at
    else:
        serves = _takes_over(seen, split, active, now)
    return Split.to_fallback(fallback.name) if serves else split


def back_at(seen: Snapshot, split: Split | None, now: float) -> float | None:
    """When everybody with a share will have been ready for long enough.

    None while somebody with a share has no ready pod, or was rejected: it had nothing, and is given nothing again.
    """
    shares = _shares(split)
    if not shares or any(name == _rejected(seen) or not _is_ready(seen, name) for name in shares):
        return None
    return max(seen.up_since.get(name, now) for name in shares) + BACK_SECONDS


def _takes_over(seen: Snapshot, split: Split | None, active: RolloutSeen | None, now: float) -> bool:
    """Whether requests get no answer that somebody of ours could give.

    A canary's share without pods is what stable cannot carry. Stable's goes to a canary with pods, for which that has
    some seconds; one that was rejected should have none, whatever it keeps.
    """
    shares = _shares(split)
    ready = [name for name in shares if _is_ready(seen, name)]
    if not [name for name in ready if name != _rejected(seen)]:
        return True
    if len(ready) == len(shares):
        return False
    return active is None or active.plan.stable in ready or stable_fails(active.state, now)


def _is_due(seen: Snapshot, split: Split | None) -> bool:
    """Whether anything should serve at all: a first revision that is tried, too, but not beside an obstacle."""
    return split is not None or (bool(seen.rollouts) and seen.obstacle is None)


def _is_ready(seen: Snapshot, revision: str) -> bool:
    return seen.fleet(revision).ready > 0


def _shares(split: Split | None) -> tuple[str, ...]:
    """Name the revisions with a share of all requests."""
    return tuple(name for name, weight in split.weights if weight) if split else ()


def _rejected(seen: Snapshot) -> str | None:
    """Name the canary that should have no traffic, as long as it is the last one that was tried."""
    newest = seen.newest
    over = newest is not None and newest.state.phase in REJECTING and newest.plan.stable is not None
    return newest.plan.canary if newest is not None and over else None
