"""The decision record: why each verdict raised, held or took the weight; bounded, newest kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serinus.api.policy import Metric
from serinus.api.rollout import DecisionRecord
from serinus.api.status import Verdict
from serinus.core.analysis.words import shown_number
from serinus.core.model.assessment import Finding
from serinus.core.model.rollout import LONGEST_TEXT, RolloutPlan, RolloutState, shortened
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.model.values import revised

Action = Literal["Raised", "Scaled", "Decided", "Held", "Taken"]
LIMIT = 20
LONGEST_QUERY = 2048
EARLIER_MESSAGE, EARLIER_QUERY = 160, 120
"""Bytes of a record's texts, and of those that are neither the newest nor the one that reverted: twenty whole queries
of users would be more than a status holds. The spec has them in full."""
NO_BASELINE = "none"


@dataclass(frozen=True)
class Cause:
    """Why the weight is what it is."""

    reason: str
    message: str
    verdict: Verdict | None = None
    finding: Finding | None = None


def recorded(plan: RolloutPlan, state: RolloutState, action: Action, cause: Cause, now: float) -> RolloutState:
    """Add a decision to the record, or count it again if it is the same as the last one.

    What is held for another reason than a look is one decision, however many passes see it.
    """
    record = _record(plan, state, action, cause, now)
    *earlier, last = state.decisions or (None,)
    if last is not None and _same(last, record):
        if last.last_time == record.last_time:
            return state
        count = last.count + (1 if cause.finding is not None or action != "Held" else 0)
        again = record.model_copy(update={"first_time": last.first_time, "count": count})
        return revised(state, decisions=_bounded((*filter(None, earlier), again)))
    return revised(state, decisions=_bounded((*state.decisions, record)))


def _record(plan: RolloutPlan, state: RolloutState, action: Action, cause: Cause, now: float) -> DecisionRecord:
    finding = cause.finding
    return DecisionRecord(
        action=action,
        weight=state.exposure.weight,
        exposure=None if state.exposure.by_weight_alone else state.exposure.text,
        verdict=cause.verdict,
        reason=cause.reason,
        message=shortened(cause.message, LONGEST_TEXT),
        metric=(finding.metric or None) if finding else None,
        value=_shown(plan, finding, finding.value) if finding else None,
        limit=finding.limit if finding else None,
        baseline=_baseline(plan, finding) if finding else None,
        samples=round(finding.samples) if finding and finding.samples is not None else None,
        query=shortened(finding.query, LONGEST_QUERY) if finding and finding.query else None,
        first_time=to_rfc3339(now),
        last_time=to_rfc3339(now),
    )


def _shown(plan: RolloutPlan, finding: Finding, value: float | None) -> str | None:
    if value is None:
        return None
    metric: Metric | None = next((one for one in plan.policy.analysis.metrics if one.name == finding.metric), None)
    return shown_number(metric, value)


def _baseline(plan: RolloutPlan, finding: Finding) -> str | None:
    """Write what stable had; a value without anything to compare it with says so."""
    if finding.value is not None and finding.baseline is None:
        return NO_BASELINE
    return _shown(plan, finding, finding.baseline)


def _same(one: DecisionRecord, other: DecisionRecord) -> bool:
    if one.action in {"Raised", "Scaled", "Decided"} and one.message != other.message:
        return False
    return (one.action, one.weight, one.exposure, one.verdict, one.reason, one.metric) == (
        other.action,
        other.weight,
        other.exposure,
        other.verdict,
        other.reason,
        other.metric,
    )


def _bounded(records: tuple[DecisionRecord, ...]) -> tuple[DecisionRecord, ...]:
    """Keep the newest, and always the first that took the weight: it is the one that reverted."""
    taken = next((record for record in records if record.action == "Taken"), None)
    newest = records[-LIMIT:]
    kept = newest if taken is None or taken in newest else (taken, *newest[1:])
    return tuple(one if one is taken or one is kept[-1] else _abridged(one) for one in kept)


def _abridged(record: DecisionRecord) -> DecisionRecord:
    """Keep a record's facts, and the beginning of its texts."""
    message = shortened(record.message or "", EARLIER_MESSAGE) or None
    query = shortened(record.query or "", EARLIER_QUERY) or None
    if (message, query) == (record.message, record.query):
        return record
    return record.model_copy(update={"message": message, "query": query})
