"""A rollout as decisions see it: the frozen plan, the levers, and the state that its status stores."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import accumulate, takewhile
from typing import Any

from serinus.api.canary import Pace, Step
from serinus.api.defaults import Policy, frozen_policy
from serinus.api.parsing import RolloutView
from serinus.api.rollout import (
    AnalysisCheckpoint,
    DecisionRecord,
    GoalStanding,
    Levers,
    Outlook,
    PodCounts,
    Promote,
    RolloutSpec,
    RolloutStatus,
)
from serinus.api.status import Condition, Phase, Verdict
from serinus.core.model.assessment import AnalysisState, Assessment, Gathered, StoredEvidence
from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.matches import read_match, write_match
from serinus.core.model.timestamps import from_rfc3339, restored, stored, to_rfc3339

LONGEST_STATUS = 65_536
"""Bytes of a status as JSON."""
ALWAYS_FITS, LONGEST_EVIDENCE = 17_408, 54_272
"""Characters of evidence for which there is room beside the longest of everything else, and beside the shortest.

Evidence that does not fit begins anew after a restart."""
LONGEST_TEXT = 1024
"""Bytes of one sentence, however it is written."""


@dataclass(frozen=True)
class RolloutState:
    """The whole record of one rollout; times in unix seconds."""

    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    step: int = 0
    exposure: Exposure = NOTHING
    started_at: float | None = None
    step_started_at: float | None = None
    stage_started_at: float | None = None
    guard_started_at: float | None = None
    finished_at: float | None = None
    weight_changed_at: float | None = None
    settled_at: float | None = None
    waiting_since: float | None = None
    waited_seconds: float = 0.0
    comebacks: int = 0
    counts_from: float | None = None
    stable_down_since: float | None = None
    stable_woken_at: float | None = None
    safe_at: float | None = None
    asked_at: float | None = None
    ready_for: int | None = None
    walked_with: tuple[str, ...] = ()
    pods: PodCounts = field(default_factory=PodCounts)
    verdict: Verdict | None = None
    reason: str | None = None
    message: str | None = None
    acknowledged: Levers = field(default_factory=Levers)
    decisions: tuple[DecisionRecord, ...] = ()
    analysis: AnalysisState = field(default_factory=AnalysisState)
    conditions: tuple[Condition, ...] = ()
    assessed_at: float | None = None
    outlook: Outlook | None = field(default=None, compare=False)
    goal: GoalStanding | None = field(default=None, compare=False)
    assessment: Assessment | None = field(default=None, compare=False)
    """The last one, in memory only: after a restart the next look brings it."""

    @property
    def active(self) -> bool:
        """Whether it still decides the split: it has not ended, or its weight is still on its way."""
        return self.settled_at is None


@dataclass(frozen=True)
class RolloutPlan:
    """What the rollout froze when it started, and the levers as they stand now."""

    name: str
    uid: str
    created_at: float
    generation: int
    resource_version: str
    spec: RolloutSpec
    policy: Policy
    in_step: bool = False
    """Whether it takes its steps one by one with another member of its group, whatever speaks for going straight."""

    @property
    def stable(self) -> str | None:
        """The revision it comes from; None for the very first one."""
        return self.spec.from_.revision if self.spec.from_ else None

    @property
    def canary(self) -> str:
        """The revision it goes to."""
        return self.spec.to.revision

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.policy.strategy.canary.steps

    @property
    def pace(self) -> Pace:
        """What the weight waits for."""
        return self.policy.strategy.canary.pace or Pace.TIMED

    @property
    def goal(self) -> str | None:
        """The metric that a goal's own test compares, if there is a goal."""
        wish = self.policy.strategy.goal
        return wish.goal.metric if wish else None

    @property
    def promote(self) -> Promote:
        return self.spec.promote or Promote()

    @property
    def levers(self) -> Levers:
        spec = self.spec
        return Levers(paused=spec.paused, abort=spec.abort, promote=spec.promote, retry=spec.retry)

    @property
    def free(self) -> bool:
        """Whether nothing has to be waited for: the very first revision, a way back, or `promote: {full: true}`."""
        return self.stable is None or bool(self.promote.full or self.spec.rollback)

    @property
    def straight(self) -> bool:
        """Whether the steps are passed over."""
        return self.free and not self.in_step

    def skips(self, step: int) -> bool:
        """Whether an SRE has promoted past a step, counted from 0; for people they count from 1."""
        return self.free or step + 1 <= (self.promote.through_step or 0)


def read_plan(view: RolloutView) -> RolloutPlan:
    """Read a Rollout's plan and levers."""
    return RolloutPlan(
        name=view.name,
        uid=view.uid,
        created_at=view.created_at,
        generation=view.generation,
        resource_version=view.resource_version,
        spec=view.spec,
        policy=frozen_policy(view.spec),
    )


_TIMES = (
    "started_at",
    "step_started_at",
    "stage_started_at",
    "guard_started_at",
    "finished_at",
    "weight_changed_at",
    "settled_at",
    "waiting_since",
    "counts_from",
    "stable_down_since",
    "stable_woken_at",
    "safe_at",
    "asked_at",
    "assessed_at",
)


def from_status(status: RolloutStatus) -> RolloutState:
    """Read the state that a status stores."""
    checkpoint = status.analysis or AnalysisCheckpoint()
    return RolloutState(
        observed_generation=status.observed_generation,
        phase=status.phase,
        step=status.step,
        exposure=exposure_of(status),
        waited_seconds=status.waited_seconds,
        comebacks=status.comebacks or 0,
        ready_for=status.ready_for,
        walked_with=status.walked_with or (),
        pods=status.pods or PodCounts(),
        verdict=status.verdict,
        reason=status.reason,
        message=status.message,
        acknowledged=status.acknowledged or Levers(),
        decisions=status.decisions,
        outlook=status.outlook,
        goal=status.goal,
        analysis=AnalysisState(
            failures=dict(checkpoint.failures or {}),
            excused={name: from_rfc3339(until) for name, until in (checkpoint.excused or {}).items()},
            last_look=restored(checkpoint.last_look),
            blind_since=restored(checkpoint.blind_since),
            gathered=StoredEvidence(checkpoint.evidence) if checkpoint.evidence else None,
            goal=StoredEvidence(checkpoint.goal) if checkpoint.goal else None,
            exceeded={name: from_rfc3339(since) for name, since in (checkpoint.exceeded or {}).items()},
        ),
        conditions=status.conditions,
        assessment=None,
        **{name: restored(getattr(status, name)) for name in _TIMES},
    )


def exposure_of(status: RolloutStatus) -> Exposure:
    """Read what the canary is shown."""
    return Exposure(status.weight, tuple(read_match(one) for one in status.matches or ()), status.mirror or 0)


def not_after(state: RolloutState, now: float) -> RolloutState:
    """Take times of the future for now: whoever wrote them had a clock that was ahead of ours.

    What they time begins anew then; left as they are, they would count backwards until our clock has come so far.
    """
    known = state.analysis
    ahead: dict[str, Any] = {name: now for name in _TIMES if (getattr(state, name) or 0.0) > now}
    looked: dict[str, Any] = {name: now for name in ("last_look", "blind_since") if (getattr(known, name) or 0.0) > now}
    if not ahead and not looked:
        return state
    return replace(state, analysis=replace(known, **looked), **ahead)


def shortened(text: str, most: int) -> str:
    """Cut a text to so many bytes of JSON; one that goes on ends in an ellipsis."""
    if len(text) * _MOST_BYTES <= most or _json_bytes(text) <= most:
        return text
    room = most - _json_bytes("…")
    ends = accumulate(_json_bytes(char) for char in text)
    return f"{text[: sum(1 for _ in takewhile(lambda end: end <= room, ends))].rstrip()}…"


_MOST_BYTES = 6
"""A control character is written as \\u0001."""


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2


def _with_evidence(status: RolloutStatus, gathered: Gathered | None) -> RolloutStatus:
    """Write evidence down if it fits: a status that the API server refuses would hold up a revert."""
    text = gathered.stored() if gathered else None
    if text is None or len(text) > LONGEST_EVIDENCE:
        return status
    room = LONGEST_STATUS - len(f',"analysis":{{"evidence":"{text}"}}')
    if len(text) > ALWAYS_FITS and len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) > room:
        return status
    checkpoint = status.analysis or AnalysisCheckpoint()
    return status.model_copy(update={"analysis": checkpoint.model_copy(update={"evidence": text})})


def to_status(state: RolloutState, plan: RolloutPlan) -> RolloutStatus:
    """Write the state as a status stores it."""
    known = state.analysis
    checkpoint = AnalysisCheckpoint(
        failures=dict(known.failures) or None,
        excused={name: to_rfc3339(until) for name, until in known.excused.items()} or None,
        exceeded={name: to_rfc3339(since) for name, since in known.exceeded.items()} or None,
        last_look=stored(known.last_look),
        blind_since=stored(known.blind_since),
        goal=known.goal.stored() if known.goal else None,
    )
    status = _written(state, plan, checkpoint if checkpoint != AnalysisCheckpoint() else None)
    return _with_evidence(status, known.gathered)


def refreshed(before: RolloutStatus, state: RolloutState, plan: RolloutPlan) -> RolloutStatus:
    """Write the state with the checkpoint that is stored already: what people read, and nothing costly."""
    return _written(state, plan, before.analysis)


def _written(state: RolloutState, plan: RolloutPlan, checkpoint: AnalysisCheckpoint | None) -> RolloutStatus:
    return RolloutStatus(
        observed_generation=state.observed_generation,
        phase=state.phase,
        step=state.step,
        step_text="1/1" if plan.spec.rollback else f"{min(state.step + 1, len(plan.steps))}/{len(plan.steps)}",
        weight=state.exposure.weight,
        mirror=state.exposure.mirror or None,
        matches=tuple(write_match(one) for one in state.exposure.matches) or None,
        exposure=shortened(state.exposure.text, LONGEST_TEXT),
        waited_seconds=state.waited_seconds,
        comebacks=state.comebacks or None,
        ready_for=state.ready_for,
        walked_with=state.walked_with or None,
        pods=state.pods if state.pods != PodCounts() else None,
        verdict=state.verdict,
        reason=state.reason,
        message=None if state.message is None else shortened(state.message, LONGEST_TEXT),
        acknowledged=state.acknowledged if state.acknowledged != Levers() else None,
        decisions=state.decisions,
        outlook=state.outlook,
        goal=state.goal,
        analysis=checkpoint,
        conditions=state.conditions,
        **{name: stored(getattr(state, name)) for name in _TIMES},
    )
