"""Whether a revision has had traffic, by what is left of the records.

Rollouts are pruned, deleted by hand and wiped. What no record denies may have happened: such a revision has its grace.
"""

from __future__ import annotations

from collections.abc import Collection

from serinus.core.model.snapshot import RolloutSeen, Snapshot


def served_revisions(seen: Snapshot) -> set[str]:
    """Name the revisions of which a Rollout says that they had traffic."""
    return {name for rollout in seen.rollouts if _gave_weight(rollout) for name in _revisions_of(rollout)}


def may_have_served(seen: Snapshot, name: str) -> bool:
    """Whether a revision had traffic, as far as nothing says that it had none.

    Only Rollouts can say that: each one of it, and at least one. A success mark, and weight that was seen in the live
    route, say more than they do.
    """
    about = [rollout for rollout in seen.rollouts if name in _revisions_of(rollout)]
    if not about or any(_gave_weight(rollout) or _is_wiped(rollout) for rollout in about):
        return True
    revision = seen.revision(name)
    return name in seen.weighed or name in seen.drains or (revision is not None and revision.succeeded_at is not None)


def telling_rollouts(seen: Snapshot, leaving: Collection[str]) -> set[str]:
    """Name the Rollouts that say whether revisions that still have objects have served."""
    return {rollout.plan.name for rollout in seen.rollouts if _revisions_of(rollout) & set(leaving)}


def _gave_weight(rollout: RolloutSeen) -> bool:
    return rollout.state.weight_changed_at is not None


def _is_wiped(rollout: RolloutSeen) -> bool:
    return rollout.state.started_at is None and not rollout.state.phase.ended


def _revisions_of(rollout: RolloutSeen) -> set[str]:
    return {rollout.plan.canary, *([rollout.plan.stable] if rollout.plan.stable else [])}
