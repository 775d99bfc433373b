"""Stable's own past: asked for once a rollout, beside the looks, and what the test makes of it."""

from __future__ import annotations

import asyncio

import pytest

from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer
from serinus.core.model.kinds import Json
from tests.support.world.given import ERROR_RATE, fraud, serving
from tests.support.world.kubelet import Model
from tests.support.world.world import World

SEQUENTIAL: Json = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5, "clientErrors": "Count"}]}
LONG_STAGES: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]
HOUR = 3600


def let_it_serve(world: World, seconds: int) -> None:
    """Let requests come, while nothing changes that an operator would have to do something about."""
    for _ in range(seconds):
        world.clock.move(1.0)
        world.ask()
        world.prometheus.scrape()


async def served_for(seconds: int, *, error_rate: float = 0.002, analysis: Json = SEQUENTIAL) -> World:
    """A world in which version 1 has served alone for so long."""
    world = World()
    world.models["1"] = Model(error_rate=error_rate)
    await serving(world=world, steps=LONG_STAGES, analysis=analysis)
    let_it_serve(world, seconds)
    return world


async def try_another(
    world: World, version: str = "2", *, error_rate: float = 0.002, analysis: Json = SEQUENTIAL
) -> None:
    """Give another version its first weight, and let it be looked at."""
    world.models[version] = Model(error_rate=error_rate)
    world.commit(fraud(version, steps=LONG_STAGES, analysis=analysis))
    await world.until(lambda w: w.tried == version and w.routed.get(version) == 10)
    await world.run(12)


def calibration(world: World) -> str:
    found: str = world.state["outlook"]["calibration"]
    return found


def about_the_past(world: World) -> list[str]:
    """What was asked with a range longer than any look's."""
    return [query for query in world.prometheus.asked if "[302s]" in query or "[3602s]" in query]


async def test_an_hour_of_stable_alone_calibrates_the_test() -> None:
    """The record says what the test was calibrated on."""
    world = await served_for(HOUR)
    await try_another(world)
    assert calibration(world) == "calibrated on 60 min of version 1, its counts over time"


async def test_a_short_past_is_said_and_not_used() -> None:
    """Ten minutes tell no wander from chance."""
    world = await served_for(600)
    await try_another(world)
    assert calibration(world).startswith("not calibrated: only 10 min of version 1 serving alone are on record")
    assert calibration(world).endswith("40 min are needed")


async def test_a_past_without_errors_is_said() -> None:
    """Who never fails shows nothing of how failures come."""
    world = await served_for(HOUR, error_rate=0.0)
    await try_another(world)
    text = "not calibrated: 60 min of version 1 had too few events (error-rate has 0; 50 are needed)"
    assert calibration(world) == text


async def test_time_that_was_shared_with_another_rollout_is_left_out() -> None:
    """Stable had nine tenths of the requests then, and the record of that Rollout says when."""
    world = await served_for(2 * HOUR)
    await try_another(world, "2", error_rate=0.3)
    await world.until(lambda w: w.phase == "Reverted")
    let_it_serve(world, 600)
    await try_another(world, "3")
    assert calibration(world) == "calibrated on 2 h of version 1, its counts over time"


async def test_the_past_is_asked_for_once_a_rollout() -> None:
    """What was learnt is part of the evidence, and survives the process."""
    world = await served_for(HOUR)
    await try_another(world)
    await world.run(60)
    asked = len(about_the_past(world))
    assert asked
    world.restart()
    await world.run(30)
    assert len(about_the_past(world)) == asked
    assert calibration(world).startswith("calibrated on 60 min of version 1")


async def test_a_source_that_refuses_its_past_is_said_and_holds_up_nothing() -> None:
    """The looks are answered, and the test is as cautious as without a past."""
    world = await served_for(HOUR)
    ask = world.prometheus.ask

    async def without_a_past(source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        return await ask(source, query, own=own) if at is None else NoAnswer(Failure.REFUSED, "HTTP 422: too many")

    world.prometheus.ask = without_a_past  # type: ignore[method-assign]
    await try_another(world)
    assert calibration(world) == "not calibrated: HTTP 422: too many"
    assert world.state["verdict"] == "Safe"


async def test_a_source_that_never_answers_about_the_past_delays_no_revert() -> None:
    """The question goes on beside the looks."""
    world = await served_for(HOUR)
    ask, never = world.prometheus.ask, asyncio.Event()

    async def silent_about_the_past(
        source: str, query: str, at: float | None = None, *, own: str = ""
    ) -> MetricsAnswer:
        if at is not None:
            await never.wait()
        return await ask(source, query, own=own)

    world.prometheus.ask = silent_about_the_past  # type: ignore[method-assign]
    world.models["2"] = Model(error_rate=0.5)
    world.commit(fraud("2", steps=LONG_STAGES, analysis=SEQUENTIAL))
    await world.until(lambda w: w.routed.get("2") == 10)
    assert await world.until(lambda w: w.phase == "Reverted", limit=10) <= 5
    await world.sampler.close()


async def test_a_past_makes_the_test_faster() -> None:
    """Where errors come one by one no allowance for bursts is needed: a fifth of the time, here."""
    took = []
    for seconds in (60, HOUR):
        world = await served_for(seconds)
        await try_another(world, error_rate=0.01)
        took.append(await world.until(lambda w: w.phase == "Reverted", limit=600))
    assert took[1] < took[0] / 2


async def at_full_weight(world: World) -> None:
    """Let version 2 come to its guard window."""
    world.models["2"] = Model(error_rate=0.002)
    steps: list[Json] = [{"setWeight": 50}, {"pause": {"duration": "20s"}}]
    world.commit(fraud("2", steps=steps, analysis=SEQUENTIAL, guard={"duration": "10m"}))
    await world.until(lambda w: w.phase == "Guarding")
    await world.run(70)


@pytest.mark.parametrize(("outage", "phase"), [(20, "Guarding"), (80, "Reverted")], ids=["as long as before", "longer"])
async def test_at_full_weight_an_outage_of_the_usual_length_reverts_nothing(outage: int, phase: str) -> None:
    """Stable's own was half a minute; nothing else tells one from a bad version there."""
    world = await served_for(HOUR // 2)
    world.models["1"].error_rate = 0.2
    let_it_serve(world, 30)
    world.models["1"].error_rate = 0.002
    let_it_serve(world, HOUR // 2)
    await at_full_weight(world)
    world.models["2"].error_rate = 0.2
    await world.run(outage)
    world.models["2"].error_rate = 0.002
    await world.run(5)
    assert world.phase == phase
