"""Why a revision that was rejected is tried again: a rejection is of a pair, and the policy is half of it."""

from __future__ import annotations

from serinus.api.rollout import RolloutSpec
from serinus.api.status import Phase
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.history import rejects

JUDGED_BY = ("strategy", "analysis", "guard")
"""What the digest of a policy covers."""


def tried_again(spec: RolloutSpec, *, since: RolloutSpec, rollout: str, phase: Phase) -> str:
    """Say what has changed since another rollout of the same revision was rejected; empty where nothing has.

    `since`, `rollout` and `phase` are of that one.
    """
    changed = [f"spec.{name}" for name in JUDGED_BY if getattr(spec, name) != getattr(since, name)]
    if not changed:
        return ""
    have = "have" if len(changed) > 1 else "has"
    return f"tried again because {' and '.join(changed)} {have} changed since Rollout {rollout} was {phase}"


def why_again(spec: RolloutSpec, seen: Snapshot) -> str:
    """Say why a Rollout that is about to start is another attempt; empty where there is nothing to say."""
    tried = [one for one in seen.rollouts if one.plan.canary == spec.to.revision]
    if not tried or not rejects(tried[-1].state):
        return ""
    last = tried[-1]
    return tried_again(spec, since=last.plan.spec, rollout=last.plan.name, phase=last.state.phase)
