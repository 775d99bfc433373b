"""What was seen of a rollout, and what it means: readings, looks, findings, assessments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serinus.api.status import Verdict


class Reason(StrEnum):
    """Why an assessment says what it says; a closed list, documented in docs/conditions.md."""

    WITHIN_LIMITS = "WithinLimits"
    LIMIT_EXCEEDED = "LimitExceeded"
    SUSPICIOUS = "Suspicious"
    INSUFFICIENT_DATA = "InsufficientData"
    NO_TRAFFIC = "NoTraffic"
    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    STALE = "Stale"
    TARGETS_ABSENT = "TargetsAbsent"
    NOT_A_NUMBER = "NotANumber"
    SEVERAL_SERIES = "SeveralSeries"
    LOOK_OVERDUE = "LookOverdue"


@dataclass(frozen=True)
class Measured:
    """A number, the requests it rests on (None where the query does not say), and the time of its newest sample."""

    value: float
    samples: float | None
    newest: float


@dataclass(frozen=True)
class Missing:
    """No number: `verdict` says whether we are Blind or Undecided; it is never a pass and never a failure."""

    verdict: Verdict
    reason: Reason
    message: str
    samples: float | None = None


Reading = Measured | Missing


@dataclass(frozen=True)
class Observation:
    """One metric of both revisions; `stable` is None where it has no baseline."""

    canary: Reading
    stable: Reading | None
    query: str


@dataclass(frozen=True)
class Look:
    """All metrics of one rollout at one time."""

    at: float
    observations: Mapping[str, Observation]


@dataclass(frozen=True)
class Finding:
    """What one metric says; numbers in base units (a ratio, seconds, or a plain number)."""

    metric: str
    verdict: Verdict
    reason: Reason
    message: str
    query: str
    value: float | None = None
    limit: str | None = None
    baseline: float | None = None
    samples: float | None = None


@dataclass(frozen=True)
class Assessment:
    """One of four verdicts over all metrics, and the finding that decided."""

    at: float
    verdict: Verdict
    reason: Reason
    finding: Finding | None
    findings: tuple[Finding, ...] = ()

    @property
    def message(self) -> str:
        """One sentence for status and events."""
        return self.finding.message if self.finding else "no metric is configured"


@dataclass(frozen=True)
class Stage:
    """Where the rollout stands when it is judged."""

    weight: int
    next_weight: int
    started: float


@dataclass(frozen=True)
class Evidence:
    """What is remembered between looks; starts anew at each stage."""

    failures: Mapping[str, int] = field(default_factory=dict)
    last_look: float | None = None
    blind_since: float | None = None
