"""Clocks that jump, differ or are late: what is judged is what happened since, and durations are those that passed."""

from __future__ import annotations

import pytest

from tests.support.world import World, serving, trying
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

HELD_AT_50 = [{"setWeight": 50}, {"pause": {}}]
MODES = pytest.mark.parametrize("mode", ["Threshold", "Sequential"])


async def seconds_to_revert(world: World, *, limit: float) -> float:
    world.models["2"].error_rate = 1.0
    return await world.until(lambda w: w.phase == "Reverted", limit=limit)


@MODES
@pytest.mark.parametrize("forgets", [True, False], ids=["samples of the future are gone", "they are there"])
@pytest.mark.parametrize("step", [-600, -60, -5, 5, 600], ids=lambda step: f"{step:+d} s")
async def test_a_clock_that_is_set_delays_no_revert(mode: str, step: int, forgets: bool) -> None:
    """The operator's machine and Prometheus' step together."""
    world = await trying(steps=HELD_AT_50, at=50, analysis={"mode": mode})
    await world.run(5)
    world.clock.seconds += step
    if forgets and step < 0:
        world.prometheus.scraped.clear()
    assert await seconds_to_revert(world, limit=30) <= 5


@pytest.mark.parametrize("step", [-600, 600], ids=["back", "forward"])
async def test_a_clock_that_is_set_ends_no_pause_early_and_makes_none_longer(step: int) -> None:
    """Of ten seconds, eight are left, and a look or two."""
    world = await trying(at=10)
    await world.run(2)
    world.clock.seconds += step
    assert await world.until(lambda w: w.routed.get("2") == 50, limit=60) == pytest.approx(9, abs=3)


@MODES
@pytest.mark.parametrize("behind", [60, 600], ids=lambda behind: f"{behind} s behind")
async def test_a_standby_with_a_clock_that_is_behind_takes_over_at_once(mode: str, behind: int) -> None:
    """What its predecessor wrote lies in its future."""
    world = await trying(steps=HELD_AT_50, at=50, analysis={"mode": mode})
    await world.run(5)
    world.clock.seconds -= behind
    world.prometheus.ahead = behind
    world.restart()
    await world.run(3)
    assert await seconds_to_revert(world, limit=30) <= 5


async def test_a_standby_with_a_clock_that_is_behind_weighs_on_at_once() -> None:
    """The limit says nothing: the test alone finds it, as soon as under the predecessor, and is not blind till then."""
    took = []
    for behind in (0, 600):
        world = World(requests_per_second=500)
        loose = {"mode": "Sequential", "interval": "5s", "metrics": [{**ERROR_RATE, "thresholdRange": {"max": "50%"}}]}
        await serving(world=world, steps=HELD_AT_50, analysis=loose)
        world.models["2"] = Model()
        world.commit(fraud("2", steps=HELD_AT_50, analysis=loose))
        await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 50)
        await world.run(60)
        world.clock.seconds -= behind
        world.restart()
        world.models["2"].error_rate = 0.2
        took.append(await world.until(lambda w: w.phase == "Reverted", limit=400))
    assert took[1] == pytest.approx(took[0], abs=60)


@MODES
@pytest.mark.parametrize("ahead", [-600, -20, 20, 600], ids=lambda ahead: f"{ahead:+d} s")
async def test_a_source_with_another_clock_judges_like_any_other(mode: str, ahead: int) -> None:
    """A good version walks through, a bad one is reverted."""
    world = World()
    world.prometheus.ahead = ahead
    analysis = {"mode": mode, "metrics": [ERROR_RATE]}
    await serving(world=world, analysis=analysis)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 50, limit=60)
    assert await seconds_to_revert(world, limit=30) <= 5
    assert world.sampler.sources()["default"][0] == ahead


async def test_a_source_that_shows_its_samples_late_is_allowed_for() -> None:
    """Its newest one is always thirty seconds old: the canary walks on, and is never called blind."""
    world = World()
    world.prometheus.late = 30.0
    await serving(world=world)
    await world.run(60)
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10)
    seen = set()
    world.after_tick = lambda: seen.add(world.state.get("verdict"))
    await world.until(lambda w: w.phase == "Guarding", limit=200)
    assert seen <= {"Undecided", "Safe"}
    assert world.sampler.sources()["default"][1] == pytest.approx(30, abs=2)


async def test_a_source_that_is_too_late_to_judge_by_lets_no_canary_begin() -> None:
    """The message says by how many seconds."""
    world = World()
    world.prometheus.late = 150.0
    await serving(world=world)
    await world.run(200)
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.run(40)
    assert world.routed.get("2", 0) == 0
    assert world.reason == "Stale"
    assert "150 s old" in world.state["message"] or "151 s old" in world.state["message"]
