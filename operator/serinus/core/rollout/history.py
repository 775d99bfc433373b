"""What the kept Rollouts and revisions say: which one is active, what is stable, what is rejected."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.defaults import policy_of
from serinus.api.model_deployment import Rejection
from serinus.api.rollout import Levers
from serinus.api.status import Phase
from serinus.core.model.exposure import EVERYTHING, NOTHING, Exposure
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.sizes import taken_exposure

Pair = tuple[str, str]
REJECTING = frozenset({Phase.REVERTED, Phase.ABORTED})
MOST_REJECTIONS = 128
"""As many as the schema of the status holds; the oldest go first."""


def active_rollout(seen: Snapshot) -> RolloutSeen | None:
    """The newest Rollout, while it still decides the split."""
    newest = seen.newest
    if newest is None:
        return None
    state = healed(newest, seen)
    return RolloutSeen(newest.plan, state) if state.active else None


def healed(rollout: RolloutSeen, seen: Snapshot) -> RolloutState:
    """Give a wiped status back what other records still say, so that an ended rollout does not start again.

    One that had not ended starts again from weight 0, which is the safe place to be lost in; where stable's pods cannot
    take its traffic, from the weight of the live route.
    """
    plan, state = rollout.plan, rollout.state
    if state.started_at is not None:
        return state
    canary = seen.revision(plan.canary)
    if canary is not None and canary.succeeded_at is not None and canary.succeeded_at >= plan.created_at:
        at = canary.succeeded_at
        state = replace(state, phase=Phase.SUCCEEDED, exposure=EVERYTHING, weight_changed_at=at)
        return replace(state, started_at=at, finished_at=at, settled_at=at)
    if any(entry.rollout == plan.name for entry in seen.deployment.status.rejected):
        at = plan.created_at
        # Whether it ever had traffic is lost as well: it may have had.
        state = replace(state, phase=Phase.REVERTED, weight_changed_at=at)
        return replace(state, started_at=at, finished_at=at, settled_at=at)
    return replace(state, exposure=_exposure_left(plan, seen))


def _exposure_left(plan: RolloutPlan, seen: Snapshot) -> Exposure:
    """What of the canary's live traffic stable could not carry."""
    if plan.stable is None or seen.route is None:
        return NOTHING
    stable = seen.fleet(plan.stable)
    return taken_exposure(seen.route.exposure_of(plan.canary), stable, max(seen.min_replicas, stable.desired))


def stable_revision(seen: Snapshot) -> str | None:
    """What serves: the active Rollout's own `from`; else what succeeded last; else what the route says."""
    active = active_rollout(seen)
    if active is not None:
        return active.plan.stable
    survivor = _survivor(seen)
    if survivor is not None:
        return survivor
    kept = {revision.name for revision in seen.revisions}
    succeeded = {revision.name: revision.succeeded_at for revision in seen.revisions if revision.succeeded_at}
    for rollout in seen.rollouts:
        state, name = healed(rollout, seen), rollout.plan.canary
        if state.phase is Phase.SUCCEEDED and name in kept:
            succeeded[name] = max(succeeded.get(name) or 0.0, state.finished_at or 0.0)
    if succeeded:
        return max(succeeded, key=lambda name: succeeded[name] or 0.0)
    return _most_routed(seen, kept)


def _survivor(seen: Snapshot) -> str | None:
    """A revision without a success mark that serves all the same, because the one before it could not."""
    newest = seen.newest
    if newest is None:
        return None
    plan, state = newest.plan, healed(newest, seen)
    full = state.exposure.is_full and not (state.phase in REJECTING and _answered_elsewhere(seen, plan.canary))
    keeps = state.exposure.serves and (state.phase is Phase.SUPERSEDED or full)
    name = plan.canary if keeps else plan.stable
    revision = seen.revision(name)
    if state.phase is Phase.SUCCEEDED or revision is None or revision.succeeded:
        return None
    return name


def _answered_elsewhere(seen: Snapshot, canary: str) -> bool:
    """Whether a fallback answers for the canary's model: then one that was rejected need not serve on."""
    fallback, revision = seen.fallback, seen.revision(canary)
    if fallback is None or fallback.obstacle is not None:
        return False
    return not fallback.model or revision is None or fallback.model == revision.model


def unproven(seen: Snapshot, revision: str) -> bool:
    """Whether a revision came to serve because nothing else could: it gets no success mark for that."""
    tried = [rollout for rollout in seen.rollouts if rollout.plan.canary == revision]
    return bool(tried) and all(rollout.state.phase is not Phase.SUCCEEDED for rollout in tried)


def _most_routed(seen: Snapshot, kept: set[str]) -> str | None:
    """The last resort: a revision that traffic goes to and of which no record is left."""
    if seen.route is None:
        return None
    weights = {name: weight for name, weight in seen.route.weights if name in kept and weight > 0}
    return max(weights, key=lambda name: weights[name]) if weights else None


def rejections(seen: Snapshot) -> tuple[Rejection, ...]:
    """Every rejected pair whose revision is kept; a newer attempt at the same pair clears it.

    What a person aborted is rejected for the policy of the spec at that moment as well: it may have been edited since
    the rollout began, and an abort must last. What ended by itself speaks of its own pair alone.
    """
    kept = {revision.name for revision in seen.revisions}
    entries: dict[Pair, Rejection] = {
        (entry.revision, entry.policy): entry for entry in seen.deployment.status.rejected
    }
    for rollout in seen.rollouts:
        plan, state = rollout.plan, healed(rollout, seen)
        pair = (plan.canary, plan.spec.policy)
        if rejects(state):
            policies = _rejected_policies(seen, plan, state)
            entries |= {(plan.canary, policy): _rejection(plan, state, policy) for policy in policies}
        elif pair in entries and plan.spec.attempt > attempt_of(entries[pair].rollout):
            del entries[pair]
    return tuple(entry for entry in entries.values() if entry.revision in kept)[-MOST_REJECTIONS:]


def rejects(state: RolloutState) -> bool:
    """Whether an ended rollout speaks against its pair: one that followed another member of its group does not."""
    return state.phase in REJECTING and state.reason != RolloutReason.GROUP_REVERTED


def attempt_of(rollout: str) -> int:
    """Read the attempt from a Rollout's name."""
    number = rollout.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _rejected_policies(seen: Snapshot, plan: RolloutPlan, state: RolloutState) -> tuple[str, ...]:
    """Its own policy, and in the pass in which a person has ended it, the one that the spec has by now."""
    newest = seen.newest is not None and seen.newest.plan.name == plan.name
    known = any(entry.rollout == plan.name for entry in seen.deployment.status.rejected)
    if known or not newest or state.reason != RolloutReason.ABORT_REQUESTED:
        return (plan.spec.policy,)
    return plan.spec.policy, policy_of(seen.deployment.spec).digest


def _rejection(plan: RolloutPlan, state: RolloutState, policy: str) -> Rejection:
    return Rejection(
        revision=plan.canary,
        version=plan.spec.to.version,
        policy=policy,
        rollout=plan.name,
        reason=state.reason or state.phase,
        at=to_rfc3339(state.finished_at or plan.created_at),
    )


def retry_asked(rollout: RolloutSeen, wanted: Revision) -> bool:
    """Whether an SRE asks for another attempt at the revision that is still the wanted one."""
    asked = rollout.plan.spec.retry
    if not asked or asked == rollout.state.acknowledged.retry:
        return False
    return rejects(rollout.state) and rollout.plan.canary == wanted.name


def with_retry_acknowledged(rollout: RolloutSeen) -> RolloutState:
    """Say that the retry has been seen; the new Rollout exists by then."""
    levers: Levers = rollout.state.acknowledged.model_copy(update={"retry": rollout.plan.spec.retry})
    return replace(rollout.state, acknowledged=levers)
