"""What a ModelDeployment's status says to people: what serves, what is tried, at which weight, and why."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.model_deployment import ModelDeploymentStatus, Rejection, RevisionStatus
from serinus.core.analysis.streams import unjudged
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.rollout.conditions import Statement, conditions_of
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.room import shortfall
from serinus.core.rollout.start import rejection_of


@dataclass(frozen=True)
class Standing:
    """Where a ModelDeployment stands after the decision."""

    seen: Snapshot
    stable: str | None
    active: RolloutSeen | None
    rejected: tuple[Rejection, ...]
    start: NewRollout | None

    @property
    def under_way(self) -> bool:
        return self.active is not None or self.start is not None


def summarise(standing: Standing, now: float) -> ModelDeploymentStatus:
    """Write the copy for people; the truth is in the Rollout."""
    seen, active, newest = standing.seen, standing.active, standing.seen.newest
    stable, canary = seen.revision(standing.stable), seen.revision(active.plan.canary) if active else None
    view = seen.deployment
    return ModelDeploymentStatus(
        observed_generation=view.generation,
        model=view.model_name,
        serving=_called(stable),
        phase=newest.state.phase if newest else None,
        verdict=newest.state.verdict if newest else None,
        stable=_revision_status(seen, stable),
        canary=_revision_status(seen, canary),
        canary_version=_called(canary),
        weight=active.state.weight if active else 0,
        rollout=newest.plan.name if newest else None,
        rejected=standing.rejected,
        conditions=conditions_of(view.status.conditions, _statements(standing), generation=view.generation, now=now),
    )


def _called(revision: Revision | None) -> str | None:
    """Version and hash: two revisions may carry one version."""
    return f"{revision.version}@{revision.hash}" if revision else None


def _revision_status(seen: Snapshot, revision: Revision | None) -> RevisionStatus | None:
    if revision is None:
        return None
    fleet = seen.fleet(revision.name)
    return RevisionStatus(
        revision=revision.name, version=revision.version, ready_replicas=fleet.ready, replicas=fleet.desired
    )


def _statements(standing: Standing) -> tuple[Statement, ...]:
    return (_ready(standing), _reconciling(standing), _stalled(standing), _serving(standing), _degraded(standing))


def _ready(standing: Standing) -> Statement:
    """True while stable serves, whatever becomes of the canary."""
    seen, stable = standing.seen, standing.seen.revision(standing.stable)
    if stable is not None:
        ready = seen.fleet(stable.name).ready > 0
        text = f"version {stable.version} serves" if ready else f"no pod of version {stable.version} is ready"
        return Statement("Ready", ready, "StableServing" if ready else "StableNotReady", text)
    if seen.obstacle is not None:
        return Statement("Ready", False, seen.obstacle.reason, seen.obstacle.message)
    if seen.newest is not None:
        state = seen.newest.state
        return Statement("Ready", False, state.reason or "Pending", state.message or "the first revision is not ready")
    return Statement("Ready", False, "Pending", "the first revision is not ready")


def _reconciling(standing: Standing) -> Statement:
    active = standing.active
    if active is None:
        if standing.start is not None:
            return Statement("Reconciling", True, "RolloutStarting", f"{standing.start.name} starts")
        return Statement("Reconciling", False, "Settled", "no rollout is under way")
    state, to = active.state, active.plan.spec.to.version
    text = f"version {to} at {state.weight}%: {state.message or state.reason or state.phase}"
    return Statement("Reconciling", True, state.phase, f"{text}{_who_waits(standing, active)}")


def _who_waits(standing: Standing, active: RolloutSeen) -> str:
    """Say which commit waits for the end of a rollout that cannot give its weight back yet."""
    seen, wanted, stable = standing.seen, standing.seen.wanted, standing.seen.revision(standing.stable)
    if wanted is None or stable is None or not active.state.phase.ended:
        return ""
    if wanted.name in {active.plan.canary, stable.name}:
        return ""
    ready = seen.fleet(stable.name).ready
    return (
        f"; version {wanted.version} waits until version {stable.version} has taken the weight back "
        f"({ready} of its pods are ready; promote does not apply)"
    )


def _stalled(standing: Standing) -> Statement:
    """True when git asks in vain; kstatus then says Failed and the pipeline goes red."""
    obstacle = standing.seen.obstacle
    if obstacle is not None:
        return Statement("Stalled", True, obstacle.reason, obstacle.message)
    rejection = rejection_of(standing.seen, standing.rejected)
    if rejection is None or standing.under_way or rejection.revision == standing.stable:
        return Statement("Stalled", False, "NotStalled", "nothing is asked for in vain")
    text = (
        f"version {rejection.version} was taken back by Rollout {rejection.rollout} ({_why(standing, rejection)}): "
        f"commit another one, or set spec.retry on that Rollout"
    )
    return Statement("Stalled", True, "RevisionRejected", text)


def _why(standing: Standing, rejection: Rejection) -> str:
    """Give the numbers that decided, as long as the Rollout that holds them is the newest."""
    newest = standing.seen.newest
    message = newest.state.message if newest is not None and newest.plan.name == rejection.rollout else None
    return f"{rejection.reason}: {message}" if message else rejection.reason


def _serving(standing: Standing) -> Statement:
    seen, active = standing.seen, standing.active
    stable = seen.revision(standing.stable)
    if stable is None:
        return Statement("Serving", False, "NothingServes", "no revision gets traffic yet")
    if active is None or active.state.weight == 0:
        return Statement("Serving", True, "Stable", f"100% to version {stable.version}")
    weight, to = active.state.weight, active.plan.spec.to.version
    text = f"{100 - weight}% to version {stable.version}, {weight}% to version {to}"
    not_judged = unjudged(seen.look)
    if not_judged:
        return Statement("Serving", True, "StreamsNotWatched", f"{text}; {not_judged}")
    return Statement("Serving", True, "Split", text)


def _degraded(standing: Standing) -> Statement:
    seen, active, stable = standing.seen, standing.active, standing.seen.revision(standing.stable)
    fleet = seen.fleet(standing.stable)
    if stable is None or fleet.ready >= fleet.desired > 0:
        short = shortfall(seen, active)
        if short is not None:
            return Statement("Degraded", True, short.reason, short.message)
        if seen.concern is not None:
            return Statement("Degraded", True, seen.concern.reason, seen.concern.message)
        return Statement("Degraded", False, "AllReady", "all pods that should be ready are ready")
    text = f"{fleet.ready} of {fleet.desired or seen.min_replicas} pods of version {stable.version} are ready"
    if fleet.obstacle is not None:
        text = f"{text}: {fleet.obstacle.message}"
    if active is not None and active.state.phase.ended and active.state.weight > 0:
        text = f"{text}; {active.state.weight}% stay on the canary until they are"
    return Statement("Degraded", True, "StableNotReady", text)
