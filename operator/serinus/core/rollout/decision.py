"""What a pass wants done: values only, carried out by the runtime in this order: status, split, the rest."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.rollout import RolloutSpec
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
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
    successes: tuple[Success, ...] = ()
    retired: frozenset[str] = frozenset()
    obsolete_revisions: tuple[str, ...] = ()
    obsolete_rollouts: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    wake_at: float | None = None
    live: bool = False
