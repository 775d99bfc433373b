"""The guard of a group: all members succeed or none, whatever is committed meanwhile."""

from __future__ import annotations

import pytest

from tests.scenarios.apis import WITH_EACH_API
from tests.support.group_invariants import GroupWatchdog
from tests.support.world.grouped import both, moving, pair, prep, scorer

pytestmark = WITH_EACH_API
LONG = {"duration": "300s"}


async def test_no_member_succeeds_while_another_may_still_go_back() -> None:
    """The guard of one lasts forty seconds longer: the other one's old version stays warm for as long."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2", guard={"duration": "5s"}))
    world.commit(prep("p2", "r2", guard={"duration": "45s"}))
    await world.until(lambda w: both(w, other, "Guarding"))
    await world.run(30)
    assert both(world, other, "Guarding")
    assert (world.reason, world.state["readyFor"]) == ("WaitingForGroup", 5)
    assert world.ready("1")
    world.models["p2"].error_rate = 0.5
    await world.until(lambda w: other.phase == "Reverted", limit=10)
    assert (world.phase, world.reason) == ("Reverted", "GroupReverted")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)


async def test_a_member_without_a_guard_waits_at_100_percent_for_the_guards_of_the_others() -> None:
    """Its own verdicts still act."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2", guard={"duration": "0s"}))
    world.commit(prep("p2", "r2"))
    await world.until(lambda w: w.tried == "2" and w.weight == 100)
    await world.run(10)
    assert (world.phase, world.reason) == ("Guarding", "WaitingForGroup")
    await world.until(lambda w: both(w, other, "Succeeded"))


async def test_a_new_release_in_a_guard_that_was_safe_ends_it_well_for_all_of_them() -> None:
    """One commit has arrived, and all members were Safe at 100 %: all of them become stable, and the next one waits."""
    world, other = await moving(at=100, guard=LONG)
    GroupWatchdog(world)
    await world.run(10)
    world.commit(scorer("3", "r3", guard=LONG))
    await world.run(2)
    assert both(world, other, "Succeeded")
    assert (world.status["serving"].split("@")[0], other.status["serving"].split("@")[0]) == ("2", "p2")
    assert world.status["reason"] == "WaitingForGroup"
    world.commit(prep("p3", "r3", guard=LONG))
    await world.run(2)
    assert world.rollout["spec"]["from"]["version"] == "2"


async def test_a_new_release_in_a_guard_that_one_member_may_not_end_takes_all_of_them_back() -> None:
    """It is paused, Blind or failing: what the others have shown does not help."""
    world, other = await moving(at=100, guard=LONG)
    GroupWatchdog(world)
    await world.run(10)
    other.lever(paused=True)
    await world.run(1)
    world.commit(scorer("3", "r3", guard=LONG))
    await world.run(2)
    assert both(world, other, "Superseded")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)


MOVES_ON = [
    pytest.param("3", "r3", "r3", id="to another model in another release"),
    pytest.param("1", "r3", "r3", id="to another release with the model that serves"),
]


@pytest.mark.parametrize(("version", "release", "next_release"), MOVES_ON)
async def test_a_member_at_rest_that_moves_on_does_not_hold_a_guard_that_was_safe(
    version: str, release: str, next_release: str
) -> None:
    """Its model did not change in the release, so the pair was shown as it is; the next release starts from there."""
    world, other = await pair(guard=LONG)
    GroupWatchdog(world)
    world.commit(scorer("1", "r2", guard=LONG))
    world.commit(prep("p2", "r2", guard=LONG))
    await world.until(lambda w: other.phase == "Guarding")
    await world.run(10)
    world.commit(scorer(version, release, guard=LONG))
    await world.run(3)
    assert (other.tried, other.phase) == ("p2", "Succeeded")
    world.commit(prep("p3", next_release, guard=LONG))
    await world.run(3)
    assert other.rollout["spec"]["from"]["version"] == "p2"
    await world.until(lambda w: other.tried == "p3" and other.phase == "Guarding")


async def test_a_member_at_rest_that_moves_on_ends_a_guard_that_was_never_safe() -> None:
    """What it was shown for is wanted no more, and nothing speaks for it."""
    world, other = await pair(guard=LONG)
    GroupWatchdog(world)
    world.commit(scorer("1", "r2", guard=LONG))
    world.commit(prep("p2", "r2", guard=LONG))
    await world.until(lambda w: other.phase == "Guarding")
    other.lever(paused=True)
    await world.run(3)
    world.commit(scorer("3", "r3", guard=LONG))
    await world.run(3)
    assert (other.phase, other.reason) == ("Superseded", "GroupSuperseded")
    assert other.routed["p1"] == 100


async def test_a_model_of_the_same_release_that_comes_in_the_guard_starts_after_it() -> None:
    """It waits for the guard, and the guard does not wait for it."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("1", "r2"))
    world.commit(prep("p2", "r2"))
    await world.until(lambda w: other.phase == "Guarding")
    world.commit(scorer("2", "r2"))
    await world.run(2)
    assert (world.tried, world.status["reason"]) == ("1", "WaitingForGroup")
    assert "is in its guard window" in world.condition("Reconciling")["message"]
    await world.until(lambda w: w.tried == "2" and w.phase == "Succeeded")
    assert (world.routed, other.routed) == ({"2": 100}, {"p2": 100})
