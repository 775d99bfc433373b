"""ModelDeployment: what to serve, how to serve it, how to route to it, how to replace it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.base import Model
from serinus.api.constraints import Count, DeadlineSeconds, Digest, Label, Percent, Text, Timestamp, Word
from serinus.api.policy import Analysis, Guard, Strategy
from serinus.api.rules import ATOMIC, LIVE_DEFAULT
from serinus.api.runtime import (
    EnvSource,
    EnvVar,
    Gpu,
    KeyReference,
    LocalReference,
    Resources,
    Runtime,
    Toleration,
)
from serinus.api.served_model import ModelFormat, Probe, ProbeInput, ServedModel
from serinus.api.status import Conditions
from serinus.api.traffic import ConnectionPool, IstioTraffic, OutlierDetection, Traffic

__all__ = [
    "ConnectionPool",
    "EnvSource",
    "EnvVar",
    "Gpu",
    "IstioTraffic",
    "KeyReference",
    "LocalReference",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "ModelFormat",
    "OutlierDetection",
    "Probe",
    "ProbeInput",
    "Rejection",
    "Resources",
    "RevisionStatus",
    "Runtime",
    "Scaling",
    "ServedModel",
    "Toleration",
    "Traffic",
]


class Scaling(Model):
    """How many pods. Live: a change makes no revision."""

    min_replicas: Annotated[int, Field(ge=1, le=1000), LIVE_DEFAULT] = 1
    """Pods of the stable revision; a canary gets its weight's share of them, at least one."""


class RollbackWindow(Model):
    """How far back a revision may go without walking through the steps again."""

    revisions: Annotated[int, Field(ge=0, le=100)]
    """How many of the revisions that succeeded before stable; 0 walks through the steps each time."""


class ModelDeploymentSpec(Model):
    """The wish, as a team commits it to git."""

    model: ServedModel
    """The model. A change here makes a new revision."""
    runtime: Runtime
    """The Triton server. A change here makes a new revision."""
    scaling: Annotated[Scaling, LIVE_DEFAULT] = Scaling()
    """How many pods. Live: a change makes no revision."""
    traffic: Traffic | None = None
    """Where requests come in. Live: a change makes no revision. Absent: callers in the mesh only."""
    strategy: Strategy | None = None
    """How a revision is replaced; default 5, 25 and 50 percent with one minute each."""
    analysis: Analysis | None = None
    """What is watched while a rollout is live; default an error rate of at most 5%."""
    guard: Guard | None = None
    """How long the previous revision is kept warm after 100 percent; default 10m."""
    rollback_window: RollbackWindow | None = None
    """How far back a revision that succeeded before gets 100 percent in one guarded step; default 2. Live."""
    revision_history_limit: Annotated[int, Field(ge=1, le=100), LIVE_DEFAULT] = 10
    """How many revisions and Rollouts are kept besides those in use. Live."""
    progress_deadline_seconds: DeadlineSeconds | None = None
    """How long a canary may wait for its pods before one weight, until the rollout is aborted; default 600."""


class RevisionStatus(Model):
    """A revision as people call it."""

    revision: Label
    """The name of its ControllerRevision, Deployment and Service."""
    version: Text
    """The model's version."""
    ready_replicas: Count
    """Pods that are ready."""
    replicas: Count
    """Pods that are wanted."""


class Rejection(Model):
    """A pair of revision and policy that gets no traffic again until another pair or a retry."""

    revision: Label
    """The name of the rejected revision."""
    version: Text
    """The model's version."""
    policy: Digest
    """Digest of strategy, analysis and guard."""
    rollout: Annotated[str, Field(max_length=63)]
    """The Rollout whose status tells why."""
    reason: Word
    """Why, in one word."""
    at: Timestamp
    """When."""


class ModelDeploymentStatus(Model):
    """A copy for people; the truth of a rollout is in the Rollout's own status."""

    observed_generation: Count = 0
    """The generation of spec that this is about."""
    model: Text | None = None
    """Triton's model name."""
    serving: Text | None = None
    """The version that is stable."""
    phase: Word | None = None
    """Where the newest rollout stands."""
    verdict: Word | None = None
    """What the last assessment said."""
    stable: RevisionStatus | None = None
    """The revision that serves."""
    canary: RevisionStatus | None = None
    """The revision that is tried."""
    canary_version: Text | None = None
    """The version that is tried."""
    weight: Percent | None = None
    """The canary's share of requests, in percent."""
    rollout: Annotated[str, Field(max_length=63)] | None = None
    """The newest Rollout."""
    rejected: Annotated[tuple[Rejection, ...], Field(max_length=128), ATOMIC] = ()
    """Pairs of revision and policy that get no traffic again until another pair or a retry."""
    conditions: Conditions = ()
    """Ready, Reconciling, Stalled, Serving and Degraded."""
