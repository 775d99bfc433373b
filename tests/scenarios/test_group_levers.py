"""Groups: the levers. Stop is everybody's, and go is each one's own."""

from __future__ import annotations

from tests.scenarios.apis import WITH_EACH_API
from tests.support.group_invariants import GroupWatchdog
from tests.support.world import Model
from tests.support.world.given import HALF
from tests.support.world.grouped import both, moving, pair, prep, scorer

pytestmark = WITH_EACH_API


async def test_pausing_one_member_holds_all_of_them() -> None:
    """The others stand ready until it goes on."""
    world, other = await moving(at=10)
    GroupWatchdog(world)
    other.lever(paused=True)
    await world.run(60)
    assert (world.weight, other.weight) == (10, 10)
    assert (other.reason, world.reason) == ("PausedByUser", "WaitingForGroup")
    assert "PausedByUser" in world.state["message"] or "spec.paused" in world.state["message"]
    other.lever(paused=False)
    await world.until(lambda w: both(w, other, "Succeeded"))


async def test_aborting_one_member_takes_all_of_them_back() -> None:
    """Only the pair of the one that was aborted is rejected."""
    world, other = await moving()
    GroupWatchdog(world)
    world.lever(abort=True)
    await world.run(1)
    assert (world.phase, other.phase, other.reason) == ("Aborted", "Reverted", "GroupReverted")
    assert (world.routed["1"], other.routed["p1"]) == (100, 100)
    assert "fraud was at fault" in other.state["message"]
    await world.run(30)
    assert (len(world.status["rejected"]), other.status.get("rejected", [])) == (1, [])
    assert len(other.rollouts) == 2


async def test_of_two_members_at_fault_the_one_that_was_retried_names_the_other() -> None:
    """Its conditions ask for nothing that has been done already; once both are retried, both start."""
    world, other = await moving()
    watchdog = GroupWatchdog(world)
    world.models["2"].error_rate = world.models["p2"].error_rate = 0.5
    await world.until(lambda w: both(w, other, "Reverted"), limit=10)
    await world.run(5)
    assert (world.status["reason"], other.status["reason"]) == ("RevisionRejected", "RevisionRejected")
    world.models["2"].error_rate = world.models["p2"].error_rate = 0.0
    watchdog.retried("again")
    world.lever(retry="again")
    await world.run(5)
    assert (world.status["reason"], world.condition("Stalled")["reason"]) == ("WaitingForGroup", "WaitingForGroup")
    assert world.condition("Stalled")["message"].startswith("waits for prep: version p2 was rolled back by prep-")
    assert other.condition("Stalled")["reason"] == "RevisionRejected"
    other.lever(retry="again")
    await world.until(lambda w: both(w, other, "Succeeded"))


async def test_a_retry_that_waits_for_a_commit_of_another_member_is_not_stalled() -> None:
    """Nobody has to do anything about the one that was rejected."""
    world, other = await moving()
    watchdog = GroupWatchdog(world)
    world.lever(abort=True)
    await world.until(lambda w: other.phase == "Reverted", limit=10)
    world.commit(prep("p3", "r3"))
    await world.run(5)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    watchdog.retried("again")
    world.lever(retry="again")
    await world.run(5)
    assert (world.status["reason"], world.condition("Stalled")["status"]) == ("WaitingForGroup", "False")
    assert "prep: it shows release r3, and this one r2" in world.condition("Reconciling")["message"]


async def test_a_retry_of_the_rejected_member_starts_all_of_them_again() -> None:
    """The others have nothing to be retried for."""
    world, other = await moving()
    watchdog = GroupWatchdog(world)
    world.lever(abort=True)
    await world.run(30)
    watchdog.retried("again")
    world.lever(retry="again")
    await world.until(lambda w: both(w, other, "Succeeded"))
    assert (world.routed, other.routed) == ({"2": 100}, {"p2": 100})
    assert [one["spec"]["attempt"] for one in other.rollouts[1:]] == [1, 2]


async def test_a_promotion_speaks_for_one_member_and_the_step_is_taken_once_all_are_promoted() -> None:
    """Who is promoted stands ready, and says whose promotion is missing."""
    world, other = await moving(steps=HALF)
    GroupWatchdog(world)
    world.lever(promote={"throughStep": 2})
    await world.run(30)
    assert (world.weight, other.weight) == (50, 50)
    assert (world.reason, other.reason) == ("WaitingForGroup", "AwaitingPromotion")
    assert "kubectl serinus promote prep" in world.state["message"]
    other.lever(promote={"throughStep": 2})
    await world.until(lambda w: both(w, other, "Succeeded"))


async def test_a_full_promotion_of_one_member_takes_its_steps_with_the_others() -> None:
    """It waits for no verdict and no pause of its own, and for every step of theirs."""
    world, other = await pair()
    GroupWatchdog(world)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p2", "r2"))
    await world.until(lambda w: w.tried == "2" and w.weight == 10)
    world.lever(promote={"full": True})
    seen = []
    for _ in range(80):
        await world.tick()
        together = (world.routed.get("2", 0), other.routed.get("p2", 0))
        if not seen or seen[-1] != together:
            seen.append(together)
    assert seen == [(10, 10), (50, 50), (100, 100)]
    assert both(world, other, "Succeeded")


async def test_a_full_promotion_of_all_members_takes_all_of_them_to_100_at_once() -> None:
    """Then nobody is left whose steps would have to be taken."""
    world, other = await moving(at=10)
    GroupWatchdog(world)
    world.lever(promote={"full": True})
    other.lever(promote={"full": True})
    await world.until(lambda w: w.weight == other.weight == 100, limit=20)
    records = [record["weight"] for record in world.state["decisions"] if record["action"] == "Raised"]
    assert records == [10, 100]
    await world.until(lambda w: both(w, other, "Succeeded"))


async def test_a_way_back_of_all_members_within_the_rollback_window_is_one_guarded_step() -> None:
    """All of them have served the old release before."""
    world, other = await moving()
    await world.until(lambda w: both(w, other, "Succeeded"))
    GroupWatchdog(world)
    world.commit(scorer("1", "r3"))
    world.commit(prep("p1", "r3"))
    await world.until(lambda w: w.routed.get("1") == other.routed.get("p1") == 100, limit=20)
    assert (world.rollout["spec"]["rollback"], other.rollout["spec"]["rollback"]) == (True, True)
    await world.until(lambda w: both(w, other, "Succeeded"))
    assert [record["weight"] for record in world.state["decisions"] if record["action"] == "Raised"] == [100]


async def test_a_way_back_of_one_member_beside_a_new_version_of_another_takes_its_steps() -> None:
    """The step of one is nobody's alone."""
    world, other = await moving()
    await world.until(lambda w: both(w, other, "Succeeded"))
    GroupWatchdog(world)
    world.commit(scorer("1", "r3"))
    world.commit(prep("p3", "r3"))
    await world.until(lambda w: w.tried == "1" and both(w, other, "Succeeded"))
    assert [record["weight"] for record in world.state["decisions"] if record["action"] == "Raised"] == [10, 50, 100]


async def test_a_stable_that_dies_gives_its_canary_everything_whatever_the_others_do() -> None:
    """Nobody else can answer; once it is back, the members climb together again."""
    world, other = await moving(at=10)
    world.break_pods("1", 4)
    await world.run(16)
    assert world.routed["2"] == 100
    assert other.weight <= 50
    world.break_pods("1", 0)
    await world.until(lambda w: both(w, other, "Succeeded"))
    assert (world.routed, other.routed) == ({"2": 100}, {"p2": 100})


async def test_one_member_that_never_gets_its_pods_ends_the_rollouts_of_all() -> None:
    """After its progressDeadlineSeconds; the others have waited without a deadline."""
    world, other = await pair()
    GroupWatchdog(world)
    world.models["p2"] = Model(loads=False)
    world.commit(scorer("2", "r2"))
    world.commit(prep("p2", "r2"))
    await world.until(lambda w: other.phase == "Aborted")
    assert (world.phase, world.reason) == ("Reverted", "GroupReverted")
    assert (world.weight, world.routed["1"]) == (0, 100)
