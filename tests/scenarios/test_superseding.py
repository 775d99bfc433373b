"""What a new commit does to a rollout that is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import ERROR_RATE

pytestmark = WITH_EACH_API


def by_version(world: World) -> dict[str, tuple[str, str]]:
    return {one["spec"]["to"]["version"]: (one["status"]["phase"], one["status"]["reason"]) for one in world.rollouts}


async def test_a_new_spec_in_mid_rollout_takes_the_weight_away_and_then_starts() -> None:
    """The old canary is at 0 before the new one is tried; both start from stable."""
    world = await trying(at=50)
    world.models["3"] = Model()
    seen = []
    world.after_tick = lambda: seen.append(world.routed)
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Succeeded")
    assert by_version(world)["2"] == ("Superseded", "NewSpec")
    assert by_version(world)["3"] == ("Succeeded", "Succeeded")
    assert seen[0] == {"1": 100, "3": 0}
    assert all("2" not in routed for routed in seen)
    assert world.lost == 0


async def test_a_superseded_pair_is_not_rejected() -> None:
    """It may be committed again."""
    world = await trying()
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.run(3)
    assert world.status["rejected"] == []
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"2": 100}


async def test_the_spec_set_back_to_stable_is_an_immediate_way_back() -> None:
    """`git revert` in mid-rollout; no new rollout is needed."""
    world = await trying(at=50)
    world.commit(fraud("1"))
    await world.tick()
    assert (world.phase, world.reason) == ("Superseded", "SpecRestored")
    assert world.routed == {"1": 100}
    await world.run(30)
    assert len(world.rollouts) == 2
    assert not world.pods("2")
    assert world.lost == 0


async def test_the_previous_spec_in_the_guard_window_is_an_instant_revert() -> None:
    """Its pods are still warm."""
    world = await trying(at=100)
    world.commit(fraud("1"))
    await world.tick()
    assert (world.phase, world.reason) == ("Superseded", "SpecRestored")
    assert world.routed == {"1": 100}
    assert world.lost == 0


async def test_back_to_a_version_that_has_succeeded_takes_one_guarded_step() -> None:
    """Its pods are gone: it is sized for everything, and then gets everything."""
    world = await trying(at=100)
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(20)
    assert not world.pods("1")
    weights: list[int] = []
    world.after_tick = lambda: weights.append(world.routed.get("1", 0))
    world.commit(fraud("1"))
    await world.until(lambda w: w.phase == "Guarding", limit=30)
    assert set(weights) == {0, 100}
    assert len(world.ready("1")) == 4
    assert world.rollout["spec"]["rollback"] is True
    raised = next(one for one in world.state["decisions"] if one["action"] == "Raised")
    assert raised["reason"] == "RolledBack"
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.lost == 0


async def test_back_to_a_version_that_is_bad_by_now_is_reverted_from_its_guard() -> None:
    """It has succeeded once, and is watched all the same."""
    world = await trying(at=100)
    await world.until(lambda w: w.phase == "Succeeded")
    world.models["1"].error_rate = 0.5
    world.commit(fraud("1"))
    await world.until(lambda w: w.phase == "Reverted", limit=40)
    assert world.routed == {"2": 100}


@pytest.mark.parametrize(
    ("window", "walks"),
    [
        pytest.param(None, False, id="two by default"),
        pytest.param({"revisions": 1}, True, id="beyond the window"),
        pytest.param({"revisions": 0}, True, id="turned off"),
    ],
)
async def test_the_rollback_window_counts_the_revisions_that_succeeded(window: Json | None, walks: bool) -> None:
    """Version 1 is the second that succeeded before version 3."""
    given = {"rollbackWindow": window} if window else {}
    world = await serving(**given)
    for version in ("2", "3"):
        world.models[version] = Model()
        world.commit(fraud(version, **given))
        await world.until(lambda w, to=version: w.tried == to and w.phase == "Succeeded")
    world.commit(fraud("1", **given))
    await world.until(lambda w: w.routed.get("1", 0) > 0, limit=30)
    assert world.routed["1"] == (10 if walks else 100)


async def guarded_once_safe() -> World:
    """Version 2 has all traffic and has been Safe there."""
    world = await trying(at=100)
    await world.until(lambda w: "safeAt" in w.state, limit=10)
    return world


async def test_a_new_spec_in_a_clean_guard_ends_it_as_succeeded() -> None:
    """The next rollout starts from what was just guarded."""
    world = await guarded_once_safe()
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.tick()
    assert by_version(world)["2"] == ("Succeeded", "NewSpecInGuard")
    assert world.rollout["spec"]["from"]["version"] == "2"
    assert world.routed == {"2": 100, "3": 0}
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"3": 100}


async def not_safe_yet(world: World) -> None:
    world.prometheus.reachable = False


async def paused(world: World) -> None:
    await world.until(lambda w: "safeAt" in w.state, limit=10)
    world.lever(paused=True)
    await world.tick()


async def blind(world: World) -> None:
    await world.until(lambda w: "safeAt" in w.state, limit=10)
    world.prometheus.reachable = False
    await world.run(3)


async def failing(world: World) -> None:
    await world.until(lambda w: "safeAt" in w.state, limit=10)
    world.models["2"].error_rate = 0.9
    await world.run(4)


@pytest.mark.parametrize("trouble", [not_safe_yet, paused, blind, failing], ids=lambda one: one.__name__)
async def test_a_new_spec_in_a_guard_that_is_not_clean_starts_from_the_old_stable(
    trouble: Callable[[World], Awaitable[None]],
) -> None:
    """Only a clean guard makes the suspect stable."""
    analysis = {"metrics": [{**ERROR_RATE, "failureLimit": 30}]}
    world = await trying(at=100, analysis=analysis)
    await trouble(world)
    world.models["3"] = Model()
    world.commit(fraud("3", analysis=analysis))
    await world.tick()
    assert by_version(world)["2"] == ("Superseded", "NewSpec")
    assert world.rollout["spec"]["from"]["version"] == "1"
    assert world.routed.get("1") == 100


async def test_a_new_spec_in_the_guard_window_does_not_save_an_unsafe_revision() -> None:
    """The last assessment goes first."""
    world = await trying(at=100)
    world.models["2"].error_rate = 0.5
    world.models["3"] = Model()
    await world.until(lambda w: w.routed.get("1") == 100, limit=10)
    world.commit(fraud("3"))
    await world.run(2)
    assert by_version(world)["2"][0] == "Reverted"
    assert world.rollout["spec"]["from"]["version"] == "1"


async def test_two_commits_within_one_second_end_with_the_second() -> None:
    """Their Rollouts have the same creation time; the first one is not taken for the newest."""
    world = await serving()
    for version in ("2", "3", "4", "5"):
        world.models[version] = Model()
        world.commit(fraud(version))
        await world.settle()
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"5": 100}
    assert [one["spec"]["to"]["version"] for one in world.rollouts] == ["1", "2", "3", "4", "5"]
    assert {one["spec"]["attempt"] for one in world.rollouts} == {1}


async def test_superseding_waits_until_stable_can_carry_the_traffic() -> None:
    """With no stable pod ready the canary keeps its weight, and the new one does not start."""
    world = await trying(at=50)
    world.break_pods("1", 4)
    await world.run(2)
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.run(5)
    assert world.tried == "2"
    assert world.routed == {"1": 50, "2": 50}
    world.break_pods("1", 0)
    await world.until(lambda w: w.tried == "3", limit=5)


@pytest.mark.parametrize("at", [10, 50, 100])
async def test_a_change_of_policy_in_mid_rollout_is_frozen_out(at: int) -> None:
    """The running plan stands; the new policy is for the next rollout."""
    world = await trying(at=at)
    changed = fraud("2", guard={"duration": "40s"})
    world.commit(changed)
    await world.run(2)
    assert len(world.rollouts) == 2
    assert world.rollout["spec"]["guard"]["duration"] == "20s"
