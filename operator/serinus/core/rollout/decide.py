"""The one decision about a ModelDeployment: total, deterministic and idempotent."""

from __future__ import annotations

from collections.abc import Iterable

from serinus.api.status import Phase
from serinus.core.model.exposure import NOTHING
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Fleet, RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.model.values import revised
from serinus.core.plan.artifacts import goes_first_alone
from serinus.core.plan.revisions import obsolete_revisions, obsolete_rollouts
from serinus.core.plan.wanted import Workload
from serinus.core.rollout.conditions import with_conditions
from serinus.core.rollout.decision import Decision, StoredState, Success
from serinus.core.rollout.draining import draining, look_seconds, may_leave
from serinus.core.rollout.fallback import back_at, compared, with_fallback
from serinus.core.rollout.gates import first_look_due, knows_at
from serinus.core.rollout.history import (
    active_rollout,
    healed,
    rejections,
    stable_revision,
    unproven,
    with_retry_acknowledged,
)
from serinus.core.rollout.notes import notes_of
from serinus.core.rollout.served import telling_rollouts
from serinus.core.rollout.sizes import canary_pods, stable_pods
from serinus.core.rollout.start import new_rollout
from serinus.core.rollout.summary import Standing, summarise
from serinus.core.rollout.timing import OBSTACLE_SECONDS, drained_at, next_wake
from serinus.core.rollout.walk import walk, with_levers_seen


def decide(seen: Snapshot, now: float) -> Decision:
    """Turn what was seen into what is wanted. `now` is in unix seconds; milliseconds are what a status can store."""
    now = round(now, 3)
    states = _decided_states(seen, now)
    after = _with_states(seen, states)
    stable, active = stable_revision(after), active_rollout(after)
    rejected = rejections(after)
    start = None if active else new_rollout(after, stable, rejected)
    intended = _split(stable, active)
    after = revised(after, fallback=compared(after, intended))
    split = with_fallback(after, intended, active, now)
    standing = Standing(seen=after, stable=stable, active=active, rejected=rejected, start=start, split=split)
    workloads = _workloads(after, stable, active, now)
    leaving = _leaving(after, workloads)
    standing = revised(standing, leaving=frozenset(leaving))
    retired = frozenset(name for name in leaving if may_leave(after, name, now))
    status = summarise(standing, now)
    return Decision(
        status=status,
        states=states,
        start=start,
        stable=after.revision(stable),
        split=split,
        workloads=workloads,
        kept=_kept(after, leaving - retired),
        successes=_successes(after, stable, now),
        draining=draining(after, leaving, now),
        retired=retired,
        obsolete_revisions=_obsolete_revisions(after, workloads),
        obsolete_rollouts=_obsolete_rollouts(after, leaving),
        notes=notes_of(standing, states, status),
        wake_at=_wake_at(after, active, leaving, _comes_back_at(standing, intended, now), now),
        live=active is not None and not active.state.exposure.is_nothing,
    )


def _decided_states(seen: Snapshot, now: float) -> tuple[StoredState, ...]:
    """Walk the active Rollout on; heal a wiped one; acknowledge a retry that has begun.

    The newest goes first: what an older one has seen must not keep its verdict from being stored.
    """
    decided = []
    for rollout in reversed(seen.rollouts[-2:]):
        state = _decided_state(seen, rollout, now)
        if state != rollout.state:
            decided.append(StoredState(rollout.plan, rollout.state, state))
    return tuple(decided)


def _decided_state(seen: Snapshot, rollout: RolloutSeen, now: float) -> RolloutState:
    if rollout is not seen.newest:
        retried = rollout.plan.spec.retry and rollout.state.phase.ended
        return with_retry_acknowledged(rollout) if retried else rollout.state
    state = healed(rollout, seen)
    state = walk(rollout.plan, state, seen, now) if state.active else with_levers_seen(rollout.plan, state)
    return state if state == rollout.state else with_conditions(rollout.plan, state, now)


def _with_states(seen: Snapshot, states: Iterable[StoredState]) -> Snapshot:
    decided = {stored.plan.name: stored.state for stored in states}
    rollouts = tuple(
        RolloutSeen(rollout.plan, decided.get(rollout.plan.name, rollout.state)) for rollout in seen.rollouts
    )
    return revised(seen, rollouts=rollouts)


def _split(stable: str | None, active: RolloutSeen | None) -> Split | None:
    if active is None:
        return Split.of(stable, None, NOTHING)
    return Split.of(stable, active.plan.canary, active.state.exposure)


def _workloads(seen: Snapshot, stable: str | None, active: RolloutSeen | None, now: float) -> tuple[Workload, ...]:
    """The revisions that must have pods: stable at full size, and the canary as its next weight asks."""
    wanted: list[tuple[str, int | None]] = [(stable, stable_pods(seen, stable, active))] if stable else []
    if active is not None and (not active.state.phase.ended or not active.state.exposure.is_nothing):
        canary = active.plan.canary
        pods = canary_pods(active.plan, active.state, seen.min_replicas, now)
        wanted.append((canary, None if seen.fleet(canary).scaled_by_other else pods))
    return tuple(
        Workload(revision, _at_first(revision, replicas))
        for name, replicas in wanted
        if (revision := seen.revision(name)) is not None
    )


def _at_first(revision: Revision, replicas: int | None) -> int | None:
    """Begin with one pod where the others must get what that one has fetched."""
    return min(1, replicas) if replicas is not None and goes_first_alone(revision) else replicas


def _kept(seen: Snapshot, staying: set[str]) -> tuple[Revision, ...]:
    """The revisions that still have pods and need none; to those without, nothing has to lead any more."""
    return tuple(one for one in seen.revisions if one.name in staying and _has_pods(seen.fleet(one.name)))


def _has_pods(fleet: Fleet) -> bool:
    return fleet.desired > 0 or fleet.ready > 0


def _successes(seen: Snapshot, stable: str | None, now: float) -> tuple[Success, ...]:
    """The successes whose revision does not carry the mark of it, and the mark that stable has lost."""
    times = {
        rollout.plan.canary: rollout.state.finished_at or 0.0
        for rollout in seen.rollouts
        if rollout.state.phase is Phase.SUCCEEDED
    }
    serving, active = seen.revision(stable), active_rollout(seen)
    if serving is not None and not serving.succeeded and not unproven(seen, serving.name):
        times.setdefault(serving.name, active.plan.created_at if active else now)
    return tuple(
        Success(revision, times[revision.name])
        for revision in seen.revisions
        if (revision.succeeded_at or 0.0) < times.get(revision.name, 0.0)
    )


def _leaving(seen: Snapshot, workloads: tuple[Workload, ...]) -> set[str]:
    """The revisions that have objects and need none; pods of which no ControllerRevision is left are not touched."""
    known = {revision.name for revision in seen.revisions}
    return (set(seen.fleets) & known) - {workload.revision.name for workload in workloads}


def _obsolete_revisions(seen: Snapshot, workloads: tuple[Workload, ...]) -> tuple[str, ...]:
    keep = {workload.revision.name for workload in workloads} | set(seen.fleets)
    wanted: Revision | None = seen.wanted
    limit = seen.deployment.spec.revision_history_limit
    return obsolete_revisions(seen.revisions, keep=keep | ({wanted.name} if wanted else set()), limit=limit)


def _obsolete_rollouts(seen: Snapshot, leaving: set[str]) -> tuple[str, ...]:
    """Those of a revision whose pods are kept stay as well: what they say of it decides how the pods go."""
    ages = {rollout.plan.name: rollout.plan.created_at for rollout in seen.rollouts}
    keep = telling_rollouts(seen, leaving) | ({seen.newest.plan.name} if seen.newest else set())
    return obsolete_rollouts(ages, keep=keep, limit=seen.deployment.spec.revision_history_limit)


def _comes_back_at(standing: Standing, intended: Split | None, now: float) -> float | None:
    """When the fallback has served for long enough; None while it does not, or must go on."""
    return back_at(standing.seen, intended, now) if standing.fallback else None


def _wake_at(
    seen: Snapshot, active: RolloutSeen | None, leaving: set[str], back: float | None, now: float
) -> float | None:
    drains = [at for name in leaving if (at := drained_at(seen, name)) > now]
    # Of a route that is written only now no watch tells us: the writer knows.
    drains += [now + seen.drain_seconds for name in leaving if seen.routed(name)]
    drains += [now + look_seconds(seen) for _ in draining(seen, leaving, now)]
    own = next_wake(active.plan, active.state, now, seen.look, seen.turn_seconds) if active else None
    again = [now + OBSTACLE_SECONDS] if seen.obstacle else []
    again += [] if back is None else [back]
    due = (knows_at(active.plan, active.state, seen), first_look_due(active.plan, active.state, seen)) if active else ()
    again += [at for at in due if at is not None and at > now]
    again += [seen.look_again_at] if seen.look_again_at is not None else []
    return min((*drains, *again, *(() if own is None else (own,))), default=None)
