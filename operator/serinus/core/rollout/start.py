"""Whether a new Rollout starts: the revision is not stable, no other rollout is in progress, nothing forbids it."""

from __future__ import annotations

from collections.abc import Iterable

from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentSpec, Rejection
from serinus.api.rollout import RevisionReference, RolloutSpec
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.group_start import group_wait
from serinus.core.rollout.history import attempt_of, retry_asked
from serinus.core.rollout.stable import keeps_only_from_judging

DEFAULT_ROLLBACK_REVISIONS = 2


def new_rollout(seen: Snapshot, stable: str | None, rejected: Iterable[Rejection]) -> NewRollout | None:
    """Plan the transition to the wanted revision; None when there is nothing to do or it may not be tried."""
    wanted = seen.wanted
    if wanted is None or _is_barred(seen, stable) or wanted.name == stable:
        return None
    if barred_by(seen, rejected) is not None:
        return None
    if stable is not None and group_wait(seen) is not None:
        return None
    attempt = _next_attempt(seen, wanted, rejected)
    return NewRollout(f"{wanted.name}-{attempt}", _spec(seen, wanted, stable, attempt))


def _is_barred(seen: Snapshot, stable: str | None) -> bool:
    """Whether an obstacle forbids a try; a refused query forbids no fix of a stable that has no pod."""
    fixes = keeps_only_from_judging(seen.obstacle) and stable in seen.down_since and seen.unreached is None
    return seen.in_the_way is not None and not fixes


def rejection_of(seen: Snapshot, rejected: Iterable[Rejection]) -> Rejection | None:
    """The entry that forbids what git asks for, if there is one."""
    wanted = seen.wanted
    entries = [entry for entry in rejected if wanted is not None and entry.revision == wanted.name]
    if not entries:
        return None
    policy = policy_of(seen.deployment.spec).digest
    return next((entry for entry in entries if entry.policy == policy), None)


def barred_by(seen: Snapshot, rejected: Iterable[Rejection]) -> Rejection | None:
    """The entry that forbids what git asks for, unless an SRE has asked for another attempt at it."""
    newest, wanted = seen.newest, seen.wanted
    retried = newest is not None and wanted is not None and retry_asked(newest, wanted)
    return None if retried else rejection_of(seen, rejected)


def _next_attempt(seen: Snapshot, wanted: Revision, rejected: Iterable[Rejection]) -> int:
    """Count on from every attempt that is still known, so that a name is never used twice."""
    attempts = [rollout.plan.spec.attempt for rollout in seen.rollouts if rollout.plan.canary == wanted.name]
    rejections = (attempt_of(entry.rollout) for entry in rejected if entry.revision == wanted.name)
    unseen = (attempt_of(name) for name in seen.used_names if name.rpartition("-")[0] == wanted.name)
    return 1 + max((*attempts, *rejections, *unseen), default=0)


def _spec(seen: Snapshot, wanted: Revision, stable: str | None, attempt: int) -> RolloutSpec:
    policy = policy_of(seen.deployment.spec)
    serving = seen.revision(stable)
    return RolloutSpec(
        model_deployment=seen.deployment.name,
        from_=RevisionReference(revision=serving.name, version=serving.version) if serving else None,
        to=RevisionReference(revision=wanted.name, version=wanted.version),
        attempt=attempt,
        policy=policy.digest,
        strategy=policy.strategy,
        analysis=policy.analysis,
        guard=policy.guard,
        progress_deadline_seconds=policy.progress_deadline_seconds,
        group=seen.deployment.spec.group if serving else None,
        rollback=_succeeded_lately(seen, wanted, stable) or None,
    )


def _succeeded_lately(seen: Snapshot, wanted: Revision, stable: str | None) -> bool:
    """Whether the wanted revision is among the last ones that succeeded before stable."""
    back = rollback_revisions(seen.deployment.spec)
    earlier = [one for one in seen.revisions if one.succeeded and one.name != stable]
    newest_first = sorted(earlier, key=lambda one: one.succeeded_at or 0.0, reverse=True)
    return stable is not None and wanted.name in {one.name for one in newest_first[:back]}


def rollback_revisions(spec: ModelDeploymentSpec) -> int:
    """Tell how many revisions that succeeded before stable are within rollbackWindow."""
    window = spec.rollback_window
    return DEFAULT_ROLLBACK_REVISIONS if window is None else window.revisions
