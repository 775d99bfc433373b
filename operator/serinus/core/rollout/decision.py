"""What a pass wants done: values only, carried out by the runtime in this order: status, split, the rest.

A pass also asks it which way it moves traffic: what takes it goes first, what gives it goes last.
"""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.rollout import RolloutSpec
from serinus.core.model.exposure import NOTHING
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.split import Split
from serinus.core.plan.wanted import Workload


@dataclass(frozen=True)
class NewRollout:
    """A Rollout to create."""

    name: str
    spec: RolloutSpec


@dataclass(frozen=True)
class StoredState:
    """A Rollout's state to store; `before` is what is stored now."""

    plan: RolloutPlan
    before: RolloutState
    state: RolloutState


@dataclass(frozen=True)
class Note:
    """Something that people are told once, as Event and log line; without a `rollout`, about the ModelDeployment."""

    reason: str
    message: str
    warning: bool = False
    rollout: RolloutPlan | None = None


@dataclass(frozen=True)
class Success:
    """A revision that carries no success mark yet, or an old one."""

    revision: Revision
    at: float


@dataclass(frozen=True)
class Decision:
    """All that follows from one snapshot."""

    status: ModelDeploymentStatus
    states: tuple[StoredState, ...] = ()
    start: NewRollout | None = None
    stable: Revision | None = None
    split: Split | None = None
    workloads: tuple[Workload, ...] = ()
    kept: tuple[Revision, ...] = ()
    """Need no pods, and have them for as long as requests may arrive: what leads to those is kept as well."""
    successes: tuple[Success, ...] = ()
    draining: frozenset[str] = frozenset()
    """Had traffic, and lost it long enough ago: what still arrives there is asked for."""
    retired: frozenset[str] = frozenset()
    """May go now."""
    obsolete_revisions: tuple[str, ...] = ()
    obsolete_rollouts: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    wake_at: float | None = None
    live: bool = False


def takes_traffic(decision: Decision) -> bool:
    """Whether a canary loses anything of what it is shown."""
    return any(stored.before.exposure.exceeds(stored.state.exposure) for stored in decision.states)


def ends_a_stage(decision: Decision) -> bool:
    """Whether a rollout that goes on is in another stage from now on: what its evidence lacks of the last is lost."""
    return any(
        stored.state.active and stored.before.stage_started_at not in {None, stored.state.stage_started_at}
        for stored in decision.states
    )


def still_takes(seen: Snapshot, decision: Decision) -> bool:
    """Whether the live route gives a revision beside stable more than it shall have: a revert that was cut short."""
    stable = decision.stable.name if decision.stable else None
    if seen.route is None or decision.split is None:
        # One that we cannot read may show anything to anybody.
        return seen.route_unread and decision.split is not None
    return shows_more(seen.route, decision.split, but=stable)


def gives_traffic(seen: Snapshot, decision: Decision) -> bool:
    """Whether a revision beside stable shall have more than the live route gives it."""
    stable = decision.stable.name if decision.stable else None
    return decision.split is not None and shows_more(decision.split, seen.route, but=stable)


def shows_more(split: Split, than: Split | None, *, but: str | None) -> bool:
    """Whether a split shows any revision but one more than another split does."""
    return any(
        split.exposure_of(name).exceeds(than.exposure_of(name) if than is not None else NOTHING)
        for name in split.revisions
        if name != but
    )


def phase_changed(decision: Decision) -> bool:
    """Whether a rollout is somewhere else now."""
    return any(stored.state.phase is not stored.before.phase for stored in decision.states)
