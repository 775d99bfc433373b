"""Rollout: one transition from one revision to another, its frozen plan, the SRE's levers, the record of decisions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.ab_test_rules import GOALS_ARE_MEASURED
from serinus.api.base import ApiModel
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
from serinus.api.group import GroupMembership
from serinus.api.header_route import RequestMatch
from serinus.api.policy import Analysis, Guard, Strategy
from serinus.api.rules import ATOMIC, FROZEN, FROZEN_MESSAGE, rule, ruled
from serinus.api.status import Conditions, Phase, Verdict


class RevisionReference(ApiModel):
    """A revision: the name of its ControllerRevision, and its version."""

    revision: Label
    """The name of its ControllerRevision, Deployment and Service."""
    version: Text
    """The model's version."""


class Promote(ApiModel):
    """How far an SRE promotes: up to a step, or straight to 100 percent."""

    model_config = ruled(
        rule(
            "has(self.throughStep) != has(self.full)",
            "set one of throughStep and full; to take a promotion back remove promote",
        )
    )

    through_step: Annotated[int, Field(ge=1, le=50)] | None = None
    """Skip the pauses up to this step, counted from 1 as in the STEP column. Undecided and Blind still hold."""
    full: bool | None = None
    """Go to 100 percent now, even if Undecided or Blind; never if Unsafe."""


class RolloutSpec(ApiModel):
    """The frozen plan, and four levers (levels, not edges) for the SRE."""

    model_config = ruled(
        rule(
            "has(self.from) == has(oldSelf.from)",
            FROZEN_MESSAGE,
            path=".from",
        ),
        rule(
            "has(self.group) == has(oldSelf.group)",
            FROZEN_MESSAGE,
            path=".group",
        ),
        *GOALS_ARE_MEASURED,
    )

    model_deployment: Annotated[Label, FROZEN]
    """The ModelDeployment."""
    from_: Annotated[RevisionReference, FROZEN] | None = Field(default=None, alias="from")
    """The stable revision when the rollout started; absent for the first revision."""
    to: Annotated[RevisionReference, FROZEN]
    """The revision being rolled out."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000), FROZEN] = 1
    """Attempt at this pair of revision and policy, counted from 1."""
    policy: Annotated[Digest, FROZEN]
    """Digest of strategy, analysis and guard."""
    strategy: Annotated[Strategy, FROZEN]
    """How the revision is replaced."""
    analysis: Annotated[Analysis, FROZEN]
    """What is watched."""
    guard: Annotated[Guard, FROZEN]
    """How long the previous revision is kept warm after 100 percent."""
    progress_deadline_seconds: Annotated[DeadlineSeconds, FROZEN]
    """How long the canary may wait for its pods before one weight or scale."""
    rollback: Annotated[bool, FROZEN] | None = None
    """Whether this returns to a revision within rollbackWindow: all traffic in one guarded step."""
    group: Annotated[GroupMembership, FROZEN] | None = None
    """The group whose members this rollout moves with, and the release; absent outside of groups and for the first
    revision."""
    paused: bool | None = None
    """Lever: hold the weight where it is. An Unsafe verdict still takes it away."""
    abort: bool | None = None
    """Lever: take the canary's weight away and end the rollout."""
    promote: Promote | None = None
    """Lever: skip pauses, or go to 100 percent."""
    retry: Lever | None = None
    """Lever: any new text on an ended Rollout whose revision is still wanted starts another attempt."""


class Levers(ApiModel):
    """The levers as last acted on."""

    paused: bool | None = None
    """As spec.paused."""
    abort: bool | None = None
    """As spec.abort."""
    promote: Promote | None = None
    """As spec.promote."""
    retry: Lever | None = None
    """As spec.retry."""


class DecisionRecord(ApiModel):
    """One verdict that raised, held or took the weight, or a scale that was reached; repeated ones are counted."""

    action: Word
    """Raised, Held or Taken; Scaled when a setCanaryScale step is done, Decided when an awaitGoal step is."""
    weight: Percent
    """The canary's weight after it, in percent."""
    exposure: Short | None = None
    """What the canary was shown after it, where that was more than a weight."""
    verdict: Verdict | None = None
    """The verdict."""
    reason: Word
    """Why, in one word."""
    message: Text | None = None
    """Why, in words; the beginning in earlier records."""
    metric: Short | None = None
    """The metric that decided."""
    value: Short | None = None
    """The canary's value."""
    limit: Short | None = None
    """The limit it was compared with."""
    baseline: Short | None = None
    """Stable's value at the same time."""
    samples: Annotated[int, Field(ge=0)] | None = None
    """Number of requests or data points behind the value."""
    query: QueryText | None = None
    """The PromQL query; its beginning in earlier records and where it is long: the spec has it in full."""
    first_time: Timestamp
    """When this was first decided."""
    last_time: Timestamp
    """When this was last decided."""
    count: Annotated[int, Field(ge=1)] = 1
    """How often this was decided."""


class AnalysisCheckpoint(ApiModel):
    """What a restarted operator needs to continue judging where it stopped."""

    failures: Annotated[dict[str, Count], Field(max_length=20)] | None = None
    """Consecutive failing evaluations, by metric."""
    excused: Annotated[dict[str, Timestamp], Field(max_length=20)] | None = None
    """Until when a metric's limit does not revert, because stable exceeded it too."""
    exceeded: Annotated[dict[str, Timestamp], Field(max_length=20)] | None = None
    """Since when a metric has been over its limit at 100 %, where stable's history says how long to wait."""
    last_look: Timestamp | None = None
    """When the metrics were last evaluated."""
    blind_since: Timestamp | None = None
    """Since when metrics have been missing."""
    evidence: Json | None = None
    """Evidence of the sequential test: JSON with a schema version, deflated, in base64."""
    goal: Json | None = None
    """What the test of a goal has counted: JSON with a schema version, deflated, in base64."""


class MetricComparison(ApiModel):
    """What the sequential test knows of one metric, over the whole rollout."""

    metric: Short
    """The metric; 4xx answers that are compared separately are name/4xx."""
    status: Short
    """Measuring, Suspicious, Worse, or why there is no result."""
    requests_canary: float
    """Canary requests compared."""
    requests_stable: float
    """Stable requests compared."""
    events: float
    """Errors or slow answers on both sides."""
    rate_canary: float | None = None
    """The canary's rate (a ratio), quantile (seconds) or value."""
    rate_stable: float | None = None
    """Stable's rate (a ratio), quantile (seconds) or value."""
    estimate: float | None = None
    """Ratio of canary to stable; for a Distribution the divergence, for a Scalar the difference."""
    lower: float | None = None
    """Lower bound of the estimate."""
    upper: float | None = None
    """Upper bound of the estimate."""
    e_value: float
    """Evidence that the canary is worse: N means 1-in-N odds if both versions were equal."""


class Outlook(ApiModel):
    """What the sequential test knows, and what it still needs."""

    evidence: float
    """Evidence over all metrics: N means 1-in-N odds if both versions were equal; 1 / falseRevertRate reverts."""
    requests_needed: float | None = None
    """Canary requests still needed until riskBudget allows the next weight; only pace Evidence waits for them."""
    eta_seconds: float | None = None
    """How long they will take at the current rate."""
    suggested_weight: float | None = None
    """A weight, in percent, at which the test would decide sooner."""
    text: Short | None = None
    """What is still needed, in words: 1200 requests, 4 min. Absent with pace Timed."""
    calibration: Text | None = None
    """Which history of stable the test has learnt its noise from, or why none."""
    comparisons: Annotated[tuple[MetricComparison, ...], Field(max_length=40), ATOMIC] = ()
    """One comparison per metric."""


class GoalStanding(ApiModel):
    """Where the test of an awaitGoal step stands."""

    metric: Label
    """The goal's metric."""
    outcome: Word | None = None
    """CanaryWon, StableWon or NoDifference; absent while it is undecided."""
    effect: float | None = None
    """The canary's rate relative to stable's, less 1: 0.08 is 8% more."""
    lower: float | None = None
    """Lower end of its band; absent where nothing bounds it."""
    upper: float | None = None
    """Upper end of its band; absent where nothing bounds it."""
    odds: float = 1
    """Evidence that the canary is better: N means 1-in-N odds if it were not."""
    odds_against: float = 1
    """Evidence that the canary is worse: N means 1-in-N odds if it were not."""
    trials_canary: float = 0
    """The canary's users or sessions."""
    events_canary: float = 0
    """Those of them that succeeded."""
    trials_stable: float = 0
    """Stable's users or sessions."""
    events_stable: float = 0
    """Those of them that succeeded."""
    since: Timestamp
    """When counting began."""
    trials_needed: float | None = None
    """Users or sessions of both still missing to tell a change of minimumEffect; an estimate."""
    eta_seconds: float | None = None
    """How long they take at the pace so far."""
    text: Text
    """All of it in words."""


class PodCounts(ApiModel):
    """Pod counts that the rollout is based on."""

    carried: Count = 0
    """Pods that carried stable's traffic: minReplicas when the rollout began, or the most ready since."""
    full: Count = 0
    """Canary pods needed at 100 percent, fixed when the stage began."""
    min_replicas: Count = 0
    """spec.scaling.minReplicas when the stage began."""
    load_seconds: Annotated[float, Field(ge=0)] = 0
    """The longest time that a canary pod took to become ready."""


class RolloutStatus(ApiModel):
    """The complete record of the decision. While the rollout is active, only this holds the split."""

    observed_generation: Count = 0
    """The generation of spec that this status describes."""
    phase: Phase = Phase.PENDING
    """The rollout's phase."""
    step: Annotated[int, Field(ge=0, le=51)] = 0
    """Index of the current step, from 0; equal to the number of steps at 100 percent."""
    step_text: Short | None = None
    """The step as shown: 2/6."""
    weight: Percent = 0
    """The canary's share of requests, in percent; the route is derived from it."""
    mirror: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of stable's requests of which the canary gets a copy."""
    matches: Annotated[tuple[RequestMatch, ...], Field(max_length=16), ATOMIC] | None = None
    """The requests that go to the canary whatever its weight."""
    exposure: Text | None = None
    """What the canary is shown, in words: its weight, and the cohort."""
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
    """When an ended rollout's weight reached its final value."""
    waiting_since: Timestamp | None = None
    """Since when the canary has been waiting for pods."""
    waited_seconds: Annotated[float, Field(ge=0)] = 0
    """Earlier waits for pods, which count towards progressDeadlineSeconds."""
    comebacks: Count | None = None
    """How often the canary has got weight again after it had lost its pods."""
    counts_from: Timestamp | None = None
    """When it came back: what it answered before does not count in this stage."""
    stable_down_since: Timestamp | None = None
    """Since when stable has had no ready pod, although it should have some."""
    stable_woken_at: Timestamp | None = None
    """When stable was scaled up from zero to one pod."""
    safe_at: Timestamp | None = None
    """When the verdict was first Safe at 100 percent."""
    asked_at: Timestamp | None = None
    """When a request was first seen at 100 percent."""
    ready_for: Annotated[int, Field(ge=0, le=52)] | None = None
    """In a group: the step, from 0, that everything of this member's own allows now; it is taken once every other
    member is as far. One more than the number of steps is the end of the guard."""
    walked_with: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=64), ATOMIC] | None = None
    """In a group: the Rollouts of other members that were seen under way beside this one; their ends are its own."""
    pods: PodCounts | None = None
    """Pod counts that the rollout is based on."""
    verdict: Verdict | None = None
    """The latest verdict; after a raise, the one that allowed it, until the next evaluation."""
    reason: Word | None = None
    """Why, in one word."""
    message: Text | None = None
    """Why: metric, value, limit, baseline and number of samples."""
    assessed_at: Timestamp | None = None
    """When the metrics behind verdict, message and outlook were evaluated; refreshed every 10 s during the rollout."""
    acknowledged: Levers | None = None
    """The levers as last acted on."""
    decisions: Annotated[tuple[DecisionRecord, ...], Field(max_length=100), ATOMIC] = ()
    """What was decided and why, oldest first; the newest are kept, and always the revert."""
    outlook: Outlook | None = None
    """What the sequential test knows, and what it still needs."""
    goal: GoalStanding | None = None
    """Where the test of the goal stands, or stood when it was decided."""
    analysis: AnalysisCheckpoint | None = None
    """What a restarted operator needs to continue judging where it stopped."""
    conditions: Conditions = ()
    """Conditions of the rollout."""
