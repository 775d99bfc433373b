"""setHeaderRoute: a cohort sees the new version before the first percent."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.matches import By, Match, Part
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import ERROR_RATE

pytestmark = WITH_EACH_API

PREMIUM = Match(Part.HEADER, "x-tier", By.EXACT, "premium")
COHORT = {"setHeaderRoute": {"match": [{"headerName": "X-Tier", "headerValue": {"exact": "premium"}}]}}
STEPS: list[dict[str, Any]] = [
    COHORT,
    {"pause": {"duration": "30s"}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
]
UNTIL_PROMOTED = [COHORT, {"pause": {}}, {"setWeight": 50}]


async def with_a_cohort(model: Model | None = None, *, steps: list[dict[str, Any]] = STEPS, **spec: Any) -> World:
    """A world in which a fifth of the requests is the cohort's, and the cohort has version 2."""
    world = await serving(steps=steps, **spec)
    Watchdog(world)
    world.cohort = 20.0
    world.models["2"] = model or Model()
    world.commit(fraud("2", steps=steps, **spec))
    await world.until(lambda w: shown(w) == Exposure(0, (PREMIUM,)))
    return world


def shown(world: World) -> Exposure:
    """What the live route shows version 2."""
    split = world.split
    tried = next((name for name in split.revisions if world.version(name) == "2"), None) if split else None
    return split.exposure_of(tried) if split else NOTHING


async def test_a_cohort_then_a_weight_then_everybody() -> None:
    """The cohort stays beside the weight, and is everybody in the end."""
    world = await with_a_cohort()
    assert world.state["exposure"] == "x-tier=premium"
    (raised,) = [one for one in world.state["decisions"] if one["action"] == "Raised"]
    assert (raised["weight"], raised["exposure"], raised["message"]) == (0, "x-tier=premium", "0% to x-tier=premium")
    assert ("WeightRaised", "Version 2: 0% to x-tier=premium") in [event[1:] for event in world.events]
    await world.until(lambda w: shown(w) == Exposure(50, (PREMIUM,)), limit=60)
    assert world.state["exposure"] == "50%, x-tier=premium"
    await world.until(lambda w: w.phase == "Succeeded", limit=120)
    assert world.split is not None
    assert not world.split.matches
    assert world.routed == {"2": 100}


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_a_cohort_that_meets_a_bad_version_is_taken_back_at_once(mode: str) -> None:
    """It is no random sample: limits judge it, whatever the mode."""
    world = await with_a_cohort(Model(error_rate=0.5), analysis={"mode": mode})
    await world.until(lambda w: w.phase == "Reverted", limit=20)
    assert shown(world) == NOTHING
    assert world.reason == "LimitExceeded"
    assert {version for version, code in world.answers if code == "500"} == {"2"}


async def test_without_requests_of_the_cohort_nobody_else_sees_it() -> None:
    """A pause that nobody used shows nothing."""
    world = await serving(steps=STEPS)
    world.models["2"] = Model()
    world.commit(fraud("2", steps=STEPS))
    await world.until(lambda w: shown(w) == Exposure(0, (PREMIUM,)))
    await world.run(120)
    assert shown(world) == Exposure(0, (PREMIUM,))
    assert world.state["verdict"] == "Undecided"


async def test_a_cohort_waits_for_people_where_a_pause_says_so() -> None:
    world = await with_a_cohort(steps=UNTIL_PROMOTED)
    await world.run(60)
    assert (world.phase, world.reason) == ("Paused", "AwaitingPromotion")
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: shown(w).weight == 50, limit=30)


async def test_an_abort_takes_the_cohort_in_one_write() -> None:
    world = await with_a_cohort(steps=UNTIL_PROMOTED)
    world.lever(abort=True)
    await world.tick()
    assert shown(world) == NOTHING


async def test_a_cohort_goes_back_when_the_canary_has_no_pod() -> None:
    """And comes again with its pods."""
    world = await with_a_cohort(steps=UNTIL_PROMOTED)
    world.break_pods("2", 4)
    await world.until(lambda w: shown(w) == NOTHING, limit=10)
    assert world.state["decisions"][-1]["message"] != "no canary pod is ready: weight 0 to 0"
    world.kubelet.unready = set()
    await world.until(lambda w: shown(w) == Exposure(0, (PREMIUM,)), limit=30)


async def test_a_restarted_operator_knows_the_cohort() -> None:
    """From the status alone."""
    world = await with_a_cohort(steps=UNTIL_PROMOTED)
    world.restart()
    await world.run(10)
    assert shown(world) == Exposure(0, (PREMIUM,))
    assert world.state["matches"] == [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]


async def test_a_fix_committed_meanwhile_takes_its_place() -> None:
    world = await with_a_cohort(steps=UNTIL_PROMOTED)
    world.models["3"] = Model()
    world.commit(fraud("3", steps=UNTIL_PROMOTED))
    await world.until(lambda w: w.tried == "3", limit=20)
    assert shown(world) == NOTHING


async def test_pace_evidence_takes_its_time_with_a_cohort() -> None:
    """No evidence is gathered of a cohort alone, so nothing but the clock ends its pause."""
    steps = [COHORT, {"pause": {"duration": "60s"}}, {"setWeight": 50}]
    strategy = {"canary": {"pace": "Evidence", "steps": steps}}
    world = await with_a_cohort(steps=steps, strategy=strategy, analysis={"mode": "Sequential"})
    await world.run(50)
    assert shown(world) == Exposure(0, (PREMIUM,))
    await world.until(lambda w: shown(w).weight == 50, limit=30)


async def test_without_any_limit_a_cohort_proves_nothing() -> None:
    """Half of its requests fail, and nothing says that this is too many."""
    bare = {"mode": "Sequential", "metrics": [{"name": "error-rate", "preset": "error-rate"}]}
    world = await with_a_cohort(Model(error_rate=0.5), analysis=bare)
    await world.run(90)
    assert shown(world) == Exposure(0, (PREMIUM,))
    assert (world.reason, world.state["verdict"]) == ("NotComparable", "Undecided")


async def test_a_metric_without_a_limit_is_said_to_be_unjudged() -> None:
    """The rise rests on the others."""
    latency = {"name": "latency-p99", "preset": "latency"}
    world = await with_a_cohort(analysis={"mode": "Sequential", "metrics": [ERROR_RATE, latency]})
    await world.until(lambda w: shown(w).weight == 50, limit=90)
    raised = [one for one in world.state["decisions"] if one["action"] == "Raised"][-1]
    assert raised["message"] == "weight 0 to 50; latency-p99 not judged for the cohort: no limit"
