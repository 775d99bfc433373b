"""What scrapes, clocks, counters and traffic do to a rollout when nobody prepares them for a test."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor
from tests.support.monitors import DRIFT, ERROR_RATE, GOOD, LATENCY, feed, monitor


@pytest.mark.parametrize(
    ("metrics", "observed"),
    [
        ([], {}),
        ([MetricConfig("a", gating=False)], {"a": ((200, 0), (800, 0))}),
        ([DRIFT], {"drift": ([0] * 5, [0] * 5)}),
        ([MetricConfig("queue", "scalar", interval_s=60.0)], {"queue": (1.0, 1.0)}),
        ([ERROR_RATE, LATENCY], {"error-rate": GOOD, "latency": ([4, 1, 0, 0], [20, 5, 1, 0])}),
    ],
    ids=["no-metric", "only-watched", "drift-without-requests", "scalar-in-burn-in", "latency-in-burn-in"],
)
@pytest.mark.parametrize("pace", ["evidence", "timed"])
def test_nothing_is_promoted_without_data_of_every_metric_that_gates(
    metrics: list[MetricConfig], observed: dict[str, Any], pace: Any
) -> None:
    """What gates, gates: a metric that has shown nothing yet holds, whatever the others say."""
    watched = RolloutMonitor(MonitorConfig(metrics=tuple(metrics), pace=pace, risk_budget=1.0))
    watched.start_stage(20, 40, 0.0)
    answers = {watched.observe(5.0 * index, observed).action for index in range(1, 15)}
    assert answers == {"Hold"}


def test_one_glitch_of_a_counter_decides_nothing() -> None:
    """More errors than requests, once: what exceeds one cell is not carried into the next."""
    watched = RolloutMonitor({"metrics": ["errors"]})
    watched.start_stage(5, 25, 0.0)
    answers = {
        watched.observe(5.0 * index, {"errors": ((25, 1000 if index == 40 else 0), (475, 2))}).action
        for index in range(1, 240)
    }
    assert "Rollback" not in answers


def test_the_cause_is_named_by_its_whole_name() -> None:
    """A slash in a metric's name is part of it."""
    watched = RolloutMonitor({"metrics": [{"name": "errors", "limit": 0.05}, {"name": "errors/4xx"}]})
    watched.start_stage(5, 25, 0.0)
    for index in range(1, 200):
        verdict = watched.observe(5.0 * index, {"errors": ((50, 0), (950, 1)), "errors/4xx": ((50, 10), (950, 9))})
        if verdict.action == "Rollback":
            break
    assert (verdict.reason, verdict.metric) == ("Worse", "errors/4xx")


@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf, 1_764_000_000_000.0, 5.0e6, "x", None])
def test_what_comes_at_no_time_is_not_taken(t: Any) -> None:
    """NaN, milliseconds, another day: neither an exception nor evidence."""
    watched = monitor()
    feed(watched, 20, GOOD)
    before = watched.to_dict()["shares"]
    verdict = watched.observe(t, {"error-rate": {"challenger": (200, 100), "champion": (800, 0)}})
    assert verdict.action == "Promote"
    assert watched.to_dict()["shares"] == before
    json.dumps(watched.to_dict(), allow_nan=False)


def test_a_clock_that_was_put_right_is_believed_the_second_time() -> None:
    """A jump of more than a day is refused once."""
    watched = monitor()
    feed(watched, 20, GOOD)
    for index in range(1, 30):
        verdict = watched.observe(2e6 + 5.0 * index, {"error-rate": GOOD})
    assert verdict.evidence["error-rate"].n_challenger == 200 * (20 + 28)


def test_a_target_whose_clock_is_days_ahead_keeps_no_other_out() -> None:
    """Its scrapes come between those of the others, and are refused alone."""
    watched = monitor()
    feed(watched, 20, GOOD)
    for index in range(21, 51):
        verdict = watched.observe(5.0 * index, {"error-rate": GOOD})
        watched.observe(2 * 86400.0 + 5.0 * index, {"error-rate": GOOD})
    assert verdict.evidence["error-rate"].n_challenger == 200 * 50


def test_a_time_in_words_is_a_time_or_none() -> None:
    """Whatever a caller hands over, a look ends in a verdict."""
    watched = monitor()
    feed(watched, 20, GOOD)
    assert watched.observe("105", {"error-rate": GOOD}).evidence["error-rate"].n_challenger == 200 * 21


def test_a_clock_that_was_ahead_keeps_nothing_out_once_it_is_set_back() -> None:
    """What was weighed stays, what comes is news, and a fault is found as soon as it would have been."""
    delays = []
    for back in (0.0, 600.0):
        watched = monitor()
        feed(watched, 200, GOOD)
        watched.set_back(1000.0 - back)
        for index in range(1, 200):
            t = 1000.0 - back + 5.0 * index
            bad = {"challenger": (200, 20), "champion": (800, 1)}
            if watched.observe(t, {"error-rate": bad}).action == "Rollback":
                delays.append(index)
                break
    assert len(delays) == 2
    assert abs(delays[0] - delays[1]) <= 2


def test_a_sample_of_the_future_keeps_nothing_fresh() -> None:
    """One scrape two hours ahead, then silence: that is no data, and no promotion."""
    watched = monitor()
    feed(watched, 8, GOOD)
    watched.observe(7200.0, {"error-rate": GOOD})
    reasons = {watched.observe(45.0 + 5.0 * index, {}).reason for index in range(20)}
    assert reasons <= {"NoData", "InsufficientData"}
    assert watched.observe(150.0, {}).reason == "NoData"


def test_weights_below_one_per_cent_are_what_they_say() -> None:
    """Half a per cent is not a half."""
    watched = RolloutMonitor({"metrics": ["errors"]})
    watched.start_stage(0.5, 1, 0.0)
    for index in range(1, 60):
        verdict = watched.observe(5.0 * index, {"errors": ((500, 0), (99_500, 0))})
    assert verdict.action == "Promote"


def _delay_s(stages: int, clean_minutes: int) -> float:
    """Seconds from the beginning of a fault (1 % to 10 %) to the revert, after so many stages and clean minutes."""
    watched, t = RolloutMonitor({"metrics": ["errors"]}), 0.0
    for _ in range(stages + 1):
        watched.start_stage(50, 100, t)
        for _ in range(12):
            t += 5.0
            watched.observe(t, {"errors": ((250, 2.5), (250, 2.5))})
    for _ in range(clean_minutes):
        t += 60.0
        watched.observe(t, {"errors": ((3000, 30), (3000, 30))})
    for index in range(1, 400):
        if watched.observe(t + 5.0 * index, {"errors": ((250, 25), (250, 2.5))}).action == "Rollback":
            return 5.0 * index
    return math.inf


@pytest.mark.parametrize(
    ("stages", "clean_minutes", "factor"),
    [(8, 0, 1.6), (20, 0, 2.0), (0, 480, 2.0)],
    ids=["8-stages", "20-stages", "8-hours"],
)
def test_a_late_fault_is_found_nearly_as_soon_as_an_early_one(stages: int, clean_minutes: int, factor: float) -> None:
    """The wealth that is laid aside for new beginnings never runs out."""
    assert _delay_s(stages, clean_minutes) <= factor * _delay_s(0, 0)
