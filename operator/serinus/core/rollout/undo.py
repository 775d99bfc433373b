"""What `serinus undo` goes back to, and what the operator would do then: its own rules, asked ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from serinus.api.model_deployment import ModelDeploymentSpec, Rejection
from serinus.api.status import Phase
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.ending import ending
from serinus.core.rollout.history import active_rollout, rejections, stable_revision
from serinus.core.rollout.start import new_rollout, rejection_of


class Effect(StrEnum):
    """What a change of the spec to an earlier revision leads to."""

    SPEC_RESTORED = "SpecRestored"
    NO_ROLLOUT = "NoRollout"
    CONTINUES = "Continues"
    FIRST_REVISION = "FirstRevision"
    GUARDED_STEP = "GuardedStep"
    ALL_STEPS = "AllSteps"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class UndoOutcome:
    """The effect, with the Rollout in progress that goes on or ends, and the one that starts or what forbids it."""

    effect: Effect
    active: RolloutSeen | None = None
    start: NewRollout | None = None
    rejection: Rejection | None = None
    retryable: bool = False
    """Whether `spec.retry` would lift the rejection: it is asked for on the newest Rollout alone."""


def served_before(seen: Snapshot) -> Revision | None:
    """Find what to go back to: stable while the spec asks for another revision, else what succeeded before it."""
    stable, wanted = stable_revision(seen), seen.wanted
    if stable is not None and (wanted is None or wanted.name != stable):
        return seen.revision(stable)
    earlier = [one for one in seen.revisions if one.succeeded and one.name != stable]
    return max(earlier, key=lambda one: one.succeeded_at or 0.0, default=None)


def outcome_of(seen: Snapshot, target: Revision, spec: ModelDeploymentSpec) -> UndoOutcome:
    """Tell what follows from a spec that asks for the target."""
    after = replace(seen, wanted=target, deployment=replace(seen.deployment, spec=spec))
    active = active_rollout(after)
    if active is not None and active.plan.canary == target.name and not active.state.phase.ended:
        return UndoOutcome(Effect.CONTINUES, active)
    stable = _stable_after(after, active)
    if target.name == stable:
        ends = active is not None and not active.state.phase.ended
        return UndoOutcome(Effect.SPEC_RESTORED if ends else Effect.NO_ROLLOUT, active)
    rejected = rejections(after)
    start = new_rollout(after, stable, rejected)
    if start is None:
        newest = after.newest is not None and after.newest.plan.canary == target.name
        return UndoOutcome(Effect.REJECTED, active, rejection=rejection_of(after, rejected), retryable=newest)
    return UndoOutcome(_effect_of(start), active, start)


def _effect_of(start: NewRollout) -> Effect:
    if start.spec.from_ is None:
        return Effect.FIRST_REVISION
    return Effect.GUARDED_STEP if start.spec.rollback else Effect.ALL_STEPS


def _stable_after(after: Snapshot, active: RolloutSeen | None) -> str | None:
    """What serves once the Rollout in progress has ended for the new spec: its canary only out of a clean guard."""
    if active is None:
        return stable_revision(after)
    how = None if active.state.phase.ended else ending(active.plan, active.state, after)
    return active.plan.canary if how is not None and how[0] is Phase.SUCCEEDED else active.plan.stable
