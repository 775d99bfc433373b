"""No data is not good news and not bad news."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import ERROR_RATE, HALF

DRIFT = {
    "name": "drift",
    "query": 'max(psi{modeldeployment="{{name}}", revision="{{revision}}"})',
    "thresholdRange": {"max": "0.25"},
}


def no_series(query: str) -> list[float]:
    return []


async def test_a_minute_without_prometheus_holds_the_weight_and_then_it_goes_on() -> None:
    """Nothing is reverted."""
    world = await trying()
    world.prometheus.reachable = False
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == ("Blind", "Unreachable")
    world.prometheus.reachable = True
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"2": 100}


async def test_a_version_committed_while_prometheus_is_away_is_judged_once_it_is_back() -> None:
    """Stable is known from the rollout before; what nobody has said of it since blinds no later one."""
    latency = {"name": "latency", "preset": "latency", "thresholdRange": {"max": "900ms"}}
    given = {"steps": HALF, "analysis": {"mode": "Sequential", "metrics": [ERROR_RATE, latency]}}
    world = await trying(at=50, **given)
    await world.run(30)
    world.prometheus.reachable = False
    await world.run(10)
    world.models["3"] = Model()
    world.commit(fraud("3", **given))
    await world.run(20)
    world.prometheus.reachable = True
    await world.until(lambda w: bool(w.routed.get("3")), limit=60)


async def test_targets_that_are_scraped_no_more_are_blindness() -> None:
    """Prometheus answers, with old samples."""
    world = await trying()
    world.prometheus.scrapes = False
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert world.state["verdict"] == "Blind"
    assert world.reason in {"Stale", "TargetsAbsent"}


async def test_a_prometheus_that_has_scraped_nothing_yet_gets_no_canary_its_first_weight() -> None:
    """It has just been started, or scrapes something else: what cannot be judged gets no traffic."""
    world = await serving()
    prometheus = world.prometheus
    prometheus.scrapes, prometheus.last_scrape = False, 0.0
    prometheus.scraped.clear()
    prometheus.scrape_times.clear()
    world.restart()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.run(60)
    assert (world.routed["2"], world.reason) == (0, "TargetsAbsent")
    prometheus.scrapes = True
    await world.until(lambda w: w.phase == "Succeeded")


async def test_blindness_keeps_the_guard_window_open() -> None:
    """A guard that saw nothing has guarded nothing."""
    world = await trying(at=100)
    await world.run(10)
    world.prometheus.reachable = False
    await world.run(60)
    assert world.phase == "Guarding"
    assert len(world.ready("1")) == 4
    world.prometheus.reachable = True
    await world.until(lambda w: w.phase == "Succeeded", limit=10)


async def test_a_restart_in_a_blind_guard_window_does_not_close_it() -> None:
    """What the process before has seen is no look of ours."""
    world = await trying(at=100)
    await world.run(10)
    world.prometheus.reachable = False
    await world.run(30)
    world.restart()
    await world.run(30)
    assert world.phase == "Guarding"


async def test_an_operator_that_was_away_for_the_whole_guard_window_looks_before_it_ends() -> None:
    """Time alone makes nothing stable."""
    world = await trying(at=100)
    await world.run(3)
    world.models["2"].error_rate = 0.5
    for _ in range(60):
        world.clock.move(1.0)
        world.ask()
        world.prometheus.scrape()
    world.restart()
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    assert world.routed == {"1": 100}


async def test_on_blind_revert_takes_the_weight_after_the_timeout() -> None:
    """If the user's policy asks for it; not a second before."""
    world = await trying(analysis={"onBlind": "Revert", "blindTimeout": "20s"})
    world.prometheus.reachable = False
    took = await world.until(lambda w: w.phase == "Reverted", limit=40)
    assert 20 <= took <= 23
    assert world.reason == "BlindTimeout"
    assert world.routed == {"1": 100}


async def test_blindness_that_ends_in_time_starts_anew() -> None:
    """Two short gaps are not one long one."""
    world = await trying(
        analysis={"onBlind": "Revert", "blindTimeout": "20s"}, steps=[{"setWeight": 10}, {"pause": {}}]
    )
    for _ in range(3):
        world.prometheus.reachable = False
        await world.run(15)
        world.prometheus.reachable = True
        await world.run(3)
    assert world.routed == {"1": 90, "2": 10}


async def test_a_restart_does_not_shorten_or_lengthen_the_blind_timeout() -> None:
    """Since when is stored."""
    world = await trying(analysis={"onBlind": "Revert", "blindTimeout": "20s"})
    world.prometheus.reachable = False
    await world.run(10)
    world.restart()
    took = await world.until(lambda w: w.phase == "Reverted", limit=40)
    assert 10 <= took <= 13


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        pytest.param(lambda query: [math.nan], "Blind", "NotANumber", id="not a number"),
        pytest.param(lambda query: [math.inf], "Blind", "NotANumber", id="infinite"),
        pytest.param(lambda query: [0.1, 0.2], "Blind", "SeveralSeries", id="several series"),
        pytest.param(no_series, "Undecided", "NoSeries", id="no series although there is traffic"),
    ],
)
async def test_a_query_that_gives_no_number_holds(
    answer: Callable[[str], list[float]], verdict: str, reason: str
) -> None:
    """Not one number is neither a pass nor a failure."""
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    await serving(world=world, analysis={"metrics": [ERROR_RATE, DRIFT]})
    world.models["2"] = Model()
    world.commit(fraud("2", analysis={"metrics": [ERROR_RATE, DRIFT]}))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.prometheus.own["psi"] = answer
    await world.run(40)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == (verdict, reason)
    world.prometheus.own["psi"] = lambda query: [0.1]
    await world.until(lambda w: w.routed["2"] == 50, limit=15)


async def test_a_query_outside_its_range_reverts() -> None:
    """The record names the metric, the query as it was asked of the canary, and both values."""
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    metrics = {"metrics": [ERROR_RATE, DRIFT]}
    await serving(world=world, analysis=metrics)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=metrics))
    await world.until(lambda w: w.routed.get("2") == 10)
    canary = world.revision("2").rpartition("-")[2]
    world.prometheus.own["psi"] = lambda query: [0.4 if canary in query else 0.1]
    await world.until(lambda w: w.phase == "Reverted", limit=5)
    record = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    assert (record["metric"], record["value"], record["baseline"], record["limit"]) == (
        "drift",
        "0.4",
        "0.1",
        "max 0.25",
    )
    assert record["query"] == DRIFT["query"].replace("{{name}}", "fraud").replace("{{revision}}", canary)


async def test_a_canary_without_traffic_is_undecided() -> None:
    """Nobody has asked it anything."""
    world = await serving()
    world.requests_per_second = 0
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == ("Undecided", "NoTraffic")


async def test_too_few_requests_are_undecided() -> None:
    """One failure of three requests is no error rate of a third."""
    world = World(requests_per_second=2)
    await serving(world=world)
    world.models["2"] = Model(error_rate=0.5)
    world.commit(fraud("2"))
    await world.until(lambda w: w.routed.get("2") == 10)
    await world.run(30)
    assert (world.state["verdict"], world.reason) == ("Undecided", "InsufficientData")
    assert world.routed == {"1": 90, "2": 10}


async def test_the_first_weight_waits_for_a_metrics_source_that_answers() -> None:
    """Nobody is sent to where nobody can see."""
    world = await serving()
    world.prometheus.reachable = False
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.run(100)
    assert world.routed == {"1": 100, "2": 0}
    assert world.reason == "MetricsUnreachable"
    assert world.phase == "Pending"
    world.prometheus.reachable = True
    await world.until(lambda w: w.routed["2"] == 10, limit=5)


@pytest.mark.parametrize(("bad_looks", "phase"), [(2, "Progressing"), (4, "Reverted")], ids=["two", "four"])
async def test_failing_looks_are_tolerated_up_to_their_limit(bad_looks: int, phase: str) -> None:
    """`failureLimit: 2` bears two in a row, and reverts at the third."""
    drift = {**DRIFT, "failureLimit": 2}
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    metrics = {"metrics": [drift]}
    await serving(world=world, analysis=metrics)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=metrics))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.prometheus.own["psi"] = lambda query: [0.5]
    await world.run(bad_looks)
    world.prometheus.own["psi"] = lambda query: [0.1]
    await world.run(2)
    assert world.phase == phase


async def test_a_failing_streak_survives_a_restart() -> None:
    """The number of failing looks is stored when it changes."""
    drift = {**DRIFT, "failureLimit": 3}
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    await serving(world=world, analysis={"metrics": [drift]})
    world.models["2"] = Model()
    world.commit(fraud("2", analysis={"metrics": [drift]}))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.prometheus.own["psi"] = lambda query: [0.5]
    await world.run(3)
    world.restart()
    await world.run(2)
    assert world.phase == "Reverted"


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
@pytest.mark.parametrize("gives", [[math.nan], []], ids=["0/0", "no series"])
async def test_a_night_without_requests_rejects_no_version(mode: str, gives: list[float]) -> None:
    """A query that divides nothing by nothing wants traffic: nobody is blind, whatever `onBlind` asks for."""
    ratio = {
        "name": "ratio",
        "query": 'ratio{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"max": "0.1"},
    }
    analysis = {"mode": mode, "metrics": [ratio], "onBlind": "Revert", "blindTimeout": "30s"}
    world = World()
    world.prometheus.own["ratio"] = lambda query: [0.01]
    await serving(world=world, analysis=analysis)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.requests_per_second = 0
    world.prometheus.own["ratio"] = lambda query: gives
    await world.run(200)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == ("Undecided", "NoTraffic")


async def test_an_empty_ratio_of_a_healthy_service_offers_its_cure() -> None:
    """No 5xx has no series: requests came, so that is no want of traffic."""
    ratio = {
        "name": "ratio",
        "query": 'ratio{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"max": "0.1"},
    }
    world = World()
    world.prometheus.own["ratio"] = lambda query: []
    await serving(world=world, analysis={"metrics": [ratio]})
    world.models["2"] = Model()
    world.commit(fraud("2", analysis={"metrics": [ratio]}))
    await world.until(lambda w: w.routed.get("2") == 10)
    await world.run(30)
    assert (world.state["verdict"], world.reason) == ("Undecided", "NoSeries")
    assert "or vector(0)" in world.state["message"]


async def test_a_revert_by_a_query_of_the_users_says_what_it_rests_on() -> None:
    """The requests of the window, and that there is no baseline."""
    whole = {"name": "whole", "query": 'whole{namespace="{{namespace}}"}', "thresholdRange": {"max": "0.1"}}
    world = World()
    world.prometheus.own["whole"] = lambda query: [0.01]
    await serving(world=world, analysis={"metrics": [whole]})
    world.models["2"] = Model()
    world.commit(fraud("2", analysis={"metrics": [whole]}))
    await world.until(lambda w: w.routed.get("2") == 10)
    await world.run(3)
    world.prometheus.own["whole"] = lambda query: [0.3]
    await world.until(lambda w: w.phase == "Reverted", limit=20)
    record = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    assert record["samples"] > 0
    assert (record["value"], record["baseline"]) == ("0.3", "none")
