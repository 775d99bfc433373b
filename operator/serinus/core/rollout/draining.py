"""When the pods of a revision may go: the gateways have followed the route, and what was in flight is done.

A revision that still gets requests keeps its pods for as long as it gets them: without them each would fail.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from serinus.api.durations import seconds
from serinus.core.model.snapshot import Obstacle, Snapshot
from serinus.core.plan.pods import drain_seconds
from serinus.core.rollout.following import REMEDY
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.served import may_have_served
from serinus.core.rollout.timing import drained_at

PROOF_SECONDS: Final = 300.0
"""How long scrapes are waited for that would show whether requests arrive: pods must not stay for a scrape that was
given up. While answers grow it begins after drainSeconds, since only then they show that somebody still asks."""


def draining(seen: Snapshot, leaving: Collection[str], now: float) -> frozenset[str]:
    """Name those of the leaving revisions that may have had traffic, and whose drain delay is over."""
    over = (name for name in leaving if drained_at(seen, name) <= now and not seen.routed(name))
    return frozenset(name for name in over if may_have_served(seen, name))


def look_seconds(seen: Snapshot) -> float:
    """Tell how often is asked what arrives at them: as often as metrics are queried for the newest Rollout."""
    interval = seen.newest.plan.policy.analysis.interval if seen.newest else None
    return seconds(interval or "5s")


def may_leave(seen: Snapshot, name: str, now: float) -> bool:
    """Whether the pods of a leaving revision may go."""
    at = drained_at(seen, name)
    if at > now or seen.routed(name):
        return False
    if not may_have_served(seen, name):
        return True
    drain = seen.drains.get(name)
    if drain is None or drain.arriving:
        return False
    revision = seen.revision(name)
    waits = drain_seconds(revision.template) if revision is not None else 0.0
    if not drain.quiet:
        # Answers may be to requests from before the write for so long; those that come later are called arriving.
        return now >= at + PROOF_SECONDS + (waits if drain.growing else 0.0)
    return not drain.in_flight or now >= max(at, drain.quiet_since) + waits


def still_arriving(seen: Snapshot, leaving: Collection[str], now: float) -> Obstacle | None:
    """Say which revision gets requests although the route shows it nothing."""
    for name in sorted(draining(seen, leaving, now)):
        drain, revision = seen.drains.get(name), seen.revision(name)
        if drain is not None and drain.arriving and revision is not None:
            text = (
                f"requests still arrive at version {revision.version} (Service {name}), which the route shows nothing"
            )
            return Obstacle(RolloutReason.ROUTE_NOT_FOLLOWED, f"{text}; its pods stay: {REMEDY}")
    return None
