"""The way back from the fallback: nobody is given requests who cannot answer, or who was rejected; and time on it shows
nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.scenarios.test_fallback import RULES, backed, falling_back, half_backed, lose, mend, with_rules
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud

pytestmark = WITH_EACH_API

PAUSED = [{"setWeight": 10}, {"pause": {"duration": "60s"}}, {"setWeight": 50}, {"pause": {}}]


def mend_some(world: World, version: str, number: int) -> None:
    """Let so many pods of a version be ready again, and no more."""
    world.models[version].loads = True
    world.kubelet.unready = {pod["metadata"]["name"] for pod in world.pods(version)[number:]}


async def lost_within(world: World, seconds: int) -> float:
    before = world.lost
    await world.run(seconds)
    return world.lost - before


@pytest.mark.parametrize(("pods", "routed"), [(1, {}), (2, {"1": 100, "2": 0})], ids=["a quarter", "half"])
async def test_it_goes_on_until_stable_can_carry_what_a_dead_canary_has(pods: int, routed: dict[str, int]) -> None:
    """A quarter of stable's pods carries half of the requests, and half of them carries all."""
    world = await half_backed()
    lose(world, "1", "2")
    await world.run(5)
    mend_some(world, "1", pods)
    assert await lost_within(world, 60) == 0
    assert world.routed == routed


async def test_it_takes_over_what_neither_stable_nor_a_dead_canary_can_carry() -> None:
    """It has never served before; with the canary's pods all is as it was."""
    world = await half_backed()
    world.break_pods("1", 3)
    await world.run(2)
    assert world.routed == {"1": 50, "2": 50}
    lose(world, "2")
    await world.run(1)
    assert world.fallback == RULES
    assert await lost_within(world, 30) == 0
    mend(world, "2")
    await world.until(lambda w: w.routed == {"1": 50, "2": 50}, limit=20)


async def test_it_answers_for_a_dead_stable_whose_canary_gets_no_further() -> None:
    """The canary has its ten seconds; then it is somebody else's turn, who answers all."""
    world = await half_backed()
    world.break_pods("2", 1)
    world.lever(paused=True)
    lose(world, "1")
    await world.until(lambda w: w.fallback == RULES, limit=15)
    assert await lost_within(world, 30) == 0


async def rejected(world: World, end: str) -> None:
    """Have version 2 fail, or a person abort it, until the fallback answers."""
    if end == "Aborted":
        world.lever(abort=True)
    else:
        world.models["2"].error_rate = 1.0
    await world.until(lambda w: w.phase == end and w.fallback == RULES, limit=20)


def answers_of(world: World, asked: str) -> int:
    """Count what a version has answered, well or not."""
    return sum(count for (version, _), count in world.answers.items() if version == asked)


@pytest.mark.parametrize("end", ["Reverted", "Aborted"])
async def test_a_rejected_canary_gets_nothing_again(end: str) -> None:
    """Stable has a quarter of its pods again: what it cannot take stays where it is, and then stable has everything."""
    world = await half_backed()
    lose(world, "1")
    await world.run(2)
    await rejected(world, end)
    asked = answers_of(world, "2")
    mend_some(world, "1", 1)
    assert await lost_within(world, 40) == 0
    assert (world.fallback, world.weight) == (RULES, 50)
    mend_some(world, "1", 2)
    await world.until(lambda w: w.routed.get("1") == 100, limit=20)
    assert answers_of(world, "2") == asked


@pytest.mark.parametrize("end", ["Reverted", "Aborted"])
async def test_a_commit_after_a_rejection_at_100_percent_starts_from_the_stable_that_died(end: str) -> None:
    """The rejected canary is nobody's stable while the fallback answers: it gets nothing again, and the fix does."""
    world = await backed()
    world.models["2"], world.models["3"] = Model(), Model(seconds_to_load=20)
    world.commit(_guarded(world))
    await world.until(lambda w: w.routed.get("2") == 100, limit=60)
    lose(world, "1")
    await world.run(12)
    await rejected(world, end)
    asked = answers_of(world, "2")
    world.commit(fraud("3", steps=PAUSED, traffic=falling_back(world)))
    await world.run(2)
    assert (world.tried, world.rollout["spec"]["from"]["version"]) == ("3", "1")
    assert await lost_within(world, 15) == 0
    await world.until(lambda w: w.routed.get("3") == 100, limit=60)
    assert answers_of(world, "2") == asked


async def test_a_rejected_canary_goes_on_where_nobody_else_answers_any_more() -> None:
    """The fallback has lost its pods, too: what stable cannot take is the canary's, as without one."""
    world = await half_backed()
    lose(world, "1")
    await world.run(2)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted" and w.fallback == RULES, limit=20)
    lose(world, "rules")
    await world.run(2)
    assert world.routed.get("2") == 50


def _paused(world: World) -> Json:
    return fraud("2", steps=PAUSED, traffic=falling_back(world))


def _guarded(world: World) -> Json:
    guard = {"duration": "60s"}
    return fraud(
        "2", steps=[{"setWeight": 10}, {"pause": {"duration": "5s"}}], guard=guard, traffic=falling_back(world)
    )


@pytest.mark.parametrize(
    ("wish", "begins", "ends"),
    [
        (_paused, lambda w: w.routed.get("2") == 10, lambda w: w.routed.get("2") == 50),
        (_guarded, lambda w: w.routed.get("2") == 100, lambda w: w.phase == "Succeeded"),
    ],
    ids=["pause", "guard"],
)
async def test_a_time_in_which_it_served_nobody_does_not_count(
    wish: Callable[[World], Json], begins: Callable[[World], bool], ends: Callable[[World], bool]
) -> None:
    """All pods go early in a minute of pause or guard, and come back after it: the minute begins anew."""
    world = await backed(progressDeadlineSeconds=600)
    world.models["2"] = Model()
    manifest = wish(world)
    manifest["spec"]["progressDeadlineSeconds"] = 600
    world.commit(manifest)
    await world.until(begins, limit=120)
    await world.run(3)
    lose(world, "1", "2")
    await world.run(70)
    assert world.fallback == RULES
    mend(world, "1", "2")
    await world.until(lambda w: w.fallback is None, limit=60)
    assert 55 <= await world.until(ends, limit=120) <= 70


async def test_the_model_that_counts_is_the_one_that_serves() -> None:
    """A commit renames the model and does not come up: stable's callers still ask for the old name."""
    world = await backed()
    renamed = fraud("2", traffic=falling_back(world))
    renamed["spec"]["model"]["name"] = "fraud-two"
    world.models["2"] = Model(loads=False)
    world.commit(renamed)
    await world.run(5)
    lose(world, "1")
    await world.run(2)
    assert world.fallback == RULES


async def test_a_fallback_for_the_new_name_answers_nobody_who_asks_for_the_old_one() -> None:
    world = World()
    await with_rules(world)
    older = fraud("1", traffic=falling_back(world))
    older["spec"]["model"]["name"] = "old"
    world.models["1"], world.models["2"] = Model(), Model(loads=False)
    world.commit(older)
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    Watchdog(world)
    world.commit(fraud("2", traffic=falling_back(world)))
    await world.run(5)
    lose(world, "1")
    await world.run(3)
    assert world.fallback is None
    assert world.condition("FallbackServing")["reason"] == "FallbackModelDiffers"
    assert "fraud the model old" in world.condition("FallbackServing")["message"]
