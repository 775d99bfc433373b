"""ModelDeployment: what to serve, how to serve it, how to route to it, how to replace it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from serinus.api.ab_test import MAX_DURATION
from serinus.api.ab_test_rules import GOALS_ARE_MEASURED, GOALS_ARE_STICKY, NO_STICKY_USERS, forgotten
from serinus.api.base import ApiModel
from serinus.api.constraints import (
    Count,
    DeadlineSeconds,
    Digest,
    Label,
    Percent,
    Replicas,
    Short,
    Text,
    Timestamp,
    Word,
)
from serinus.api.durations import seconds
from serinus.api.group import GroupMembership, MemberStatus
from serinus.api.policy import Analysis, Guard, Strategy, not_measured
from serinus.api.policy_rules import FITS_BELOW, MOST_MATCHES_BELOW
from serinus.api.rules import ATOMIC, LIVE_DEFAULT, rule, ruled, spoken
from serinus.api.runtime import Runtime
from serinus.api.served_model import ServedModel
from serinus.api.session_affinity import MAX_AGE
from serinus.api.status import Conditions
from serinus.api.traffic import RoutingApi, Traffic

COUNTED_BY_ANOTHER = (
    rule(
        "!has(self.runtime.type) || self.runtime.type == 'triton' || !has(self.analysis) || !has(self.analysis.metrics)"
        " || !self.analysis.metrics.exists(m, has(m.provider) && m.provider == 'triton')",
        "a metric has provider triton, whose counters other servers do not have: choose istio, envoy or sidecar",
        path=".analysis",
    ),
    rule(
        "has(self.runtime.type) && self.runtime.type == 'openai' || !has(self.analysis) || !has(self.analysis.metrics)"
        " || !self.analysis.metrics.exists(m, has(m.provider) && m.provider == 'vllm'"
        " || has(m.preset) && m.preset.startsWith('time-'))",
        "a metric reads vLLM's counters, which only runtime.type openai has: choose another provider or preset",
        path=".analysis",
    ),
)
_IS_OPENAI = "(has({0}.runtime.type) && {0}.runtime.type == 'openai')"
OPENAI_ALONE = (
    rule(
        f"{_IS_OPENAI.format('self')} == {_IS_OPENAI.format('oldSelf')}",
        "changes between openai and the other servers, to which callers send other requests: make another"
        " ModelDeployment",
        path=".runtime.type",
    ),
    rule(
        f"!{_IS_OPENAI.format('self')} || !has(self.model.probe)",
        "is tensors over gRPC, which runtime.type openai does not take: leave it out",
        path=".model.probe",
    ),
)


class Scaling(ApiModel):
    """How many pods. Live: a change makes no new revision."""

    min_replicas: Annotated[Replicas, LIVE_DEFAULT] = 1
    """Minimum number of stable pods; a canary gets its weight's share of stable's pods, at least one, or what
    setCanaryScale asks for if that is more."""


class RollbackWindow(ApiModel):
    """How far back the spec may go without going through the steps again."""

    revisions: Annotated[int, Field(ge=0, le=100)]
    """How many revisions that succeeded before stable qualify; 0 always goes through the steps."""


class ModelDeploymentSpec(ApiModel):
    """The desired state, as a team commits it to git."""

    model_config = ruled(
        spoken(
            "!has(self.progressDeadlineSeconds) || !has(self.runtime.loadTimeoutSeconds)"
            " || self.progressDeadlineSeconds >= self.runtime.loadTimeoutSeconds",
            "'progressDeadlineSeconds %d would end a rollout before runtime.loadTimeoutSeconds %d has passed:"
            " raise it to %d, or leave it out'.format([self.progressDeadlineSeconds, self.runtime.loadTimeoutSeconds,"
            " self.runtime.loadTimeoutSeconds + 60])",
            path=".progressDeadlineSeconds",
        ),
        FITS_BELOW,
        *COUNTED_BY_ANOTHER,
        *OPENAI_ALONE,
        *GOALS_ARE_MEASURED,
        *GOALS_ARE_STICKY,
    )

    model: ServedModel
    """The model. A change here makes a new revision."""
    runtime: Runtime
    """The model server. A change here makes a new revision."""
    scaling: Annotated[Scaling, LIVE_DEFAULT] = Scaling()
    """How many pods. Live: a change makes no new revision."""
    traffic: Traffic | None = None
    """Where requests come in. Live: a change makes no new revision. Absent: callers in the mesh only."""
    strategy: Strategy | None = None
    """How a revision is replaced; default 5, 25 and 50 percent for a minute each."""
    analysis: Analysis | None = None
    """What is watched during a rollout; default an error rate of at most 5%."""
    guard: Guard | None = None
    """How long the previous revision is kept warm after 100 percent; default 10m."""
    group: GroupMembership | None = None
    """The ModelDeployments of this namespace that move together with this one. A Rollout keeps the release it began
    with; a change makes no new revision."""
    rollback_window: RollbackWindow | None = None
    """Which earlier revisions get 100 percent in one guarded step when the spec returns to them; default 2. Live."""
    revision_history_limit: Annotated[int, Field(ge=1, le=100), LIVE_DEFAULT] = 10
    """How many revisions and Rollouts to keep besides those in use. Live."""
    progress_deadline_seconds: DeadlineSeconds | None = None
    """How long a canary may wait for its pods before one weight or scale; after that the rollout is aborted. At least
    runtime.loadTimeoutSeconds; default 600, or loadTimeoutSeconds plus a minute if that is more."""

    @model_validator(mode="after")
    def _goal_can_be_decided(self) -> Self:
        """Refuse a goal without a metric that tells of it, or without sticky users: it would never be decided."""
        if why := not_measured(self.strategy, self.analysis):
            raise ValueError(why)
        goal = self.strategy.goal if self.strategy is not None else None
        if goal is None:
            return self
        affinity = self.traffic.session_affinity if self.traffic is not None else None
        if affinity is None:
            raise ValueError(NO_STICKY_USERS)
        age, longest = affinity.cookie.max_age or MAX_AGE, goal.max_duration or MAX_DURATION
        if seconds(age) < seconds(longest):
            raise ValueError(forgotten(age, longest))
        return self

    @model_validator(mode="after")
    def _fits_below_a_prefix(self) -> Self:
        traffic = self.traffic
        if traffic is None or traffic.path_prefix is None or traffic.api is not RoutingApi.GATEWAY_API:
            return self
        if _matches(self.strategy) > MOST_MATCHES_BELOW:
            raise ValueError(f"strategy {FITS_BELOW['message']}")
        return self


def _matches(strategy: Strategy | None) -> int:
    """Count the matches of all steps together."""
    canary, blue_green = (strategy.canary, strategy.blue_green) if strategy else (None, None)
    steps = canary.steps if canary and canary.steps else ()
    stepped = sum(len(step.set_header_route.match) for step in steps if step.set_header_route)
    return stepped + (len(blue_green.preview.match) if blue_green and blue_green.preview else 0)


class RevisionStatus(ApiModel):
    """A revision, as shown to people."""

    revision: Label
    """The name of its ControllerRevision, Deployment and Service."""
    version: Text
    """The model's version."""
    ready_replicas: Count
    """Number of ready pods."""
    replicas: Count
    """Desired number of pods."""
    digest: Short | None = None
    """Digest of the fetched model."""
    resolved: Text | None = None
    """What storageUri stood for: a version, a manifest, a commit."""


class Rejection(ApiModel):
    """A rejected pair of revision and policy: it gets no traffic again without a retry."""

    revision: Label
    """The name of the rejected revision."""
    version: Text
    """The model's version."""
    policy: Digest
    """Digest of strategy, analysis and guard."""
    rollout: Annotated[str, Field(max_length=63)]
    """The Rollout whose status has the details."""
    reason: Word
    """Why, in one word."""
    at: Timestamp
    """When."""


class ModelDeploymentStatus(ApiModel):
    """A summary; the authoritative state of a rollout is in the Rollout's status."""

    observed_generation: Count = 0
    """The generation of spec that this status describes."""
    model: Text | None = None
    """The server's name of the model."""
    serving: Text | None = None
    """The stable version, or the fallback while that answers."""
    phase: Word | None = None
    """The rollout's phase while one is in progress; otherwise Serving, or NotReady when stable has no ready pod."""
    verdict: Word | None = None
    """Verdict on the rollout in progress."""
    reason: Word | None = None
    """Why the rollout in progress is where it is, or what needs attention; absent if all is well."""
    stable: RevisionStatus | None = None
    """The stable revision."""
    canary: RevisionStatus | None = None
    """The revision being rolled out."""
    canary_version: Text | None = None
    """The version being rolled out."""
    weight: Percent | None = None
    """The canary's share of requests, in percent."""
    exposure: Text | None = None
    """What the canary is shown, in words: its share, and the cohort that has it whatever the share."""
    rollout: Annotated[str, Field(max_length=63)] | None = None
    """The newest Rollout."""
    group: MemberStatus | None = None
    """Where it stands in its group."""
    rejected: Annotated[tuple[Rejection, ...], Field(max_length=128), ATOMIC] = ()
    """Rejected pairs of revision and policy: they get no traffic again without a retry."""
    conditions: Conditions = ()
    """Ready, Reconciling, Stalled, Serving and Degraded; FallbackServing where there is a fallback."""
