"""`serinus undo`: what it says will happen is what the operator then does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serinus.core.model.kinds import CONTROLLER_REVISION, Json
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.grouped import both, moving
from tests.support.world.user_cluster import say_in


def undo(world: World, *words: str) -> Json:
    """Have the change made, and give what was said of it."""
    answer = say_in(world, "undo", "fraud", *words, "--apply", "--wait", "0", "--json")
    assert answer.exit_code == 0, answer.stderr
    told: Json = json.loads(answer.stdout)
    return told


async def succeeded(*versions: str, **spec: Any) -> World:
    """A world in which versions succeeded one after the other."""
    world = await serving(versions[0], **spec)
    for version in versions[1:]:
        world.models[version] = Model()
        world.commit(fraud(version, **spec))
        await world.until(lambda w, to=version: w.tried == to and w.phase == "Succeeded")
    await world.run(20)
    return world


async def test_within_the_window_it_is_one_guarded_step() -> None:
    """The version that served before gets nothing, then everything, and is watched."""
    world = await succeeded("1", "2")
    told = undo(world)
    assert (told["effect"], told["to"]["version"]) == ("GuardedStep", "1")
    weights: set[int] = set()
    world.after_tick = lambda: weights.add(world.routed.get("1", 0))
    await world.until(lambda w: w.phase == "Guarding", limit=30)
    assert weights == {0, 100}
    assert world.rollout["spec"]["rollback"] is True
    assert world.state["stepText"] == "1/1"
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.lost == 0


async def test_beyond_the_window_it_is_an_ordinary_rollout() -> None:
    """Version 1 is the third that succeeded before version 4: it walks through the steps."""
    world = await succeeded("1", "2", "3", "4")
    assert undo(world, "--to", "1")["effect"] == "AllSteps"
    await world.until(lambda w: w.routed.get("1", 0) > 0, limit=30)
    assert world.routed["1"] == 10


async def test_in_mid_rollout_the_spec_is_put_back_to_what_serves() -> None:
    """The canary's traffic is gone in the same pass."""
    world = await trying(at=50)
    told = undo(world)
    assert (told["effect"], told["to"]["version"]) == ("SpecRestored", "1")
    await world.tick()
    assert (world.phase, world.state["reason"], world.routed) == ("Superseded", "SpecRestored", {"1": 100})


async def test_in_the_guard_it_is_an_instant_revert() -> None:
    """The revision before is still warm."""
    world = await trying(at=100)
    assert undo(world)["effect"] == "SpecRestored"
    await world.tick()
    assert world.routed == {"1": 100}


async def test_after_a_revert_nothing_starts_and_the_spec_is_well_again() -> None:
    """What git asked for was refused; the spec now says what serves."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted" and w.condition("Stalled")["status"] == "True")
    rollouts = len(world.rollouts)
    told = undo(world)
    assert (told["effect"], told["to"]["version"]) == ("NoRollout", "1")
    await world.run(3)
    assert world.condition("Stalled")["status"] == "False"
    assert len(world.rollouts) == rollouts


async def test_back_to_a_rejected_version_starts_nothing() -> None:
    """And it says so beforehand."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted" and w.condition("Stalled")["status"] == "True")
    undo(world)
    await world.run(3)
    told = undo(world, "--to", "2")
    assert told["effect"] == "Rejected"
    assert told["message"].endswith("and gets no traffic without retry")
    await world.run(3)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"


async def test_out_of_a_clean_guard_the_way_back_is_measured_from_the_new_version() -> None:
    """What was Safe at 100 % has succeeded by then, and its rollout ends so."""
    world = await succeeded("1", "2")
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.tried == "3" and "safeAt" in w.state)
    told = undo(world, "--to", "1")
    assert told["effect"] == "GuardedStep"
    await world.tick()
    await world.tick()
    assert world.rollout["spec"]["from"]["version"] == "3"
    assert world.rollout["spec"]["rollback"] is True


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_the_spec_is_that_of_the_earlier_version_to_the_letter(again: bool) -> None:
    """No revision is new: what is written has the hash of what was recorded."""
    world = await succeeded("1", "2")
    first, second = world.revision("1"), world.revision("2")
    known = {one["metadata"]["name"] for one in world.api.all(CONTROLLER_REVISION)}
    undo(world)
    if again:
        await world.until(lambda w: w.tried == "1" and w.phase == "Succeeded")
        assert undo(world)["to"]["revision"] == second
    await world.run(3)
    assert {one["metadata"]["name"] for one in world.api.all(CONTROLLER_REVISION)} == known
    assert world.rollout["spec"]["to"]["revision"] == (second if again else first)


async def test_a_revision_whose_record_was_deleted_while_it_was_wanted_can_be_gone_back_to() -> None:
    """What comes back of it holds its model and runtime: the spec still had them."""
    world = await serving()
    for one in list(world.api.all(CONTROLLER_REVISION)):
        world.api.remove(CONTROLLER_REVISION, "ml", one["metadata"]["name"])
    await world.run(3)
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.tried == "2" and w.phase == "Succeeded")
    assert undo(world)["to"]["version"] == "1"


async def test_of_a_group_it_does_not_go_back_alone_unless_that_is_asked_for() -> None:
    """The scorer of a release without its preprocessor is what a group is there to prevent."""
    world, other = await moving(at=50)
    await world.until(lambda w: both(w, other, "Succeeded"))
    refused = say_in(world, "undo", "fraud", "--apply", "--wait", "0")
    assert refused.exit_code == 1
    assert (
        "not applied: in release r2 of its group, prep (version p2) stays, and fraud goes back alone" in refused.stderr
    )
    undo(world, "--alone")
    await world.until(lambda w: w.routed.get("1", 0) > 0, limit=30)
    assert other.routed == {"p2": 100}


async def test_of_a_group_in_mid_rollout_the_other_member_starts_again_alone() -> None:
    """As it says; undone as well, nothing starts."""
    world, other = await moving(at=50)
    assert "prep (version p2) ends its rollout, too, and starts it again alone" in say_in(world, "undo", "fraud").stdout
    undo(world, "--alone")
    await world.until(lambda w: other.rollout["spec"]["attempt"] == 2 and other.routed.get("p2") == 50, limit=60)
    assert world.routed == {"1": 100}


async def test_a_whole_group_goes_back_by_the_commands_that_are_printed() -> None:
    """One right after the other."""
    world, other = await moving(at=50)
    for name in ("fraud", "prep"):
        answer = say_in(world, "undo", name, "--apply", "--alone", "--wait", "0")
        assert answer.exit_code == 0, answer.stderr
    await world.run(60)
    assert (world.routed, other.routed) == ({"1": 100}, {"p1": 100})
