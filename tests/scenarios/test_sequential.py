"""The sequential test in the product: what it reverts, what it bears, and how it paces."""

from __future__ import annotations

import random
import re

import pytest

from tests.support.world.given import ERROR_RATE, fraud, serving, trying
from tests.support.world.kubelet import Model
from tests.support.world.world import World

SEQUENTIAL = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}]}
LONG_STAGES = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]


async def test_a_tenfold_error_rate_under_every_limit_is_reverted() -> None:
    """One error in a hundred where stable has none: 5 % would never see it."""
    world = await trying(model=Model(error_rate=0.01), steps=LONG_STAGES, analysis=SEQUENTIAL)
    took = await world.until(lambda w: w.phase == "Reverted", limit=600)
    assert world.reason == "Worse"
    assert world.answers["2", "500"] < 30
    assert took < 600


async def test_a_revert_by_client_errors_says_which_and_how_many() -> None:
    """One answer in a hundred is a 400 where stable has none: the test reverts, and counts over the whole rollout."""
    model = Model(error_rate=0.01, error_code="400")
    world = await trying(model=model, steps=LONG_STAGES, analysis=SEQUENTIAL)
    await world.until(lambda w: w.phase == "Reverted", limit=900)
    assert world.reason == "Worse"
    pattern = r"error-rate \(4xx\) is 1% of \d+ requests, stable 0% of .*; (\d+) x HTTP 400$"
    counted = re.search(pattern, world.state["message"])
    assert counted is not None, world.state["message"]
    assert int(counted[1]) == pytest.approx(world.answers["2", "400"], abs=2)


async def test_the_codes_outlive_a_crash() -> None:
    """They are part of the evidence."""
    model = Model(error_rate=0.01, error_code="400")
    world = await trying(model=model, steps=LONG_STAGES, analysis=SEQUENTIAL)
    await world.run(61)
    world.restart()
    await world.until(lambda w: w.phase == "Reverted", limit=900)
    assert "x HTTP 400" in world.state["message"]


async def test_an_equal_revision_is_promoted() -> None:
    """Both fail one request in two hundred."""
    world = World()
    world.models["1"] = Model(error_rate=0.005)
    await serving(world=world, analysis=SEQUENTIAL)
    world.models["2"] = Model(error_rate=0.005)
    world.commit(fraud("2", analysis=SEQUENTIAL))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=300)


async def test_a_broken_model_is_taken_back_by_the_guardrail_within_seconds() -> None:
    """The literal limit acts before any evidence is weighed."""
    world = await trying(model=Model(error_rate=0.2), analysis=SEQUENTIAL)
    assert await world.until(lambda w: w.phase == "Reverted", limit=10) <= 4
    assert world.reason == "LimitExceeded"


async def test_an_outage_that_both_share_holds_and_does_not_revert() -> None:
    """A dependency is down for thirty seconds: a fifth of all requests fail on both."""
    world = await trying(steps=LONG_STAGES, analysis=SEQUENTIAL)
    await world.run(60)
    for version in ("1", "2"):
        world.models[version].error_rate = 0.2
    await world.run(30)
    assert (world.phase, world.reason) == ("Progressing", "CommonCause")
    for version in ("1", "2"):
        world.models[version].error_rate = 0.0
    await world.run(70)
    assert (world.phase, world.state["verdict"]) == ("Progressing", "Safe")


async def test_with_pace_evidence_the_weight_rises_as_soon_as_the_budget_allows() -> None:
    """Ten minutes of pauses are not waited for."""
    pace = {"canary": {"steps": LONG_STAGES, "pace": "Evidence"}}
    analysis = {**SEQUENTIAL, "minDwell": "20s", "riskBudget": "5%"}
    world = await serving(analysis=analysis, strategy=pace)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis, strategy=pace))
    await world.until(lambda w: w.routed.get("2") == 10)
    took = await world.until(lambda w: w.phase == "Guarding", limit=600)
    assert 20 <= took < 300


@pytest.mark.parametrize("second", [3, 17, 41, 59], ids=lambda second: f"at-{second}s")
async def test_the_verdict_path_is_that_of_an_uninterrupted_run_wherever_the_operator_is_killed(second: int) -> None:
    """Evidence is a checkpoint in the status, and the scrapes since then are replayed at their true times."""
    paths = []
    for killed in (False, True):
        world = await trying(model=Model(error_rate=0.01), steps=LONG_STAGES, analysis=SEQUENTIAL)
        path = []
        for tick in range(400):
            if killed and tick == second:
                world.restart()
            await world.tick()
            if world.phase == "Reverted":
                break
        path.append((tick, world.phase, world.reason, world.state["decisions"][-1]["message"]))
        paths.append(path)
    assert paths[0] == paths[1]


async def test_an_outage_that_was_shared_is_remembered_over_a_restart() -> None:
    """The outage is over, half of it is still in the window, and the operator is new."""
    world = await trying(steps=LONG_STAGES, analysis=SEQUENTIAL)
    await world.run(60)
    for version in ("1", "2"):
        world.models[version].error_rate = 0.2
    await world.until(lambda w: w.reason == "CommonCause", limit=30)
    world.restart()
    world.models["1"].error_rate = 0.0
    await world.run(5)
    world.models["2"].error_rate = 0.0
    await world.run(60)
    assert world.phase == "Progressing"


@pytest.mark.parametrize("provider", ["istio", "triton"])
async def test_a_good_revision_is_promoted_whatever_preset_it_is_judged_by(provider: str) -> None:
    """Each preset of each provider in Sequential mode comes to Safe."""
    metrics = [
        {**ERROR_RATE, "provider": provider, "minSamples": 5},
        {"name": "p99", "preset": "latency", "provider": provider, "thresholdRange": {"max": "10s"}, "minSamples": 5},
        {"name": "count", "preset": "request-count", "provider": provider, "thresholdRange": {"min": "10"}},
    ]
    analysis = {"mode": "Sequential", "metrics": metrics}
    world = await serving(analysis=analysis)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=400)


async def test_three_percent_of_errors_are_caught_beside_a_query_of_the_users_own() -> None:
    """The query is answered at times of its own, and costs the preset no scrape."""
    own = {
        "name": "drift",
        "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"max": "5"},
    }
    analysis = {**SEQUENTIAL, "metrics": [*SEQUENTIAL["metrics"], own]}
    world = await serving()
    world.prometheus.own["psi"] = lambda _: [0.1]
    world.models["2"] = Model(error_rate=0.03)
    world.commit(fraud("2", steps=LONG_STAGES, analysis=analysis))
    await world.until(lambda w: w.phase == "Reverted", limit=600)
    assert world.reason == "Worse"


async def test_a_noisy_number_of_the_users_own_gates_without_holding_for_ever() -> None:
    """It covers a minute, and each value of a minute counts: after twenty of them two equal versions can be told so."""
    own = {
        "name": "sales",
        "query": 'sales{modeldeployment="{{name}}", revision="{{revision}}"}[{{window}}]',
        "thresholdRange": {"min": "1"},
    }
    analysis = {**SEQUENTIAL, "metrics": [*SEQUENTIAL["metrics"], own]}
    world = await serving()
    world.prometheus.own["sales"] = lambda query: [_over_a_minute(query, world.prometheus.now)]
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=3600)


def _over_a_minute(query: str, now: float) -> float:
    """Give the mean of twelve values, one each five seconds; each revision's are its own."""
    end = int(now / 5)
    return sum(40.0 + random.Random(f"{query}{at}").gauss(0, 14) for at in range(end - 12, end)) / 12
