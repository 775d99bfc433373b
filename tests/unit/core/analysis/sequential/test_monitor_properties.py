"""Properties of whole verdict paths, whatever the traffic."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor

METRICS = (
    MetricConfig("errors", limit=0.1),
    MetricConfig("retries", tolerance=0.5),
    MetricConfig("latency", "latency", bounds_s=(0.1, 0.2)),
    MetricConfig("drift", "drift", bins=3),
    MetricConfig("queue", "scalar"),
)

pair = st.tuples(st.integers(0, 200), st.integers(0, 20))
share = st.one_of(
    st.none(),
    st.fixed_dictionaries({"challenger": pair, "champion_a": pair, "champion_b": pair}),
    st.fixed_dictionaries({"challenger": pair, "champion": st.one_of(st.none(), pair)}),
)
bins = st.lists(st.integers(0, 300), min_size=3, max_size=3)
number = st.one_of(st.none(), st.floats(-1e3, 1e3))
observation = st.fixed_dictionaries(
    {
        "errors": share,
        "retries": share,
        "latency": st.one_of(st.none(), st.tuples(bins, bins)),
        "drift": st.one_of(st.none(), st.tuples(bins, bins)),
        "queue": st.one_of(st.none(), st.tuples(number, number)),
    }
)
rollout = st.lists(st.tuples(observation, st.booleans()), min_size=1, max_size=12)


def drive(watched: RolloutMonitor, feed: Any, *, stored: bool = False) -> list[Any]:
    watched.start_stage(10, 20, 0.0)
    verdicts = []
    for index, (observations, new_stage) in enumerate(feed):
        t = 20.0 * (index + 1)
        if new_stage:
            watched.start_stage(20, 50, t)
        if stored:
            watched = RolloutMonitor.from_dict(json.loads(json.dumps(watched.to_dict(), allow_nan=False)))
        verdicts.append(watched.observe(t, observations))
    return verdicts


@settings(max_examples=25, deadline=None)
@given(rollout)
def test_replay_through_json_equals_live_at_every_step(feed: Any) -> None:
    live = drive(RolloutMonitor(MonitorConfig(METRICS)), feed)
    assert drive(RolloutMonitor(MonitorConfig(METRICS)), feed, stored=True) == live


@settings(max_examples=25, deadline=None)
@given(rollout, st.permutations(range(len(METRICS))))
def test_the_order_of_metrics_changes_nothing(feed: Any, order: list[int]) -> None:
    straight = drive(RolloutMonitor(MonitorConfig(METRICS)), feed)
    shuffled = drive(RolloutMonitor(MonitorConfig(tuple(METRICS[index] for index in order))), feed)
    for one, other in zip(straight, shuffled, strict=True):
        assert (one.action, one.reason, one.metric) == (other.action, other.reason, other.metric)
        assert one.e_total == pytest.approx(other.e_total, rel=1e-12)


def traffic(seed: int, challenger_rate: float, scrapes: int = 120) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    requests = [(int(rng.poisson(50)), int(rng.poisson(450))) for _ in range(scrapes)]
    return [
        {"e": {"challenger": (c, rng.binomial(c, challenger_rate)), "champion": (s, rng.binomial(s, 0.01))}}
        for c, s in requests
    ]


def first(action: str, feed: list[dict[str, Any]], **policy: Any) -> float:
    watched = RolloutMonitor({"metrics": ["e"], **policy})
    watched.start_stage(10, 50, 0.0)
    for index, observations in enumerate(feed):
        if watched.observe(5.0 * (index + 1), observations).action == action:
            return 5.0 * (index + 1)
    return float("inf")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0005, 0.4), st.floats(0.0, 0.09), st.floats(0.02, 0.3))
def test_a_smaller_alpha_never_reverts_earlier(seed: int, alpha: float, more: float, rate: float) -> None:
    feed = traffic(seed, rate, 60)
    assert first("Rollback", feed, alpha=alpha) >= first("Rollback", feed, alpha=alpha + more)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 0.05), st.floats(0.0, 0.05))
def test_a_larger_budget_never_promotes_later(seed: int, budget: float, more: float) -> None:
    feed = traffic(seed, 0.01, 60)
    assert first("Promote", feed, risk_budget=budget + more) <= first("Promote", feed, risk_budget=budget)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_more_tolerance_never_reverts_earlier(seed: int, tolerance: float) -> None:
    feed = traffic(seed, 0.1, 40)
    strict = first("Rollback", feed, metrics=[{"name": "e", "tolerance": 0.0}])
    assert first("Rollback", feed, metrics=[{"name": "e", "tolerance": tolerance}]) >= strict
