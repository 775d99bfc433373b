"""The literal rule, from both sides of every limit."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.api.defaults import policy_of
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.threshold import blind_too_long, check_limits
from serinus.core.analysis.words import shown_value
from serinus.core.model.assessment import (
    AnalysisState,
    Assessment,
    ErrorAnswers,
    Look,
    Measured,
    Missing,
    Observation,
    Reading,
    Reason,
    Stage,
)
from tests.unit.core.rollout.given import NOW, spec

STAGE = Stage(weight=10, next_weight=50, started=NOW - 30)
ERRORS = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
LATENCY = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "250ms"}}
COUNT = {"name": "traffic", "preset": "request-count", "thresholdRange": {"min": "50", "max": "500"}}
DRIFT = {
    "name": "drift",
    "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"min": "0.1", "max": "0.25"},
}
RATIO = {
    "name": "rejected",
    "type": "Ratio",
    "query": 'rejected_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "of": 'scored_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "5%"},
}
CONVERTED = {**RATIO, "name": "converted", "thresholdRange": {"min": "2%"}}
BLIND = Missing(Verdict.BLIND, Reason.UNREACHABLE, "connection refused")
SILENT = Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "nobody asks", 0.0)


def policy(*metrics: dict[str, Any], **fields: Any) -> Analysis:
    return policy_of(spec(analysis={"metrics": list(metrics), **fields})).analysis


def judged(metric: dict[str, Any], reading: Reading, *, failures: int = 0) -> tuple[AnalysisState, Assessment]:
    known = AnalysisState(failures={metric["name"]: failures} if failures else {})
    look = Look(NOW, {metric["name"]: Observation(reading, Measured(0.01, 1000, NOW), "the query")})
    return check_limits(look, known, STAGE, policy(metric), NOW)


def verdict(metric: dict[str, Any], value: float, samples: float | None = 1000) -> tuple[str, str]:
    assessment = judged(metric, Measured(value, samples, NOW))[1]
    return assessment.verdict, assessment.reason


SAFE, UNSAFE = ("Safe", "WithinLimits"), ("Unsafe", "LimitExceeded")
FEW = ("Undecided", "InsufficientData")


@pytest.mark.parametrize(
    ("metric", "value", "says"),
    [
        pytest.param(ERRORS, 0.05, SAFE, id="errors at the limit"),
        pytest.param(ERRORS, 0.0501, UNSAFE, id="errors above it"),
        pytest.param(LATENCY, 0.25, SAFE, id="latency at the limit"),
        pytest.param(LATENCY, 0.2501, UNSAFE, id="latency above it"),
        pytest.param(DRIFT, 0.1, SAFE, id="at the lower limit"),
        pytest.param(DRIFT, 0.0999, UNSAFE, id="below the lower limit"),
        pytest.param(DRIFT, 0.25, SAFE, id="at the upper limit"),
        pytest.param(DRIFT, 0.2501, UNSAFE, id="above the upper limit"),
        pytest.param(RATIO, 0.05, SAFE, id="a ratio at its limit"),
        pytest.param(RATIO, 0.0501, UNSAFE, id="a ratio above it"),
        pytest.param(CONVERTED, 0.0199, UNSAFE, id="a ratio below its lower limit"),
        pytest.param(COUNT, 50, SAFE, id="enough requests"),
        pytest.param(COUNT, 49, FEW, id="too few requests are no fault"),
        pytest.param(COUNT, 501, UNSAFE, id="too many requests are one"),
    ],
)
def test_a_value_at_its_limit_is_good_and_beyond_it_bad(
    metric: dict[str, Any], value: float, says: tuple[str, str]
) -> None:
    """Bounds belong to the range."""
    assert verdict(metric, value) == says


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        pytest.param(20, UNSAFE, id="twenty"),
        pytest.param(19, FEW, id="nineteen"),
        pytest.param(None, UNSAFE, id="unknown"),
    ],
)
def test_a_rate_needs_its_samples(samples: float | None, says: tuple[str, str]) -> None:
    """Twenty by default; a query of the user's does not say how many it rests on."""
    assert verdict(ERRORS, 0.5, samples) == says


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        pytest.param((), "limit max 5%, stable 1%", id="none known"),
        pytest.param((ErrorAnswers("HTTP 400", 51, True),), "; 51 x HTTP 400", id="one code"),
        pytest.param(
            (ErrorAnswers("HTTP 429", 3, True), ErrorAnswers("HTTP 400", 51, True)),
            "; 51 x HTTP 400, 3 x HTTP 429",
            id="the most frequent first",
        ),
        pytest.param(
            tuple(ErrorAnswers(f"HTTP 50{code}", 9 - code) for code in range(8)),
            "; 9 x HTTP 500, 8 x HTTP 501, 7 x HTTP 502, 6 x HTTP 503, 14 x others",
            id="the rare ones together",
        ),
        pytest.param((ErrorAnswers("HTTP 500", 0.2),), "limit max 5%, stable 1%", id="a rounding is no answer"),
    ],
)
def test_an_error_rate_over_its_limit_says_which_answers(errors: tuple[ErrorAnswers, ...], said: str) -> None:
    """What an SRE greps the gateway's log for."""
    assert judged(ERRORS, Measured(0.5, 1000, NOW, errors=errors))[1].message.endswith(said)


@pytest.mark.parametrize(
    ("before", "says", "now"),
    [
        pytest.param(0, ("Undecided", "Suspicious"), 1, id="first of two tolerated"),
        pytest.param(1, ("Undecided", "Suspicious"), 2, id="second of two tolerated"),
        pytest.param(2, UNSAFE, 3, id="third"),
    ],
)
def test_failing_looks_in_a_row_are_tolerated_up_to_their_limit(before: int, says: tuple[str, str], now: int) -> None:
    """`failureLimit: 2`."""
    known, assessment = judged({**ERRORS, "failureLimit": 2}, Measured(0.5, 1000, NOW), failures=before)
    assert (assessment.verdict, assessment.reason) == says
    assert known.failures == {"error-rate": now}


@pytest.mark.parametrize(
    ("reading", "failures"),
    [
        pytest.param(Measured(0.0, 1000, NOW), {}, id="a good look ends the streak"),
        pytest.param(BLIND, {"error-rate": 1}, id="a blind one neither ends nor lengthens it"),
        pytest.param(SILENT, {"error-rate": 1}, id="nor does one without traffic"),
        pytest.param(Measured(0.0, 3, NOW), {"error-rate": 1}, id="nor one with too few requests"),
    ],
)
def test_what_becomes_of_a_streak(reading: Reading, failures: dict[str, int]) -> None:
    """Consecutive means consecutive looks that saw something."""
    assert judged({**ERRORS, "failureLimit": 2}, reading, failures=1)[0].failures == failures


@pytest.mark.parametrize(
    ("readings", "says"),
    [
        pytest.param({"error-rate": Measured(0.0, 99, NOW), "p99": Measured(0.1, 99, NOW)}, "Safe", id="all good"),
        pytest.param({"error-rate": Measured(0.0, 99, NOW), "p99": SILENT}, "Undecided", id="one undecided"),
        pytest.param({"error-rate": SILENT, "p99": BLIND}, "Blind", id="one blind"),
        pytest.param({"error-rate": BLIND, "p99": Measured(9.0, 99, NOW)}, "Unsafe", id="one bad, one blind"),
        pytest.param({"error-rate": Measured(0.0, 99, NOW)}, "Blind", id="one was not asked for"),
    ],
)
def test_the_weightiest_metric_decides(readings: dict[str, Reading], says: str) -> None:
    """Unsafe over Blind over Undecided over Safe: all must be good for the weight to rise."""
    look = Look(NOW, {name: Observation(reading, None, "q") for name, reading in readings.items()})
    assert check_limits(look, AnalysisState(), STAGE, policy(ERRORS, LATENCY), NOW)[1].verdict == says


def test_the_message_answers_why() -> None:
    """Metric, value, number of requests, limit and baseline, in the units of people."""
    assert (
        judged(ERRORS, Measured(0.2, 1000, NOW))[1].message
        == "error-rate is 20% of 1000 requests in the last 60 s, limit max 5%, stable 1%"
    )


@pytest.mark.parametrize(
    ("on_blind", "since", "too_long"),
    [
        ("Revert", NOW - 60, True),
        ("Revert", NOW - 59, False),
        ("Revert", None, False),
        ("Hold", NOW - 6000, False),
    ],
)
def test_blindness_is_too_long_only_where_the_policy_says_so(
    on_blind: str, since: float | None, too_long: bool
) -> None:
    """`blindTimeout: 1m`."""
    analysis = policy(ERRORS, onBlind=on_blind, blindTimeout="1m")
    assert blind_too_long(AnalysisState(blind_since=since), analysis, NOW) is too_long


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [(ERRORS, 0.0512, "5.12%"), (LATENCY, 0.2505, "250.5ms"), (DRIFT, 0.25, "0.25"), (COUNT, 1200.0, "1200")],
)
def test_numbers_are_written_as_people_say_them(metric: dict[str, Any], value: float, text: str) -> None:
    """A rate in percent, a latency in milliseconds."""
    assert shown_value(policy(metric).metrics[0].preset, value) == text
