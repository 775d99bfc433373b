"""One rollout under watch: every verdict from both sides, every row of STATISTICS 3.8 that reaches the monitor."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor, UnknownStateSchemaError, Verdict
from tests.support.monitors import DRIFT, ERROR_RATE, GOOD, LATENCY, feed, monitor


def test_a_good_challenger_is_promoted_after_the_dwell() -> None:
    many = {"challenger": (400, 0), "champion": (1600, 0)}
    watched = monitor()
    assert feed(watched, 11, many).reason == "InsufficientData"
    verdict = feed(watched, 1, many, 12)
    assert (verdict.action, verdict.reason) == ("Promote", "WithinRiskBudget")
    assert verdict.excess_upper is not None
    assert 0.4 * verdict.excess_upper <= 0.005


def test_a_bad_one_is_rolled_back_with_its_cause() -> None:
    verdict = feed(monitor(), 30, {"challenger": (200, 8), "champion": (800, 1)})
    assert (verdict.action, verdict.reason, verdict.metric) == ("Rollback", "Worse", "error-rate")
    assert verdict.e_total >= 100.0
    assert verdict.evidence["error-rate"].status == "Worse"
    assert verdict.evidence["error-rate"].estimate == pytest.approx(32, rel=0.3)


def test_at_full_weight_only_the_limit_reverts() -> None:
    worse = monitor()
    worse.start_stage(100, None, 0.0)
    assert feed(worse, 60, {"challenger": (1000, 30), "champion": None}).action == "Hold"
    over = monitor()
    over.start_stage(100, None, 0.0)
    verdict = feed(over, 30, {"challenger": (1000, 200), "champion": None})
    assert (verdict.action, verdict.reason, verdict.metric) == ("Rollback", "LimitExceeded", "error-rate")


def test_too_few_requests_hold_and_say_how_many_are_missing() -> None:
    verdict = feed(monitor(), 12, {"challenger": (2, 0), "champion": (8, 0)})
    assert (verdict.action, verdict.reason, verdict.metric) == ("Hold", "InsufficientData", "error-rate")
    assert verdict.requests_needed is not None
    assert verdict.requests_needed == pytest.approx(5 * 600 - 24, rel=0.05)
    assert verdict.eta_s == pytest.approx(verdict.requests_needed / 0.4)
    assert verdict.suggested_weight == 25.0 or verdict.suggested_weight is None


@pytest.mark.parametrize(
    "nothing", [None, (None, None), {"challenger": (math.nan, 0), "champion": (1, 0)}], ids=["absent", "pair", "nan"]
)
def test_three_intervals_without_an_answer_hold(nothing: Any) -> None:
    watched = monitor()
    feed(watched, 20, GOOD)
    assert feed(watched, 2, nothing, 21).action == "Promote"
    verdict = feed(watched, 1, nothing, 23)
    assert (verdict.action, verdict.reason, verdict.metric) == ("Hold", "NoData", "error-rate")
    assert verdict.evidence["error-rate"].status == "NoData"
    assert feed(watched, 1, GOOD, 24).action == "Promote"


def test_no_answer_ever_never_promotes_nor_rolls_back() -> None:
    watched = RolloutMonitor(MonitorConfig(metrics=(ERROR_RATE, LATENCY), pace="timed"))
    watched.start_stage(20, 40, 0.0)
    for index in range(1, 500):
        assert watched.observe(5.0 * index, {}).action == "Hold"


@pytest.mark.parametrize(
    "observation",
    [{"challenger": (0, 0), "champion": (1000, 1)}, {"challenger": (200, 0), "champion": (0, 0)}],
    ids=["challenger", "champion"],
)
def test_one_side_without_traffic_holds(observation: Any) -> None:
    verdict = feed(monitor(), 20, observation)
    assert (verdict.action, verdict.reason) == ("Hold", "NoTraffic")


@pytest.mark.parametrize(
    "observation",
    [{"challenger": (0, 0), "champion": (1000, 1)}, {"challenger": (200, 0), "champion": (0, 0)}],
    ids=["challenger", "champion"],
)
def test_traffic_that_stops_in_the_middle_of_a_stage_holds(observation: Any) -> None:
    watched = monitor()
    assert feed(watched, 20, GOOD).action == "Promote"
    verdict = feed(watched, 2, observation, 21)
    assert (verdict.action, verdict.reason) == ("Hold", "NoTraffic")
    assert feed(watched, 2, GOOD, 23).action == "Promote"


def test_a_champion_that_is_not_reported_is_missing_data() -> None:
    watched = monitor()
    feed(watched, 20, GOOD)
    verdict = feed(watched, 3, {"challenger": (200, 0), "champion": None}, 21)
    assert (verdict.action, verdict.reason) == ("Hold", "NoData")


def test_rates_that_are_not_whole_numbers_are_counts_too() -> None:
    verdict = feed(monitor(), 40, {"challenger": (200.5, 8.25), "champion": (800.5, 1.5)})
    assert (verdict.action, verdict.metric) == ("Rollback", "error-rate")


def test_a_shared_outage_is_a_common_cause() -> None:
    verdict = feed(monitor(), 20, {"challenger": (200, 60), "champion": (800, 240)})
    assert (verdict.action, verdict.reason, verdict.metric) == ("Hold", "CommonCause", "error-rate")
    policy = monitor(common_cause="rollback")
    assert feed(policy, 20, {"challenger": (200, 60), "champion": (800, 240)}).action == "Rollback"


def test_a_split_far_from_the_weight_holds() -> None:
    verdict = feed(monitor(), 20, {"challenger": (50, 0), "champion": (950, 0)})
    assert (verdict.action, verdict.reason) == ("Hold", "TrafficSplitMismatch")


def test_trials_that_are_no_requests_say_nothing_of_the_split() -> None:
    """Sessions stick to a version, and `accepted` comes before `error-rate` in the alphabet."""
    sessions = MetricConfig("accepted", of_requests=False)
    watched, counts = monitor(sessions, ERROR_RATE), {"challenger": (200, 0), "champion": (800, 0)}
    for t in range(1, 21):
        stuck = {"challenger": (500, 0), "champion": (500, 0)}
        verdict = watched.observe(5.0 * t, {"accepted": stuck, "error-rate": counts})
    assert verdict.action == "Promote"


def test_a_split_that_is_merely_uneven_does_not() -> None:
    assert feed(monitor(), 20, {"challenger": (170, 0), "champion": (830, 0)}).action == "Promote"


def test_suspicion_waits() -> None:
    watched = monitor(MetricConfig("error-rate", tolerance=0.1))
    for index in range(1, 400):
        verdict = watched.observe(5.0 * index, {"error-rate": {"challenger": (200, 2), "champion": (800, 3)}})
        if 20.0 <= verdict.e_total < 100.0:
            assert (verdict.action, verdict.reason) == ("Hold", "Suspicious")
            return
    pytest.fail("evidence never passed through the suspicious range")


def test_a_stage_over_its_limit_is_suspicious_however_wide_the_budget() -> None:
    watched = monitor(MetricConfig("error-rate", limit=0.05), risk_budget=0.9)
    verdict = feed(watched, 13, {"challenger": (100, 6), "champion": (400, 19)})
    assert (verdict.action, verdict.reason) == ("Hold", "Suspicious")


def test_timed_pace_shows_the_budget_and_does_not_enforce_it() -> None:
    verdict = feed(monitor(pace="timed"), 15, {"challenger": (5, 0), "champion": (20, 0)})
    assert (verdict.action, verdict.reason) == ("Promote", "Safe")
    assert verdict.excess_upper is not None
    assert 0.4 * verdict.excess_upper > 0.005


def test_a_hold_ends_as_the_policy_says() -> None:
    slow = {"challenger": (1, 0), "champion": (4, 0)}
    assert feed(monitor(max_hold_s=60.0), 40, slow).action == "Hold"
    verdict = feed(monitor(max_hold_s=60.0, on_max_hold="rollback"), 40, slow)
    assert (verdict.action, verdict.reason) == ("Rollback", "MaxHoldExceeded")


def test_counts_of_the_budget_are_of_the_stage_and_evidence_is_of_the_rollout() -> None:
    watched = monitor()
    feed(watched, 20, GOOD)
    watched.start_stage(40, 100, 100.0)
    verdict = feed(watched, 1, {"challenger": (400, 0), "champion": (600, 0)}, 21)
    assert (verdict.action, verdict.reason) == ("Hold", "InsufficientData")
    assert verdict.evidence["error-rate"].n_challenger == 20 * 200 + 400


def test_metrics_that_are_watched_only_never_decide() -> None:
    watched = monitor(ERROR_RATE, MetricConfig("toy", gating=False))
    for index in range(1, 40):
        toy = {"challenger": (200, 100), "champion": (800, 0)} if index < 30 else None
        verdict = watched.observe(5.0 * index, {"error-rate": GOOD, "toy": toy})
    assert verdict.action == "Promote"
    assert verdict.evidence["toy"].e_value > 100.0


def test_all_kinds_together() -> None:
    rng = np.random.default_rng(1)
    metrics = (ERROR_RATE, LATENCY, DRIFT, MetricConfig("js", "drift", bins=4, divergence="js", tolerance=0.02))
    scalar = MetricConfig("queue", "scalar", interval_s=60.0)
    watched = RolloutMonitor(MonitorConfig(metrics=(*metrics, scalar)), {"queue": rng.normal(size=100)})
    watched.start_stage(20, 40, 0.0)
    for index in range(1, 121):
        observations: dict[str, Any] = {
            "error-rate": {"challenger": (200, 0), "champion_a": (400, 0), "champion_b": (400, 0)},
            "latency": ([190, 8, 2, 0], [760, 32, 8, 0]),
            "drift": (rng.poisson(40, 5), rng.poisson(160, 5)),
            "js": (rng.poisson(40, 4), rng.poisson(160, 4)),
            "queue": (float(rng.normal()), float(rng.normal())) if index % 12 == 0 else None,
        }
        verdict = watched.observe(5.0 * index, observations)
    assert set(verdict.evidence) == {"error-rate", "error-rate/limit", "latency", "drift", "js", "queue"}
    assert verdict.action == "Promote", verdict.reason
    assert verdict.evidence["queue"].status == "Measuring"


SHARE = MetricConfig("refusals", limit=0.2)
SCALAR = MetricConfig("queue", "scalar", interval_s=10.0)
WIDER = MetricConfig("classes", "drift", bins=7)
SAID: dict[str, Any] = {
    "error-rate": {"challenger": (200, 3), "champion": (800, 4)},
    "latency": ([180, 18, 2, 0], [760, 32, 8, 0]),
    "drift": ([40, 30, 40, 20, 10], [160, 160, 160, 160, 160]),
    "classes": ([40, 30, 40, 20, 10, 1, 2], [160, 160, 160, 160, 160, 9, 9]),
    "queue": (1.5, 1.0),
    "refusals": {"challenger": (200, 5), "champion_a": (400, 4), "champion_b": (400, 6)},
}


def said(watched: RolloutMonitor, *looks: int) -> Verdict:
    for index in looks:
        verdict = watched.observe(5.0 * index, {metric.name: SAID[metric.name] for metric in watched.config.metrics})
    return verdict


@pytest.mark.parametrize("joins", [SHARE, LATENCY, DRIFT, WIDER, SCALAR], ids=lambda metric: metric.name)
@pytest.mark.parametrize("others", [(ERROR_RATE, LATENCY), (ERROR_RATE, DRIFT, SCALAR)], ids=["latency", "drift"])
def test_a_metric_that_joins_late_begins_its_own_evidence_alone(
    joins: MetricConfig, others: tuple[MetricConfig, ...]
) -> None:
    """What was gathered of the others goes on as if it had not come; its own is that of a rollout that begins now."""
    others = tuple(metric for metric in others if metric != joins)
    apart, late = monitor(*others), monitor(*others)
    said(apart, *range(1, 30))
    said(late, *range(1, 30))
    joined = late.joined_by([joins])
    expected, found = said(apart, *range(30, 60)).evidence, said(joined, *range(30, 60)).evidence
    assert {name: found[name].e_value for name in expected} == {name: one.e_value for name, one in expected.items()}
    assert {name: found[name].n_challenger for name in expected} == {
        name: one.n_challenger for name, one in expected.items()
    }
    alone = monitor(ERROR_RATE, joins)
    assert found[joins.name].e_value == said(alone, *range(30, 60)).evidence[joins.name].e_value


def test_a_histogram_in_other_buckets_begins_anew_and_no_other_metric_does() -> None:
    """The gateway's configuration has changed in mid-rollout."""
    watched = monitor(ERROR_RATE, LATENCY)
    before = said(watched, *range(1, 30))
    joined = watched.joined_by([MetricConfig("latency", "latency", bounds_s=(0.1, 0.2, 0.4, 0.8))])
    after = joined.observe(150.0, {"error-rate": SAID["error-rate"], "latency": ([9, 1, 0, 0, 0], [9, 1, 0, 0, 0])})
    assert after.evidence["error-rate"].n_challenger == before.evidence["error-rate"].n_challenger + 200
    assert after.evidence["latency"].n_challenger == 10
    assert watched.observe(150.0, {}).evidence["latency"].n_challenger == before.evidence["latency"].n_challenger


def test_a_slow_challenger_is_named() -> None:
    watched = monitor(ERROR_RATE, LATENCY)
    for index in range(1, 200):
        slow = ([80, 80, 40, 0], [760, 32, 8, 0])
        verdict = watched.observe(5.0 * index, {"error-rate": GOOD, "latency": slow})
        if verdict.action == "Rollback":
            break
    assert (verdict.action, verdict.metric) == ("Rollback", "latency")


def test_names_and_order_are_checked() -> None:
    watched = RolloutMonitor()
    with pytest.raises(RuntimeError, match="start_stage"):
        watched.observe(0.0, {})
    watched.start_stage(1, 5, 0.0)
    with pytest.raises(KeyError, match="typo"):
        watched.observe(5.0, {"typo": None})
    with pytest.raises(ValueError, match="per cent"):
        watched.start_stage(0, 5, 0.0)
    with pytest.raises(ValueError, match="seconds"):
        watched.start_stage(5, 25, 1_764_000_000_000.0)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"alpha": 0.5}, "alpha"),
        ({"risk_budget": 0.0}, "never promote"),
        ({"risk_budget": math.inf}, "risk_budget"),
        ({"beta": 1.0}, "beta"),
        ({"pace": "x"}, "pace"),
        ({"min_requests": math.nan}, "min_requests"),
        ({"metrics": [{"name": "a", "tolerance": -2.0}]}, "tolerance"),
        ({"metrics": [{"name": "a", "tolerance": math.nan}]}, "tolerance"),
        ({"metrics": [{"name": "a", "tolerance": math.inf}]}, "tolerance"),
        ({"metrics": [{"name": "a", "weight": math.nan}]}, "weight"),
        ({"metrics": [{"name": "a", "kind": "drift", "bins": 3, "reference": [1, 2]}]}, "reference"),
        ({"metrics": ["a", "a"]}, "unique"),
        ({"metrics": [{"name": "a", "kind": "odd"}]}, "kind"),
        ({"metrics": [{"name": "a", "kind": "latency"}]}, "bounds_s"),
        ({"metrics": [{"name": "a", "kind": "drift"}]}, "bins"),
        ({"metrics": [{"name": "a", "limit": 5}]}, "limit"),
        ({"metrics": [{"name": "a", "weight": -1}]}, "weight"),
    ],
)
def test_nonsense_is_refused(policy: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RolloutMonitor(policy)


def test_unknown_states_are_refused() -> None:
    state = monitor().to_dict()
    for changed in ({**state, "schema": 99}, {**state, "kind": "other"}, {}):
        with pytest.raises(UnknownStateSchemaError, match="stored evidence"):
            RolloutMonitor.from_dict(changed)
    with pytest.raises(UnknownStateSchemaError, match="another policy"):
        RolloutMonitor.from_dict(state, {"metrics": ["other"]})
    assert RolloutMonitor.from_dict(json.loads(json.dumps(state)), MonitorConfig(metrics=(ERROR_RATE,))) is not None
