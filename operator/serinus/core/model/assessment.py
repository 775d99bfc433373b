"""What was measured of a rollout, and what it means: readings, silence, looks, findings, assessments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from serinus.api.status import Verdict
from serinus.core.model.answers import ProbeAnswer
from serinus.core.model.drain import Arrivals
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.past import Past


class Reason(StrEnum):
    """The reason for a verdict: a closed list, documented in docs/conditions.md."""

    WITHIN_LIMITS = "WithinLimits"
    LIMIT_EXCEEDED = "LimitExceeded"
    SUSPICIOUS = "Suspicious"
    LOOKS_WORSE = "LooksWorse"
    INSUFFICIENT_DATA = "InsufficientData"
    NO_TRAFFIC = "NoTraffic"
    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    PARTIAL_ANSWER = "PartialAnswer"
    STALE = "Stale"
    TARGETS_ABSENT = "TargetsAbsent"
    NOT_A_NUMBER = "NotANumber"
    NO_SERIES = "NoSeries"
    SEVERAL_SERIES = "SeveralSeries"
    LOOK_OVERDUE = "LookOverdue"
    WORSE = "Worse"
    COMMON_CAUSE = "CommonCause"
    TRAFFIC_SPLIT_MISMATCH = "TrafficSplitMismatch"
    NOT_COMPARABLE = "NotComparable"
    MAX_HOLD_EXCEEDED = "MaxHoldExceeded"
    ANSWERS_NOTHING = "AnswersNothing"
    MIRROR_NOT_COUNTED = "MirrorNotCounted"


@dataclass(frozen=True)
class ErrorAnswers:
    """How often the canary answered with one code that is an error, and whether that code blames the caller."""

    code: str
    count: float
    blames_caller: bool = False


@dataclass(frozen=True)
class Beyond:
    """How many of a window's requests were beyond a limit, and how many of those came in a short burst, at worst."""

    count: float
    burst: float = 0.0


@dataclass(frozen=True)
class Measured:
    """A number, the requests it rests on (None where the query does not say), and the time of its newest sample.

    `detail` says what it is made of, where a number alone says little; `errors` are those that it counts. `beyond` is
    counted where the number is over its limit and rests on requests.
    """

    value: float
    samples: float | None
    newest: float
    detail: str = ""
    errors: tuple[ErrorAnswers, ...] = ()
    beyond: Beyond | None = None


@dataclass(frozen=True)
class Missing:
    """No number: `verdict` says whether we are Blind or Undecided; it is never a pass and never a failure."""

    verdict: Verdict
    reason: Reason
    message: str
    samples: float | None = None


Reading = Measured | Missing


@dataclass(frozen=True)
class Increment:
    """What both revisions did between two scrapes, as the numbers of one metric.

    Error rate: requests, server errors, client errors. Latency: answers in each bucket, not cumulative, the last one
    beyond the highest bound. Distribution: counts of each bin. Scalar: the value itself. Empty where nothing is known.
    `halves` are those of stable's pods, where its series are per pod: what equal pods do is the measure of noise.
    `errors` are the canary's errors by their codes.
    """

    at: float
    canary: tuple[float, ...]
    stable: tuple[float, ...]
    halves: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    errors: tuple[ErrorAnswers, ...] = ()


@dataclass(frozen=True)
class Observation:
    """One metric of both revisions; `stable` is None where it has no baseline.

    `increments` are scrape by scrape, oldest first; `bounds` are a histogram's finite bounds in seconds, `bins` the
    names of a Distribution's bins in the order of its increments. `incomparable` says why the two revisions cannot be
    compared by it, although both have data.
    """

    canary: Reading
    stable: Reading | None
    query: str
    increments: tuple[Increment, ...] = ()
    bounds: tuple[float, ...] = ()
    bins: tuple[str, ...] = ()
    incomparable: str = ""

    def repeats(self, other: Observation) -> bool:
        """Whether nothing has been scraped that another one did not tell, and nothing has left its window."""
        return not self.increments and replace(other, increments=()) == self


@dataclass(frozen=True)
class Silence:
    """The time since a canary's last answer, or since its stage began; times as the scrapes have them.

    `rate` is both revisions' answers a second before that. `entered` counts the requests that were seen to go in since
    then, `in_flight` those that wait for an answer now; None where the source counts no such thing. `slowest` is how
    long the slowest answers took: infinite beyond the highest bucket, None where no series says it. `pods_silent` says
    that its pods answered the sample request once and do not answer it now.
    """

    since: float
    until: float
    rate: float = 0.0
    entered: float | None = None
    in_flight: float | None = None
    most_in_flight: float = 0.0
    stable_answers: float = 0.0
    stable_answered_at: float | None = None
    stable_in_flight: float | None = None
    slowest: float | None = None
    pods_silent: bool = False

    @property
    def lasted(self) -> float:
        """Seconds without an answer."""
        return max(0.0, self.until - self.since)


@dataclass(frozen=True)
class Look:
    """All metrics of one rollout at one time.

    `silence` is what is known of a canary that gives no answer; `stream_messages` counts the answers of its gRPC
    streams in a minute, which no metric judges. `refused` is what the canary's pods answer to sample requests that they
    do not take: stable's, and their own where they answered it before. `scrape_interval` (None while it is not known)
    is the presets', and `delays` tells of each preset how old its newest sample always is; both in seconds. A query of
    the user's is answered as of now. `not_yet` says why no weight could be judged, although the source answers. `past`
    is stable's before the rollout, once it is known. `arrivals` count requests since the stage began, the shortest span
    first; all end now.
    """

    at: float
    observations: Mapping[str, Observation]
    silence: Silence | None = None
    stream_messages: float = 0.0
    scrape_interval: float | None = None
    delays: Mapping[str, float] = field(default_factory=dict)
    not_yet: Missing | None = None
    refused: tuple[ProbeAnswer, ...] = ()
    past: Past | None = None
    arrivals: tuple[Arrivals, ...] = ()
    weighed: object = field(default=None, compare=False)
    """What the sequential test makes of it, where that was worked out for many rollouts at once."""

    @property
    def delay(self) -> float:
        """How old (s) the newest sample of that preset always is whose source is the latest."""
        return max(self.delays.values(), default=0.0)

    def repeats(self, other: Look) -> bool:
        """Whether it says only what another one has said; when a weight rises the newest is asked anyway."""
        same_metrics = self.observations.keys() == other.observations.keys()
        return same_metrics and (
            replace(self, at=other.at, arrivals=other.arrivals, observations=other.observations) == other
            and all(seen.repeats(other.observations[name]) for name, seen in self.observations.items())
        )


@dataclass(frozen=True)
class Finding:
    """What one metric says; numbers in base units (a ratio, seconds, or a plain number).

    `detail` says what the value is made of, `errors` are those that speak against the canary.
    """

    metric: str
    verdict: Verdict
    reason: Reason
    message: str
    query: str
    value: float | None = None
    limit: str | None = None
    baseline: float | None = None
    samples: float | None = None
    detail: str = ""
    errors: tuple[ErrorAnswers, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What the sequential test knows of one metric: both rates, their ratio with its bounds, and the evidence."""

    metric: str
    status: str
    requests_canary: float
    requests_stable: float
    events: float
    rate_canary: float | None
    rate_stable: float | None
    estimate: float | None
    lower: float | None
    upper: float | None
    e_value: float


@dataclass(frozen=True)
class Assessment:
    """One of four verdicts over all metrics, and the finding that decided; `caveat` says what no metric judges.

    `comparisons`, `requests_needed` (of the canary), `eta_s` and `suggested_weight` are the sequential test's, and
    `outdone`: how much worse stable is, while it is over a limit and the canary clearly better.
    """

    at: float
    verdict: Verdict
    reason: Reason
    finding: Finding | None
    findings: tuple[Finding, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    e_total: float | None = None
    requests_needed: float | None = None
    eta_s: float | None = None
    suggested_weight: float | None = None
    caveat: str = ""
    outdone: str = ""
    calibration: str = ""
    """What the test knows of equal answers, in words."""

    def knows_as_much_as(self, other: Assessment) -> bool:
        """Whether the sequential test says the very same in both."""
        return _of_the_test(self) == _of_the_test(other)

    @property
    def message(self) -> str:
        """One sentence for status and events."""
        return self.finding.message if self.finding else "no metric is configured"


def _of_the_test(one: Assessment) -> tuple[object, ...]:
    return (
        one.e_total,
        one.requests_needed,
        one.eta_s,
        one.suggested_weight,
        one.calibration,
        one.comparisons,
    )


@dataclass(frozen=True)
class Stage:
    """The state of the rollout when it is judged."""

    weight: int
    next_weight: int
    started: float
    matched: bool = False
    """Whether requests come to it by match, too: then its share of them says nothing of its weight."""
    mirror: int = 0
    """Percent of stable's requests of which it gets a copy: a sample of them, of which no share is its own."""

    @property
    def sample(self) -> float:
        """Percent of the answers that are counted of both that are its own, if all is as it should be; above 0."""
        return FULL_WEIGHT * self.mirror / (FULL_WEIGHT + self.mirror) if self.mirror else float(self.weight)

    @property
    def by_weight(self) -> bool:
        """Whether its share of the requests tells whether the route is followed."""
        return not (self.matched or self.mirror)

    @property
    def is_of_a_cohort(self) -> bool:
        """Whether it has requests, and none of them by chance."""
        return self.weight == 0 and not self.mirror


class Gathered(Protocol):
    """Evidence of a sequential test: gathered over the whole rollout, stored as text with a schema version."""

    def stored(self) -> str: ...


@dataclass(frozen=True)
class StoredEvidence:
    """Evidence as a status holds it; whoever judges next reads it."""

    text: str

    def stored(self) -> str:
        return self.text


@dataclass(frozen=True)
class AnalysisState:
    """What is remembered between looks. The counts of failing looks start anew at each stage, `gathered` and what was
    counted for a `goal` never do.

    `excused` says until when a metric's limit does not condemn, because stable was over it too; `exceeded` since when
    it has been exceeded at 100 %.
    """

    failures: Mapping[str, int] = field(default_factory=dict)
    excused: Mapping[str, float] = field(default_factory=dict)
    last_look: float | None = None
    blind_since: float | None = None
    gathered: Gathered | None = field(default=None, compare=False)
    goal: Gathered | None = field(default=None, compare=False)
    exceeded: Mapping[str, float] = field(default_factory=dict)

    def for_new_stage(self) -> AnalysisState:
        """Keep what is valid for the whole rollout."""
        return AnalysisState(excused=self.excused, gathered=self.gathered, goal=self.goal)
