"""Groups: members start on the same release, take each step together, and go back together."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import MODEL_DEPLOYMENT
from tests.scenarios.apis import WITH_EACH_API
from tests.support.group_invariants import GroupWatchdog, position
from tests.support.world import Model, World
from tests.support.world.given import HALF
from tests.support.world.grouped import member, moving, pair, prep, scorer

pytestmark = WITH_EACH_API


async def test_a_rollout_waits_until_every_member_shows_the_release() -> None:
    """Commits arrive one by one; the one that waits says for whom, and nothing of it is tried."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    await world.run(30)
    assert world.tried == "1"
    assert world.status["reason"] == "WaitingForGroup"
    assert world.condition("Reconciling")["status"] == "True"
    assert world.condition("Stalled")["status"] == "False"
    assert "prep: it shows release r1, and this one r2" in world.condition("Reconciling")["message"]
    assert (world.status["group"]["release"], world.status["group"]["standing"]) == ("r2", "Ready")
    world.commit(prep("p2", "r2"))
    await world.run(1)
    assert (world.tried, other.tried) == ("2", "p2")
    assert world.rollout["spec"]["group"] == {"name": "flow", "release": "r2"}


async def test_members_rise_in_lockstep_and_become_stable_together() -> None:
    """One loads four times as slowly; each split of the one stands beside the same split of the other."""
    world, other = await pair()
    GroupWatchdog(world)
    world.models["p2"] = Model(seconds_to_load=8)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p2", "r2"))
    seen = []
    for _ in range(110):
        await world.tick()
        together = (world.routed.get("2", 0), other.routed.get("p2", 0))
        if not seen or seen[-1] != together:
            seen.append(together)
    assert seen == [(0, 0), (10, 10), (50, 50), (100, 100)]
    assert (world.phase, other.phase) == ("Succeeded", "Succeeded")
    assert (world.routed, other.routed) == ({"2": 100}, {"p2": 100})
    assert world.status["group"] == {"release": "r2", "standing": "Serves"}
    assert world.lost == other.lost == 0


async def test_who_stands_ready_says_whom_it_waits_for_and_why() -> None:
    """A member whose pods are not there holds everybody, and is named with its own words."""
    world, other = await pair()
    GroupWatchdog(world)
    world.models["p2"] = Model(seconds_to_load=30)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p2", "r2"))
    await world.run(15)
    assert other.reason == "CanaryNotReady"
    assert (world.reason, world.state["readyFor"], world.weight) == ("WaitingForGroup", 0, 0)
    assert f"waits for prep: {other.rollout['metadata']['name']} is at step 1/4: 0 of 1" in world.state["message"]


async def test_a_bad_member_takes_the_others_back_in_the_same_second_and_only_its_pair_is_rejected() -> None:
    """The others say who was at fault; none of them starts again by itself."""
    world, other = await moving()
    GroupWatchdog(world)
    world.models["p2"].error_rate = 0.5
    await world.until(lambda w: other.phase == "Reverted", limit=10)
    assert (world.phase, world.reason) == ("Reverted", "GroupReverted")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)
    message = world.state["message"]
    assert message.startswith(f"prep was at fault ({other.rollout['metadata']['name']}): LimitExceeded: ")
    assert world.state["decisions"][-1]["reason"] == "GroupReverted"
    await world.run(60)
    assert [entry["version"] for entry in other.status["rejected"]] == ["p2"]
    assert world.status.get("rejected", []) == []
    assert len(world.rollouts) == len(other.rollouts) == 2
    assert (world.routed, other.routed) == ({"1": 100}, {"p1": 100})
    assert (world.condition("Stalled")["reason"], world.status["reason"]) == ("WaitingForGroup", "WaitingForGroup")
    assert "prep: version p2 was rolled back by prep-" in world.condition("Stalled")["message"]
    assert other.condition("Stalled")["reason"] == "RevisionRejected"


@pytest.mark.parametrize("release", ["r2", "r3"])
async def test_a_fix_of_the_bad_member_takes_all_of_them_along(release: str) -> None:
    """By a commit of the same release to it alone, or of a new one to all."""
    world, other = await moving()
    GroupWatchdog(world)
    world.models["p2"].error_rate = 0.5
    await world.until(lambda w: other.phase == "Reverted", limit=10)
    await world.run(20)
    world.commit(prep("p3", release))
    await world.run(5)
    if release == "r3":
        assert other.tried == "p2"
        world.commit(scorer("2", release))
    await world.until(lambda w: w.status["serving"].startswith("2@") and other.status["serving"].startswith("p3@"))
    assert [one["spec"]["attempt"] for one in world.rollouts[1:]] == [1, 2]
    assert world.status.get("rejected", []) == []


async def test_a_member_whose_model_does_not_change_takes_part_by_its_release_alone() -> None:
    """It holds the others until it shows the release, and nothing of it is rolled out."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    await world.run(10)
    assert world.tried == "1"
    world.commit(prep("p1", "r2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    assert len(other.rollouts) == 1
    assert (other.status["group"]["release"], other.status["group"]["standing"]) == ("r2", "Serves")


async def test_who_waits_for_its_group_writes_nothing() -> None:
    """Neither who waits for a commit, nor who has nothing to roll out."""
    world, _ = await pair()
    world.commit(scorer("2", "r2"))
    await world.run(10)
    world.api.writes.clear()
    await world.run(60)
    assert world.api.writes == []


async def test_a_model_of_the_same_release_that_comes_late_makes_all_climb_from_the_beginning() -> None:
    """The first one goes back to weight 0: they were more than a step apart."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p1", "r2"))
    await world.until(lambda w: w.routed.get("2") == 50)
    world.commit(prep("p2", "r2"))
    await world.run(1)
    assert other.tried == "p2"
    assert (world.weight, world.reason) == (0, "GroupBehind") or world.reason == "WaitingForGroup"
    assert world.routed == {"1": 100, "2": 0}
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2" and other.phase == "Succeeded")
    assert other.tried == "p2"


async def test_a_canary_that_loses_its_pods_takes_the_others_back_to_the_beginning_and_nobody_is_rejected() -> None:
    """A drained node is no verdict; they climb again together."""
    world, other = await moving()
    GroupWatchdog(world)
    world.kubelet.unready = {pod["metadata"]["name"] for pod in other.pods("p2")}
    await world.run(2)
    assert (world.weight, other.weight) == (0, 0)
    assert "GroupBehind" in {record["reason"] for record in world.state["decisions"]}
    world.kubelet.unready = set()
    await world.until(lambda w: w.phase == "Succeeded" and other.phase == "Succeeded")
    assert (world.routed, other.routed) == ({"2": 100}, {"p2": 100})


async def test_a_new_release_of_one_member_ends_the_rollouts_of_all() -> None:
    """The new one starts when all show it, from what served before."""
    world, other = await moving()
    GroupWatchdog(world)
    world.commit(scorer("3", "r3"))
    await world.run(2)
    assert (world.phase, world.reason) == ("Superseded", "NewSpec")
    assert (other.phase, other.reason) == ("Superseded", "GroupSuperseded")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)
    world.commit(prep("p3", "r3"))
    await world.until(lambda w: w.status["serving"].startswith("3@") and other.status["serving"].startswith("p3@"))
    assert [one["spec"]["from"]["version"] for one in other.rollouts[1:]] == ["p1", "p1"]


async def test_a_release_alone_of_one_member_ends_the_rollouts_of_all() -> None:
    """Also of a member whose own model stays."""
    world, _ = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p1", "r2"))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.commit(prep("p1", "r3"))
    await world.run(2)
    assert (world.phase, world.reason) == ("Superseded", "GroupSuperseded")
    assert world.status["reason"] == "WaitingForGroup"
    world.commit(scorer("2", "r3"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")


async def test_a_spec_set_back_in_one_member_takes_all_of_them_back() -> None:
    """A revert of its commit in git shows the old release again."""
    world, other = await moving()
    GroupWatchdog(world)
    world.commit(scorer("1", "r1"))
    await world.run(2)
    assert (world.reason, other.reason) == ("SpecRestored", "GroupSuperseded")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)
    world.commit(prep("p1", "r1"))
    await world.run(20)
    assert (world.status["group"]["standing"], other.status["group"]["standing"]) == ("Serves", "Serves")


async def test_a_member_that_joins_with_another_release_ends_the_rollouts_until_it_shows_theirs() -> None:
    """A rollout of a group needs its release shown by all members, from the beginning to the end."""
    world, other = await moving()
    third = world.beside("third")
    world.models["t1"] = Model()
    GroupWatchdog(world)
    world.commit(member("third", "t1", "r1"))
    await world.run(2)
    assert (world.reason, other.reason) == ("GroupSuperseded", "GroupSuperseded")
    world.commit(member("third", "t1", "r2"))
    await world.until(lambda w: w.phase == "Succeeded" and other.phase == "Succeeded" and w.tried == "2")
    assert third.phase == "Succeeded"


async def test_a_member_that_leaves_or_is_deleted_is_waited_for_no_more() -> None:
    """Who is left goes on."""
    world, other = await moving(steps=HALF)
    GroupWatchdog(world)
    world.lever(promote={"throughStep": 2})
    await world.run(5)
    assert (world.reason, world.weight) == ("WaitingForGroup", 50)
    world.commit(prep("p2", None, steps=HALF))
    await world.until(lambda w: w.phase == "Succeeded")
    assert other.weight == 50


async def test_a_member_that_cannot_be_read_holds_the_others() -> None:
    """Another version of the schema wrote it: what it wants is not known."""
    world, _ = await moving(at=10)
    GroupWatchdog(world)
    world.api.edit(MODEL_DEPLOYMENT, "prep", lambda one: one["spec"]["model"].update(version=["of", "the", "future"]))
    await world.run(30)
    assert (world.reason, world.weight) == ("WaitingForGroup", 10)
    assert "waits for prep: ModelDeployment prep cannot be read" in world.state["message"]


async def test_members_with_other_numbers_of_steps_do_not_start() -> None:
    """Lockstep is by number: a person must make them equal."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p2", "r2", steps=HALF))
    await world.run(20)
    assert (world.tried, other.tried) == ("1", "p1")
    assert "prep: it has 2 steps, and this one 4" in world.condition("Stalled")["message"]
    world.commit(prep("p2", "r2"))
    await world.until(lambda w: w.phase == "Succeeded" and other.phase == "Succeeded" and w.tried == "2")


BLUE_GREEN = {"blueGreen": {"autoPromotionAfter": "20s"}}


async def test_a_strategy_that_lists_no_steps_says_which_ones_it_counts() -> None:
    """Whoever reads the manifest finds none there."""
    world, _ = await pair()
    green = prep("p2", "r2")
    green["spec"]["strategy"] = BLUE_GREEN
    world.commit(scorer("2", "r2", steps=HALF))
    world.commit(green)
    await world.run(5)
    counted = "it has 3 steps (blueGreen is setCanaryScale, pause, setWeight), and this one 2"
    assert counted in world.condition("Stalled")["message"]
    world.commit(scorer("2", "r2", steps=[*HALF, {"setWeight": 75}]))
    await world.run(2)
    assert world.tried == "2"


async def test_a_member_that_joins_and_cannot_be_applied_is_named_with_its_obstacle() -> None:
    """Its first revision never comes to serve, and a person can see why from any member."""
    world, other = await moving(at=10)
    world.beside("third")
    world.models["t1"] = Model()
    joins = member("third", "t1", "r2")
    joins["spec"]["traffic"]["hosts"] = scorer("2", "r2")["spec"]["traffic"]["hosts"]
    world.commit(joins)
    await world.run(15)
    assert world.reason == other.reason == "WaitingForGroup"
    assert "waits for third: its first revision does not serve yet: HostConflict: " in other.state["message"]


async def test_no_message_of_a_group_quotes_another_one() -> None:
    """Members whose steps are of different kinds wait for each other in turns, up to the end of the longer guard."""
    world, other = await pair()
    scaled = [{"setCanaryScale": {"replicas": 3}}, {"setWeight": 20}, {"setWeight": 50}, {"pause": {"duration": "5s"}}]
    world.commit(scorer("2", "r2", guard={"duration": "0s"}))
    world.commit(prep("p2", "r2", steps=scaled, guard={"duration": "30s"}))
    messages = set()
    for _ in range(90):
        await world.tick()
        messages |= {one.state.get("message") or "" for one in (world, other)}
    assert world.phase == other.phase == "Succeeded"
    waiting = [message for message in messages if "waits for" in message]
    assert any("is in its guard window: guarding for 30s" in message for message in waiting)
    assert [message for message in waiting if message.count("waits for") > 1] == []


async def test_a_new_member_is_waited_for_until_its_first_revision_serves() -> None:
    """Its first revision replaces nothing, so it goes straight to all traffic."""
    world = World()
    other = world.beside("prep")
    for version in ("1", "2", "p1"):
        world.models[version] = Model()
    world.models["p1"].seconds_to_load = 15
    world.commit(scorer("1", "r1"))
    await world.until(lambda w: w.phase == "Succeeded")
    GroupWatchdog(world)
    world.commit(prep("p1", "r2"))
    world.commit(scorer("2", "r2"))
    await world.run(10)
    assert world.tried == "1"
    assert "prep: its first revision does not serve yet" in world.condition("Reconciling")["message"]
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    assert other.routed == {"p1": 100}
    assert "group" not in other.rollout["spec"]


async def test_a_group_of_one_is_an_ordinary_rollout() -> None:
    """It moves alone, without any wait."""
    world, _ = await pair()
    world.commit(prep("p1", None))
    GroupWatchdog(world)
    await world.run(1)
    world.commit(scorer("2", "r2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=60)
    assert "WaitingForGroup" not in {reason for name, reason, _ in world.events if name.startswith("fraud")}
    assert position(world.rollout) == 4
