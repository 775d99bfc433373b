"""A canary that lost its pods comes back: what callers got meanwhile is no verdict on it, however late it is shown."""

from __future__ import annotations

import pytest

from tests.scenarios.test_slow_scrapes import MODES, SCRAPED, begun
from tests.support.world import World, serving
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

NUMBER = {
    "name": "refused",
    "query": 'sum(increase(refused{service="{{service}}"}[1m]))',
    "thresholdRange": {"max": "0.5"},
}
STEPS = [{"setWeight": 10}, {"pause": {"duration": "2m"}}]


async def lost_and_found(world: World) -> None:
    """Drain the node of all of the canary's pods, which come back at once."""
    world.break_pods("2", 4)
    await world.until(lambda w: w.routed.get("2") == 0, limit=3)
    world.break_pods("2", 0)


@SCRAPED
@MODES
@pytest.mark.parametrize("after", [0.2, 2.5], ids=["before its first scrape", "after two scrapes"])
async def test_the_scrape_that_shows_the_503_is_not_held_against_it(mode: str, every: int, after: float) -> None:
    """It comes when the canary has weight again."""
    world = await begun(mode, every)
    await world.run(after * every)
    await lost_and_found(world)
    await world.until(lambda w: w.phase in {"Guarding", "Reverted"}, limit=1000)
    assert world.phase == "Guarding"


async def test_a_users_number_is_read_when_it_covers_nothing_of_before() -> None:
    """It counts what was refused within a minute, and says so for as long."""
    world, spec = World(), {"steps": STEPS, "analysis": {"metrics": [ERROR_RATE, NUMBER]}}
    refused_at = [-1e9]
    world.prometheus.own["refused"] = lambda query: [float(world.clock.monotonic() - refused_at[0] < 60)]
    await serving(world=world, **spec)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10)
    await world.run(30)
    await lost_and_found(world)
    refused_at[0] = world.clock.monotonic()
    said: set[str] = set()
    world.after_tick = lambda: said.add(world.state.get("message", ""))
    await world.until(lambda w: w.phase in {"Guarding", "Reverted"}, limit=300)
    assert world.phase == "Guarding"
    assert any("still covers the time before the canary had weight again" in text for text in said)


@SCRAPED
@MODES
@pytest.mark.parametrize("missed", [1, 4], ids=["one scrape missed", "four missed"])
async def test_nor_is_a_scrape_that_comes_late(mode: str, every: int, missed: int) -> None:
    """It tells of the time since the last one that came, the counter of the first 503, too."""
    world = await begun(mode, every)
    await world.run(2.5 * every)
    world.prometheus.scrapes = False
    await lost_and_found(world)
    await world.run(missed * every)
    world.prometheus.scrapes = True
    await world.until(lambda w: w.phase in {"Guarding", "Reverted"}, limit=1000)
    assert world.phase == "Guarding"


@SCRAPED
@MODES
async def test_a_bad_version_whose_pods_come_and_go_between_two_scrapes_is_reverted(mode: str, every: int) -> None:
    """Each return leaves the scrape out that tells of it; after a few nothing is left out any more."""
    world = await begun(mode, every)
    world.models["2"].error_rate = 0.5
    began = world.clock.monotonic()
    while world.phase != "Reverted" and world.clock.monotonic() - began < 20 * every:
        await lost_and_found(world)
        await world.run(0.8 * every)
    assert world.phase == "Reverted"
    assert world.clock.monotonic() - began <= 6 * every


@SCRAPED
async def test_a_version_that_is_bad_when_it_is_back_is_reverted(every: int) -> None:
    """By the second scrape, or the third."""
    world = await begun("Sequential", every)
    await world.run(2.5 * every)
    await lost_and_found(world)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.routed.get("2") == 10, limit=60)
    assert await world.until(lambda w: w.phase == "Reverted", limit=300) <= 4 * every + 5
