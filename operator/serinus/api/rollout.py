"""Rollout: one transition from one revision to another, its frozen plan, the SRE's levers, the record of decisions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.base import Model
from serinus.api.constraints import (
    Count,
    DeadlineSeconds,
    Digest,
    Json,
    Label,
    Lever,
    Percent,
    QueryText,
    Short,
    Text,
    Timestamp,
    Word,
)
from serinus.api.policy import Analysis, Guard, Strategy
from serinus.api.rules import ATOMIC, FROZEN, rule, ruled
from serinus.api.status import Conditions, Phase, Verdict


class RevisionReference(Model):
    """A revision: the name of its ControllerRevision, and the version as people call it."""

    revision: Label
    """The name of its ControllerRevision, Deployment and Service."""
    version: Text
    """The model's version."""


class Promote(Model):
    """How far an SRE promotes: pauses are skipped up to a step, or the whole walk is cut short."""

    model_config = ruled(
        rule(
            "has(self.throughStep) != has(self.full)",
            "set one of throughStep and full; to take a promotion back remove promote",
        )
    )

    through_step: Annotated[int, Field(ge=1, le=50)] | None = None
    """Skip the pauses up to this step, as the STEP column counts them, from 1. Undecided and Blind still hold."""
    full: bool | None = None
    """Go to 100 percent now, also when Undecided or Blind; never when Unsafe."""


class RolloutSpec(Model):
    """The frozen plan, and four levers (levels, not edges) for the SRE."""

    model_config = ruled(
        rule(
            "has(self.from) == has(oldSelf.from)",
            "is frozen when the Rollout starts: only paused, abort, promote and retry may change",
            path=".from",
        )
    )

    model_deployment: Annotated[Label, FROZEN]
    """The ModelDeployment."""
    from_: Annotated[RevisionReference, FROZEN] | None = Field(default=None, alias="from")
    """The stable revision when the rollout started; absent for the very first revision."""
    to: Annotated[RevisionReference, FROZEN]
    """The revision that is tried."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000), FROZEN] = 1
    """Counts the retries of one pair of revision and policy, from 1."""
    policy: Annotated[Digest, FROZEN]
    """Digest of strategy, analysis and guard."""
    strategy: Annotated[Strategy, FROZEN]
    """How the revision is replaced."""
    analysis: Annotated[Analysis, FROZEN]
    """What is watched."""
    guard: Annotated[Guard, FROZEN]
    """How long the previous revision is kept warm after 100 percent."""
    progress_deadline_seconds: Annotated[DeadlineSeconds, FROZEN]
    """How long the canary may wait for its pods before one weight."""
    rollback: Annotated[bool, FROZEN] | None = None
    """Back to a revision that succeeded before and is within rollbackWindow: all traffic in one guarded step."""
    paused: bool | None = None
    """Lever: hold the weight where it is. An Unsafe verdict still takes it away."""
    abort: bool | None = None
    """Lever: take the canary's weight away and end the rollout."""
    promote: Promote | None = None
    """Lever: skip pauses, or go to 100 percent."""
    retry: Lever | None = None
    """Lever: any new text on an ended Rollout whose revision is still wanted starts another attempt."""


class Levers(Model):
    """The levers as last acted on."""

    paused: bool | None = None
    """As spec.paused."""
    abort: bool | None = None
    """As spec.abort."""
    promote: Promote | None = None
    """As spec.promote."""
    retry: Lever | None = None
    """As spec.retry."""


class DecisionRecord(Model):
    """One verdict that raised, held or took the weight; repeated ones are counted, not repeated."""

    action: Word
    """Raised, Held or Taken."""
    weight: Percent
    """The canary's weight after it, in percent."""
    verdict: Verdict | None = None
    """What the assessment said."""
    reason: Word
    """Why, in one word."""
    message: Text | None = None
    """Why, for people."""
    metric: Short | None = None
    """The metric that decided."""
    value: Short | None = None
    """The canary's value."""
    limit: Short | None = None
    """The bound that it was held against."""
    baseline: Short | None = None
    """Stable's value at the same time."""
    samples: Annotated[int, Field(ge=0)] | None = None
    """How many requests or readings the value rests on."""
    query: QueryText | None = None
    """The PromQL that was asked."""
    first_time: Timestamp
    """When this was first decided."""
    last_time: Timestamp
    """When this was last decided."""
    count: Annotated[int, Field(ge=1)] = 1
    """How often this was decided."""


class AnalysisCheckpoint(Model):
    """What a restarted operator needs to go on judging where it stopped."""

    failures: Annotated[dict[str, Count], Field(max_length=20)] | None = None
    """Consecutive failing looks, by metric."""
    excused: Annotated[dict[str, Timestamp], Field(max_length=20)] | None = None
    """Until when a metric's limit condemns nobody, because stable was over it too."""
    last_look: Timestamp | None = None
    """When the metrics were last looked at."""
    blind_since: Timestamp | None = None
    """Since when nothing has been seen."""
    evidence: Json | None = None
    """Evidence of the sequential test: JSON with a schema version, deflated, in base64."""


class MetricComparison(Model):
    """What the sequential test knows of one metric, over the whole rollout."""

    metric: Short
    """The metric; its 4xx, where they are compared apart, are name/4xx."""
    status: Short
    """Measuring, Suspicious, Worse, or why nothing can be said."""
    requests_canary: float
    """Requests of the canary that were compared."""
    requests_stable: float
    """Requests of stable that were compared."""
    events: float
    """Errors, or slow answers, of both."""
    rate_canary: float | None = None
    """The canary's rate (a ratio), quantile (seconds) or value."""
    rate_stable: float | None = None
    """Stable's rate (a ratio), quantile (seconds) or value."""
    estimate: float | None = None
    """The ratio of both; a divergence for a Distribution, a difference for a Scalar."""
    lower: float | None = None
    """Lower bound of the estimate."""
    upper: float | None = None
    """Upper bound of the estimate."""
    e_value: float
    """Evidence that the canary is worse: 1 in so many by chance."""


class Outlook(Model):
    """What the sequential test knows, and what is missing to decide."""

    evidence: float
    """Evidence over all metrics: 1 in so many by chance; 1 / falseRevertRate reverts."""
    requests_needed: float | None = None
    """Further requests of the canary until the risk budget allows the next weight."""
    eta_seconds: float | None = None
    """The time that they take at the present rate."""
    suggested_weight: float | None = None
    """A weight, in percent, that would decide sooner."""
    text: Short | None = None
    """What is missing, for people: 1200 requests, 4 min."""
    comparisons: Annotated[tuple[MetricComparison, ...], Field(max_length=40), ATOMIC] = ()
    """Metric by metric."""


class PodCounts(Model):
    """The numbers of pods that the rollout goes by."""

    carried: Count = 0
    """Pods that carried stable's traffic: minReplicas when the rollout began, or the most that were ready since."""
    full: Count = 0
    """Pods of the canary that 100 percent takes, fixed when the stage began."""
    min_replicas: Count = 0
    """spec.scaling.minReplicas when the stage began."""
    load_seconds: Annotated[float, Field(ge=0)] = 0
    """The longest time that the canary's pods have taken to become ready."""


class RolloutStatus(Model):
    """The whole record of the decision. The split lives here alone while the rollout is active."""

    observed_generation: Count = 0
    """The generation of spec that this is about."""
    phase: Phase = Phase.PENDING
    """Where the rollout stands."""
    step: Annotated[int, Field(ge=0, le=51)] = 0
    """Index of the current step, from 0; the number of steps is 100 percent."""
    step_text: Short | None = None
    """The step for people: 2/6."""
    weight: Percent = 0
    """The canary's share of requests, in percent; the route is derived from it."""
    started_at: Timestamp | None = None
    """When the rollout started."""
    step_started_at: Timestamp | None = None
    """When the current step started."""
    stage_started_at: Timestamp | None = None
    """When the weight last rose."""
    guard_started_at: Timestamp | None = None
    """When the weight reached 100 percent."""
    finished_at: Timestamp | None = None
    """When the rollout ended."""
    weight_changed_at: Timestamp | None = None
    """When the weight last changed."""
    settled_at: Timestamp | None = None
    """When an ended rollout's weight reached its end."""
    waiting_since: Timestamp | None = None
    """Since when the canary waits for pods."""
    waited_seconds: Annotated[float, Field(ge=0)] = 0
    """Earlier waits for pods, for progressDeadlineSeconds."""
    stable_down_since: Timestamp | None = None
    """Since when stable has wanted pods and had none ready."""
    stable_woken_at: Timestamp | None = None
    """When a stable at zero pods was woken to one."""
    safe_at: Timestamp | None = None
    """When it was first Safe at 100 percent."""
    asked_at: Timestamp | None = None
    """When a request was first seen at 100 percent."""
    pods: PodCounts | None = None
    """The numbers of pods that the rollout goes by."""
    verdict: Verdict | None = None
    """What the last assessment said; after a rise the one that allowed it, until the next look."""
    reason: Word | None = None
    """Why, in one word."""
    message: Text | None = None
    """Why, for people: metric, value, limit, baseline and number of samples."""
    acknowledged: Levers | None = None
    """The levers as last acted on."""
    decisions: Annotated[tuple[DecisionRecord, ...], Field(max_length=100), ATOMIC] = ()
    """What was decided and why, oldest first; the newest are kept, and always the one that reverted."""
    outlook: Outlook | None = None
    """What the sequential test knows, and what is missing to decide."""
    analysis: AnalysisCheckpoint | None = None
    """What a restarted operator needs to go on judging where it stopped."""
    conditions: Conditions = ()
    """Conditions of the rollout."""
