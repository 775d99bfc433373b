"""A ModelDeployment's status in short: what is serving, what is being rolled out, at which weight, and why."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.model_deployment import ModelDeploymentStatus, Rejection, RevisionStatus
from serinus.api.status import Phase
from serinus.core.analysis.streams import unjudged
from serinus.core.model.exposure import FULL_WEIGHT, NOTHING
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle, RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.conditions import Statement, conditions_of
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.draining import still_arriving
from serinus.core.rollout.fallback import BACK_SECONDS
from serinus.core.rollout.following import not_followed
from serinus.core.rollout.group_start import GroupWait, group_wait
from serinus.core.rollout.member import member_status
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.room import shortfall
from serinus.core.rollout.start import barred_by
from serinus.core.rollout.waiting import waited_too_long

SERVING = "Serving"
NOT_READY = "NotReady"
TROUBLE = ("Stalled", "FallbackServing", "Degraded")
FIRST = "The first revision is not ready yet"


@dataclass(frozen=True)
class Standing:
    """Where a ModelDeployment stands after the decision."""

    seen: Snapshot
    stable: str | None
    active: RolloutSeen | None
    rejected: tuple[Rejection, ...]
    start: NewRollout | None
    split: Split | None = None
    """What the route shall say."""
    leaving: frozenset[str] = frozenset()
    """The revisions that have objects and need none."""

    @property
    def fallback(self) -> str | None:
        """The ModelDeployment that answers in place of this one, while it does."""
        return self.split.fallback if self.split else None

    @property
    def under_way(self) -> bool:
        return self.active is not None or self.start is not None


def summarise(standing: Standing, now: float) -> ModelDeploymentStatus:
    """Write the copy for people; the truth is in the Rollout."""
    seen, active, newest = standing.seen, standing.active, standing.seen.newest
    stable, canary = seen.revision(standing.stable), seen.revision(active.plan.canary) if active else None
    view, statements = seen.deployment, _statements(standing, now)
    shown = active.state.exposure if active else NOTHING
    return ModelDeploymentStatus(
        observed_generation=view.generation,
        model=view.model_name,
        serving=f"fallback {standing.fallback}" if standing.fallback else _called(stable),
        phase=_phase(standing),
        verdict=active.state.verdict if active else None,
        reason=_reason(standing, statements),
        stable=_revision_status(seen, stable),
        canary=_revision_status(seen, canary),
        canary_version=_called(canary),
        weight=shown.weight,
        exposure=shown.text,
        rollout=newest.plan.name if newest else None,
        group=member_status(seen, standing.stable, active, standing.start, standing.rejected),
        rejected=standing.rejected,
        conditions=conditions_of(view.status.conditions, statements, generation=view.generation, now=now),
    )


def _phase(standing: Standing) -> str:
    """Tell the rollout's phase while one is in progress, and else how stable is: it is all that there is."""
    active, newest = standing.active, standing.seen.newest
    if active is not None:
        return active.state.phase
    if standing.start is not None:
        return Phase.PENDING
    if standing.stable is None:
        return newest.state.phase if newest else Phase.PENDING
    return SERVING if standing.seen.fleet(standing.stable).ready > 0 else NOT_READY


def _reason(standing: Standing, statements: tuple[Statement, ...]) -> str | None:
    """Give the reason of what is going on, or of what needs a person; None when all is well.

    That no request arrives goes before everything: whatever else is said then is of nobody's requests.
    """
    unreached = standing.seen.unreached
    if unreached is not None and not unreached.served:
        return unreached.reason
    trouble = (one.reason for one in statements if one.type in TROUBLE and one.holds)
    if standing.active is not None:
        return standing.active.state.reason
    held = _held_by_group(standing)
    return next(trouble, held.reason if held else _lame_fallback(standing.seen))


def _lame_fallback(seen: Snapshot) -> str | None:
    """Why a fallback could not answer: nobody should learn it from the outage that it was meant for."""
    fallback = seen.fallback
    return fallback.obstacle.reason if fallback is not None and fallback.obstacle is not None else None


def _held_by_group(standing: Standing) -> GroupWait | None:
    """What of the other members keeps from starting what could start; None where nothing could."""
    seen, wanted = standing.seen, standing.seen.wanted
    nothing = standing.under_way or wanted is None or standing.stable in {None, wanted.name}
    if nothing or seen.in_the_way is not None or barred_by(seen, standing.rejected) is not None:
        return None
    return group_wait(seen)


def _called(revision: Revision | None) -> str | None:
    """Version and hash: two revisions may carry one version."""
    return f"{revision.version}@{revision.hash}" if revision else None


def _revision_status(seen: Snapshot, revision: Revision | None) -> RevisionStatus | None:
    if revision is None:
        return None
    fleet = seen.fleet(revision.name)
    artifact = revision.artifact
    return RevisionStatus(
        revision=revision.name,
        version=revision.version,
        ready_replicas=fleet.ready,
        replicas=fleet.desired,
        digest=artifact.digest if artifact else None,
        resolved=artifact.resolved if artifact else None,
    )


def _statements(standing: Standing, now: float) -> tuple[Statement, ...]:
    return (
        _ready(standing),
        _reconciling(standing),
        _stalled(standing, now),
        _serving(standing),
        *_fallback(standing),
        _degraded(standing, now),
    )


def _ready(standing: Standing) -> Statement:
    """True while stable serves, whatever becomes of the canary."""
    seen, stable = standing.seen, standing.seen.revision(standing.stable)
    if stable is not None:
        ready = seen.fleet(stable.name).ready > 0
        text = f"Version {stable.version} is serving" if ready else f"No pod of version {stable.version} is ready"
        return Statement("Ready", ready, "StableServing" if ready else "StableNotReady", text)
    if seen.in_the_way is not None:
        return Statement("Ready", False, seen.in_the_way.reason, seen.in_the_way.message)
    if seen.newest is not None:
        state = seen.newest.state
        return Statement("Ready", False, state.reason or "Pending", state.message or FIRST)
    return Statement("Ready", False, "Pending", FIRST)


def _reconciling(standing: Standing) -> Statement:
    active = standing.active
    if active is None:
        if standing.start is not None:
            return Statement("Reconciling", True, "RolloutStarting", f"Starting Rollout {standing.start.name}")
        if standing.seen.awaited is not None:
            return Statement("Reconciling", True, standing.seen.awaited.reason, standing.seen.awaited.message)
        held = _held_by_group(standing)
        if held is not None and not held.for_people:
            return Statement("Reconciling", True, held.reason, held.message)
        return Statement("Reconciling", False, "Settled", "No rollout in progress")
    state, to = active.state, active.plan.spec.to.version
    text = f"Version {to} at {state.exposure.text}: {state.message or state.reason or state.phase}"
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


def _stalled(standing: Standing, now: float) -> Statement:
    """True when the spec cannot be applied; kstatus then says Failed and the pipeline goes red."""
    obstacle = standing.seen.in_the_way
    if obstacle is not None:
        return Statement("Stalled", True, obstacle.reason, obstacle.message)
    if (late := _first_is_late(standing, now)) is not None:
        return Statement("Stalled", True, late.reason, late.message)
    held = _held_by_group(standing)
    if held is not None and held.for_people:
        return Statement("Stalled", True, held.reason, held.message)
    rejection = barred_by(standing.seen, standing.rejected)
    if rejection is None or standing.under_way or rejection.revision == standing.stable:
        return Statement("Stalled", False, "NotStalled", "The spec is being applied")
    text = (
        f"Version {rejection.version} was rolled back by Rollout {rejection.rollout} ({_why(standing, rejection)}). "
        f"Commit a different version, or set spec.retry on that Rollout"
    )
    return Statement("Stalled", True, "RevisionRejected", text)


def _first_is_late(standing: Standing, now: float) -> Obstacle | None:
    """Why a first revision is not ready after its deadline; it is waited for all the same."""
    active = standing.active
    if active is None or active.plan.stable is not None or not waited_too_long(active.plan, active.state, now):
        return None
    obstacle = standing.seen.fleet(active.plan.canary).obstacle
    reason = obstacle.reason if obstacle else RolloutReason.DEADLINE_EXCEEDED
    return Obstacle(reason, f"Version {active.plan.spec.to.version} is not ready: {active.state.message}")


def _why(standing: Standing, rejection: Rejection) -> str:
    """Give the numbers that decided, as long as the Rollout that holds them is the newest."""
    newest = standing.seen.newest
    message = newest.state.message if newest is not None and newest.plan.name == rejection.rollout else None
    return f"{rejection.reason}: {message}" if message else rejection.reason


def _serving(standing: Standing) -> Statement:
    seen, active = standing.seen, standing.active
    stable = seen.revision(standing.stable)
    if standing.fallback is None and stable is None:
        return Statement("Serving", False, "NothingServes", "No revision is receiving traffic yet")
    reason, text = "Stable", f"100% to version {stable.version}" if stable else ""
    if standing.fallback is not None:
        reason, text = "FallbackServing", f"100% to the fallback {standing.fallback}"
    elif stable is not None and active is not None and not active.state.exposure.is_nothing:
        shown, to = active.state.exposure, active.plan.spec.to.version
        rest = FULL_WEIGHT - shown.weight
        reason, text = "Split", f"{rest}% to version {stable.version}, {shown.text} to version {to}"
        if not_judged := unjudged(seen.look):
            reason, text = "StreamsNotWatched", f"{text}; {not_judged}"
    if seen.unreached is not None:
        return Statement("Serving", seen.unreached.served, seen.unreached.reason, f"{text}; {seen.unreached.message}")
    return Statement("Serving", True, reason, text)


def _fallback(standing: Standing) -> tuple[Statement, ...]:
    """Say whether another ModelDeployment answers, or could; nothing where none is named."""
    fallback, kind = standing.seen.fallback, "FallbackServing"
    if fallback is None:
        return ()
    if fallback.obstacle is not None:
        return (Statement(kind, False, fallback.obstacle.reason, fallback.obstacle.message),)
    if standing.fallback is None:
        return (Statement(kind, False, "FallbackReady", f"{fallback.name} answers when no pod is ready"),)
    text = f"{fallback.name} answers all requests until what should serve has been ready for {BACK_SECONDS:.0f} s"
    return (Statement(kind, True, "FallbackServing", text),)


def _altered(fields: tuple[str, ...]) -> str:
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    return f"an admission policy or webhook changes what the operator applies, and it is left so: {fields[0]}{more}"


def _not_followed(standing: Standing, now: float) -> Obstacle | None:
    """Say that requests go elsewhere than the route says: at the rollout's two revisions, or at one that is gone."""
    active = standing.active
    cause = not_followed(active.plan, active.state, standing.seen) if active is not None else None
    if cause is not None:
        return Obstacle(cause.reason, cause.message)
    return still_arriving(standing.seen, standing.leaving, now)


def _degraded(standing: Standing, now: float) -> Statement:
    seen, active, stable = standing.seen, standing.active, standing.seen.revision(standing.stable)
    fleet = seen.fleet(standing.stable)
    if stable is None or fleet.ready >= fleet.desired > 0:
        wrong = fleet.artifact_doubt or shortfall(seen, active) or _not_followed(standing, now) or seen.concern
        if wrong is not None:
            return Statement("Degraded", True, wrong.reason, wrong.message)
        if seen.altered:
            return Statement("Degraded", False, "ChangedByAdmission", _altered(seen.altered))
        if seen.caution is not None:
            return Statement("Degraded", False, seen.caution.reason, seen.caution.message)
        if stable is None:
            return Statement("Degraded", False, "NothingServes", "No version is serving yet: Ready says why")
        return Statement("Degraded", False, "AllReady", f"All pods of version {stable.version} are ready")
    text = f"{fleet.ready} of {fleet.desired or seen.min_replicas} pods of version {stable.version} are ready"
    because = fleet.obstacle or fleet.artifact_doubt
    if because is not None:
        text = f"{text}: {because.message}"
    if active is not None and active.state.phase.ended and not active.state.exposure.is_nothing:
        text = f"{text}; {active.state.exposure.text} stay on the canary until they are"
    return Statement("Degraded", True, "StableNotReady", text)
