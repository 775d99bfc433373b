"""A limit condemns only what neither chance nor one short burst explains."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.bursts import in_steps, with_beyond
from serinus.core.analysis.doubt import split_by_chance
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.quantile import slower_than
from serinus.core.analysis.threshold import check_limits
from serinus.core.model.assessment import (
    AnalysisState,
    Beyond,
    Increment,
    Look,
    Measured,
    Observation,
    Reason,
    Stage,
)
from tests.unit.core.analysis.test_threshold import CONVERTED, COUNT, DRIFT, ERRORS, LATENCY, RATIO
from tests.unit.core.analysis.test_threshold import policy as any_policy

HALF = Stage(weight=50, next_weight=100, started=0.0)
FULL = Stage(weight=100, next_weight=100, started=0.0)
HELD, REVERTED = (Verdict.UNDECIDED, Reason.SUSPICIOUS), (Verdict.UNSAFE, Reason.LIMIT_EXCEEDED)


def policy(metric: dict[str, Any], mode: str = "Sequential") -> Analysis:
    return any_policy(metric, mode=mode)


def reading(requests: float, beyond: float, *, burst: float | None = None, value: float | None = None) -> Measured:
    """Give a window of a revision; `burst` of what is beyond the limit came at once."""
    counted = None if burst is None else Beyond(beyond, burst)
    return Measured(beyond / requests if value is None else value, requests, 0.0, beyond=counted)


def judged(
    metric: dict[str, Any], canary: Measured, stable: Measured | None, stage: Stage = HALF, mode: str = "Sequential"
) -> tuple[Verdict, Reason]:
    look = Look(60.0, {metric["name"]: Observation(canary, stable, "the query")})
    assessment = check_limits(look, AnalysisState(), stage, policy(metric, mode), 60.0)[1]
    return assessment.verdict, assessment.reason


@pytest.mark.parametrize(
    ("canary", "stable", "says"),
    [
        pytest.param((20, 3), (20, 0), HELD, id="3 to 0 at equal shares are 1 in 8"),
        pytest.param((100, 6), (100, 0), HELD, id="6 to 0 are 1 in 64"),
        pytest.param((100, 7), (100, 0), REVERTED, id="7 to 0 are 1 in 128"),
        pytest.param((20, 2), (380, 0), REVERTED, id="2 to 0 at a twentieth of the requests are 1 in 400"),
        pytest.param((20, 2), (0.4, 0), HELD, id="nearly all requests are the canary's, and so are the failures"),
        pytest.param((500, 30), (4500, 180), HELD, id="thirty beside 180 of nine times the requests"),
        pytest.param((500, 40), (4500, 180), REVERTED, id="forty beside them"),
        pytest.param((20, 3), None, REVERTED, id="nothing to share with: no baseline"),
        pytest.param((20, 3), (0, 0), REVERTED, id="nothing to share with: stable has no traffic"),
    ],
)
def test_what_equal_revisions_show_once_in_a_hundred_condemns_nobody(
    canary: tuple[float, float], stable: tuple[float, float] | None, says: tuple[Verdict, Reason]
) -> None:
    """The canary's failures among all failures, given its share of the requests."""
    other = None if stable is None else Measured(stable[1] / max(stable[0], 1), stable[0], 0.0)
    assert judged(ERRORS, reading(*canary), other) == says


@pytest.mark.parametrize(
    ("requests", "errors", "burst", "stage", "says"),
    [
        pytest.param(100, 40, 40, HALF, HELD, id="all of them at once"),
        pytest.param(100, 40, 36, HALF, HELD, id="the rest is within the limit"),
        pytest.param(100, 40, 20, HALF, REVERTED, id="the rest is over it, too"),
        pytest.param(100, 40, 40, FULL, HELD, id="all of them at once, at 100 %"),
        pytest.param(100, 40, 20, FULL, REVERTED, id="the rest is over it, at 100 %"),
    ],
)
def test_one_short_burst_condemns_nobody(
    requests: float, errors: float, burst: float, stage: Stage, says: tuple[Verdict, Reason]
) -> None:
    """A retry storm hits one revision, whichever it is."""
    assert judged(ERRORS, reading(requests, errors, burst=burst), reading(100, 0, burst=0), stage) == says


@pytest.mark.parametrize(
    ("slow", "stable_slow", "says"),
    [
        pytest.param(4, 4, HELD, id="as many on stable"),
        pytest.param(9, 0, REVERTED, id="all on the canary"),
        pytest.param(1, 0, HELD, id="a single slow answer"),
    ],
)
def test_a_latency_is_held_against_the_answers_slower_than_its_limit(
    slow: float, stable_slow: float, says: tuple[Verdict, Reason]
) -> None:
    """Of a p99, one answer in a hundred may be slower."""
    canary, stable = reading(200, slow, burst=slow / 4, value=0.3), reading(200, stable_slow, burst=0, value=0.2)
    assert judged(LATENCY, canary, stable) == says


@pytest.mark.parametrize(
    ("canary", "burst", "stable", "stage", "says"),
    [
        pytest.param((100, 6), 0, (100, 0), HALF, HELD, id="6 to 0 are 1 in 64"),
        pytest.param((100, 7), 0, (100, 0), HALF, REVERTED, id="7 to 0 are 1 in 128"),
        pytest.param((100, 40), 36, (100, 0), HALF, HELD, id="all but 4 of them at once"),
        pytest.param((100, 40), 20, (100, 0), HALF, REVERTED, id="half of them at once"),
        pytest.param((100, 40), 20, (0.5, 0), FULL, REVERTED, id="at 100 %"),
    ],
)
def test_the_limit_of_a_ratio_condemns_as_that_of_an_error_rate(
    canary: tuple[float, float], burst: float, stable: tuple[float, float], stage: Stage, says: tuple[Verdict, Reason]
) -> None:
    """Events of trials are counted as errors of requests are."""
    assert judged(RATIO, reading(*canary, burst=burst), reading(*stable, burst=0), stage) == says


@pytest.mark.parametrize(
    ("metric", "value", "stable"),
    [
        pytest.param(DRIFT, 0.3, 0.2, id="a user's query counts nothing"),
        pytest.param(COUNT, 501, 100, id="a request count is no share"),
        pytest.param({**LATENCY, "provider": "triton"}, 0.3, 0.1, id="nor is a mean latency"),
    ],
)
def test_a_limit_on_what_is_no_share_of_requests_stays_literal(
    metric: dict[str, Any], value: float, stable: float
) -> None:
    assert judged(metric, Measured(value, 20, 0.0), Measured(stable, 20, 0.0)) == REVERTED


@pytest.mark.parametrize(
    ("canary", "stage", "mode", "says"),
    [
        pytest.param((20, 0), HALF, "Sequential", HELD, id="none of 20 are 2 in 3 at 2 %"),
        pytest.param((227, 0), HALF, "Sequential", HELD, id="none of 227 are 1 in 98"),
        pytest.param((228, 0), HALF, "Sequential", REVERTED, id="none of 228 are 1 in 100"),
        pytest.param((1000, 19), HALF, "Sequential", HELD, id="a little below it"),
        pytest.param((1000, 9), HALF, "Sequential", REVERTED, id="less than half of it"),
        pytest.param((20, 0), FULL, "Sequential", HELD, id="none of 20, at 100 %"),
        pytest.param((228, 0), FULL, "Sequential", REVERTED, id="none of 228, at 100 %"),
        pytest.param((20, 0), HALF, "Threshold", REVERTED, id="literal in Threshold mode"),
    ],
)
def test_a_lower_limit_of_a_ratio_condemns_only_what_chance_does_not_explain(
    canary: tuple[float, float], stage: Stage, mode: str, says: tuple[Verdict, Reason]
) -> None:
    """Two in a hundred are needed: of twenty sessions none converts more often than not."""
    assert judged(CONVERTED, reading(*canary), reading(1000, 30), stage, mode) == says


@pytest.mark.parametrize(("trials", "says"), [(20, HELD), (228, REVERTED)], ids=["chance", "no chance"])
def test_what_is_below_a_range_is_no_burst_of_what_is_above_it(trials: float, says: tuple[Verdict, Reason]) -> None:
    """A Ratio may have both limits."""
    both = {**RATIO, "thresholdRange": {"min": "2%", "max": "50%"}}
    assert judged(both, reading(trials, 0, burst=0), reading(1000, 30, burst=0)) == says


def test_a_doubted_ratio_is_told_by_what_it_counts() -> None:
    """Trials and events, no requests and errors."""
    look = Look(60.0, {"rejected": Observation(reading(20, 3, burst=0), reading(20, 0, burst=0), "the query")})
    assessment = check_limits(look, AnalysisState(), HALF, policy(RATIO), 60.0)[1]
    assert assessment.message == (
        "rejected is 15% of 20 trials in the last 60 s, limit max 5%, stable 0%; "
        "held: equal revisions would share the events like this 1 time in 8"
    )


def test_limits_are_literal_in_threshold_mode() -> None:
    """Who asks for limits only gets the limits."""
    assert judged(ERRORS, reading(20, 3, burst=3), reading(20, 0), mode="Threshold") == REVERTED


def test_a_doubted_look_counts_as_none() -> None:
    """Neither is it a failure that is tolerated, nor does it end a row of them."""
    metric = {**ERRORS, "failureLimit": 2}
    look = Look(60.0, {metric["name"]: Observation(reading(20, 3), reading(20, 0), "the query")})
    known = AnalysisState(failures={metric["name"]: 2})
    known, assessment = check_limits(look, known, HALF, policy(metric), 60.0)
    assert known.failures == {metric["name"]: 2}
    assert assessment.message == (
        "error-rate is 15% of 20 requests in the last 60 s, limit max 5%, stable 0%; "
        "held: equal revisions would share the errors like this 1 time in 8"
    )


@given(st.integers(1, 2000), st.integers(0, 60), st.integers(1, 2000), st.integers(0, 60), st.floats(0.0, 1.0))
def test_the_chance_is_the_binomial_tail(n_c: int, x_c: int, n_s: int, x_s: int, part: float) -> None:
    """Counts that are not whole lie between their neighbours."""
    expected = binom.sf(x_c - 1, x_c + x_s, n_c / (n_c + n_s))
    assert split_by_chance((n_c, x_c), (n_s, x_s)) == pytest.approx(expected, abs=1e-9)
    between = split_by_chance((n_c, x_c + part), (n_s, x_s))
    assert split_by_chance((n_c, x_c + 1), (n_s, x_s)) - 1e-9 <= between <= expected + 1e-9


@pytest.mark.parametrize(
    ("errors", "burst"),
    [
        pytest.param({5.0: 9.0}, 9.0, id="one scrape may be one burst"),
        pytest.param({5.0: 199.0}, 199.0, id="one scrape, and nearly two fifths of the requests"),
        pytest.param({5.0: 200.0}, 0.0, id="two fifths of all requests are no burst"),
        pytest.param({5.0: 400.0, 10.0: 1.0}, 400.0, id="but in one of two scrapes they may be one"),
        pytest.param({5.0: 9.0, 10.0: 1.0}, 9.0, id="of two the worse one"),
        pytest.param({5.0 * n: float(n) for n in range(1, 9)}, 15.0, id="of eight the worst two"),
        pytest.param(
            {1.0: 4.0, 2.0: 5.0, 6.0: 1.0, 7.0: 1.0}, 9.0, id="two targets scraped within one interval are one"
        ),
    ],
)
def test_a_burst_is_a_quarter_of_the_scrapes_or_one(errors: dict[float, float], burst: float) -> None:
    """It lasts no longer than that, and is at worst where most of the failures are."""
    scrapes = {at: Totals(success=100.0, server_errors=count) for at, count in errors.items()}
    seen = Observation(Measured(0.1, 500, 0.0), Measured(0.0, 500, 0.0), "q")
    steps = in_steps(scrapes, since=0.0, interval=5.0)
    metric = policy(ERRORS).metrics[0]
    counted = with_beyond(metric, seen, (Totals(success=1.0), Totals(success=1.0)), (steps, []))
    assert isinstance(counted.canary, Measured)
    assert counted.canary.beyond == Beyond(sum(errors.values()), burst)
    assert isinstance(counted.stable, Measured)
    assert counted.stable.beyond == Beyond(0.0, 0.0)


@pytest.mark.parametrize(
    ("limit", "count"),
    [
        pytest.param(0.1, 30.0, id="on a bound"),
        pytest.param(0.15, 25.0, id="halfway in a bucket"),
        pytest.param(0.05, 35.0, id="in the first bucket"),
        pytest.param(0.4, 5.0, id="on the last bound"),
        pytest.param(9.0, 5.0, id="beyond it"),
    ],
)
def test_answers_slower_than_a_limit_are_counted_as_a_quantile_reads_them(limit: float, count: float) -> None:
    """Linear within a bucket."""
    assert slower_than(limit, {0.1: 10.0, 0.2: 20.0, 0.4: 35.0, float("inf"): 40.0}) == pytest.approx(count)


class TestAfterFullWeight:
    """Nothing tells an outage of what both depend on from a bad version but how long it lasts."""

    OUTAGE = 30.0

    def verdicts(self, failing: dict[float, float], **known: Any) -> list[Verdict]:
        """Judge a look every five seconds; `failing` says at which times the newest scrape failed, and how much."""
        state, found = AnalysisState(), list[Verdict]()
        analysis = policy({**ERRORS, "window": "20s"})
        for at in (5.0 * number for number in range(1, 25)):
            window = [failing.get(at - 5.0 * back, 0.0) for back in range(4)]
            scrape = Increment(at, (100.0, failing.get(at, 0.0), 0.0), (0.0, 0.0, 0.0))
            canary = Measured(sum(window) / 400, 400, at)
            look = Look(at, {"error-rate": Observation(canary, None, "q", (scrape,))})
            state, assessment = check_limits(look, state, FULL, analysis, at, **known)
            found.append(assessment.verdict)
        return found

    def outage(self, begin: float, seconds: float) -> dict[float, float]:
        return {begin + 5.0 * number: 90.0 for number in range(int(seconds / 5))}

    def test_an_outage_as_long_as_stables_longest_reverts_nothing(self) -> None:
        """The window holds it for longer; the newest scrape shows its end."""
        assert Verdict.UNSAFE not in self.verdicts(self.outage(20.0, self.OUTAGE), longest_outage_s=self.OUTAGE)

    def test_a_longer_one_does(self) -> None:
        found = self.verdicts(self.outage(20.0, 60.0), longest_outage_s=self.OUTAGE)
        assert found.index(Verdict.UNSAFE) == 10

    def test_two_short_ones_are_not_added_up(self) -> None:
        both = self.outage(20.0, 25.0) | self.outage(55.0, 25.0)
        assert Verdict.UNSAFE not in self.verdicts(both, longest_outage_s=self.OUTAGE)

    def test_without_history_the_limit_acts_at_once(self) -> None:
        assert self.verdicts(self.outage(20.0, self.OUTAGE)).index(Verdict.UNSAFE) == 3
