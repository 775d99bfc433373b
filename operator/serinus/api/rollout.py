"""Rollout: one transition from one revision to another, its frozen plan, the SRE's levers, the record of decisions."""

from __future__ import annotations

from pydantic import Field

from serinus.api.base import Model
from serinus.api.policy import Analysis, Guard, Strategy
from serinus.api.status import Condition, Phase, Verdict


class RevisionReference(Model):
    """A revision: the name of its ControllerRevision, and the version as people call it."""

    revision: str
    version: str


class Promote(Model):
    """How far an SRE promotes: pauses are skipped up to a step, or the whole walk is cut short."""

    through_step: int | None = None
    full: bool | None = None


class RolloutSpec(Model):
    """The frozen plan, and four levers (levels, not edges) for the SRE."""

    model_deployment: str
    from_: RevisionReference | None = Field(default=None, alias="from")
    to: RevisionReference
    attempt: int = 1
    policy: str = Field(description="Digest of strategy, analysis and guard.")
    strategy: Strategy
    analysis: Analysis
    guard: Guard
    progress_deadline_seconds: int
    paused: bool | None = None
    abort: bool | None = None
    promote: Promote | None = None
    retry: str | None = None


class Levers(Model):
    """The levers as last acted on."""

    paused: bool | None = None
    abort: bool | None = None
    promote: Promote | None = None
    retry: str | None = None


class DecisionRecord(Model):
    """One verdict that raised, held or took the weight; repeated ones are counted, not repeated."""

    action: str = Field(description="Raised, Held or Taken.")
    weight: int = Field(description="The canary's weight after it, in percent.")
    verdict: Verdict | None = None
    reason: str
    message: str | None = None
    metric: str | None = None
    value: str | None = None
    limit: str | None = None
    baseline: str | None = None
    samples: int | None = None
    query: str | None = None
    first_time: str
    last_time: str
    count: int = 1


class AnalysisCheckpoint(Model):
    """What a restarted operator needs to go on judging where it stopped."""

    failures: dict[str, int] | None = None
    last_look: str | None = None
    blind_since: str | None = None
    evidence: str | None = Field(default=None, description="JSON of the policy's own, with a schema version.")


class RolloutStatus(Model):
    """The whole record of the decision. The split lives here alone while the rollout is active."""

    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    step: int = Field(default=0, description="Index of the current step, from 0; len(steps) is 100 %.")
    step_text: str | None = Field(default=None, description="For people: 2/6.")
    weight: int = 0
    started_at: str | None = None
    step_started_at: str | None = None
    stage_started_at: str | None = Field(default=None, description="When the weight last rose.")
    guard_started_at: str | None = None
    finished_at: str | None = None
    weight_changed_at: str | None = None
    settled_at: str | None = Field(default=None, description="When an ended rollout's weight reached its end.")
    waiting_since: str | None = Field(default=None, description="Since when the canary waits for pods.")
    waited_seconds: float = Field(default=0, description="Earlier waits for pods, for progressDeadlineSeconds.")
    verdict: Verdict | None = None
    reason: str | None = None
    message: str | None = None
    acknowledged: Levers | None = None
    decisions: tuple[DecisionRecord, ...] = ()
    analysis: AnalysisCheckpoint | None = None
    conditions: tuple[Condition, ...] = ()
