"""What a model registry is told of the versions that were tried, and that nothing waits for it."""

from __future__ import annotations

from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.model.registry import Mark
from serinus.runtime.leading import Leading
from tests.support.world import Model, World, fraud
from tests.unit.runtime.test_leading import Tenured


def registered(version: str, name: str = "fraud", *, image: str = "triton:1") -> Json:
    """A version of a registered model, by its alias: that stands for the version of the same number."""
    manifest = fraud(version, runtime={"image": image})
    manifest["spec"]["model"]["storageUri"] = f"mlflow://models/{name}@v{version}"
    return manifest


def in_store(world: World, name: str = "fraud") -> None:
    """Have three versions of a registered model."""
    for version in ("1", "2", "3"):
        world.kubelet.store.holds[f"mlflow://models/{name}/{version}"] = f"{name}-{version}"
        world.kubelet.store.stands_for[f"mlflow://models/{name}@v{version}"] = f"mlflow://models/{name}/{version}"
        world.models.setdefault(version, Model())


async def serving(name: str = "fraud") -> World:
    """A world in which version 1 serves."""
    world = World()
    in_store(world, name)
    world.commit(registered("1", name))
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(2)
    return world


async def promoted(world: World, version: str) -> None:
    """Commit a version, and let it become stable."""
    world.commit(registered(version))
    await world.until(lambda w: w.tried == version and w.phase == "Succeeded")
    await world.run(2)


async def reverted(world: World, version: str = "2", **asked: str) -> None:
    """Commit a version that fails, and see it rolled back."""
    world.models[version] = Model(error_rate=0.5)
    world.commit(registered(version, **asked))
    await world.until(lambda w: w.tried == version and w.phase == "Reverted")
    await world.run(2)


async def test_the_version_that_is_promoted_is_marked_and_the_one_before_it_served() -> None:
    """The first one too; what decided is told with it."""
    world = await serving()
    assert world.registry.marks == {"fraud/1": Mark.SERVING}
    await promoted(world, "2")
    assert world.registry.marks == {"fraud/1": Mark.SERVED, "fraud/2": Mark.SERVING}
    assert world.registry.aliases == {"serving": "fraud/2"}
    last = world.registry.told[-1]
    assert (last.rollout, last.why.partition(":")[0]) == (f"ml/{world.rollout['metadata']['name']}", "Succeeded")
    await world.run(120)
    world.restart()
    await world.run(5)
    assert len(world.registry.told) == 3


async def test_the_version_that_is_rolled_back_is_marked_with_the_numbers() -> None:
    """What serves goes on being marked so."""
    world = await serving()
    await reverted(world)
    assert world.registry.marks == {"fraud/1": Mark.SERVING, "fraud/2": Mark.REJECTED}
    assert world.registry.told[-1].why.startswith("LimitExceeded: error-rate")
    assert (
        world.rollout["metadata"]["name"],
        "RegistryMarked",
        "version 2 of fraud is marked rejected",
    ) in world.events


async def test_a_revert_waits_for_no_registry_and_it_learns_of_it_later() -> None:
    """Also from a process that has started since; until then an Event says what is wrong, once."""
    world, other = await serving(), await serving()
    world.registry.down = True
    for each in (world, other):
        each.models["2"] = Model(error_rate=0.5)
        each.commit(registered("2"))
    seconds = [await each.until(lambda w: w.tried == "2" and w.phase == "Reverted") for each in (world, other)]
    assert seconds[0] == seconds[1]
    assert world.routed["1"] == 100
    await world.run(60)
    assert "fraud/2" not in world.registry.marks
    told = {words for _, reason, words in world.events if reason == "RegistryNotMarked"}
    assert told == {"version 2 of fraud is not marked: https://mlflow: no answer within 20 s"}
    world.restart()
    world.registry.down = False
    await world.run(5)
    assert world.registry.marks["fraud/2"] is Mark.REJECTED


async def test_it_is_tried_again_without_a_restart() -> None:
    """Ever less often, and by the level of then: of what was not told, only what is still so."""
    world = await serving()
    world.registry.down = True
    await promoted(world, "2")
    await promoted(world, "3")
    world.registry.down = False
    await world.until(lambda w: w.registry.aliases["serving"] == "fraud/3", limit=700)
    assert world.registry.marks == {"fraud/1": Mark.SERVED, "fraud/2": Mark.SERVED, "fraud/3": Mark.SERVING}
    assert [one.version.version for one in world.registry.told if one.mark is Mark.SERVING] == ["1", "3"]


async def test_a_model_that_may_not_be_marked_holds_up_no_other() -> None:
    """Nor for the pause that its own mark waits for; it is said for that mark alone."""
    world = World()
    world.registry.denied.add("fraud-old")
    in_store(world, "fraud-old")
    in_store(world)
    world.commit(registered("1", "fraud-old"))
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(900)
    await promoted(world, "2")
    assert world.registry.marks == {"fraud/2": Mark.SERVING}
    told = {words for _, reason, words in world.events if reason == "RegistryNotMarked"}
    assert {words.partition(":")[0] for words in told} == {"version 1 of fraud-old is not marked"}
    world.registry.denied.clear()
    await world.run(600)
    assert world.registry.marks == {"fraud/2": Mark.SERVING, "fraud-old/1": Mark.SERVED}


async def test_what_cannot_be_recorded_is_not_told_again() -> None:
    """The API server is asked again for the record alone."""
    world = await serving()
    world.registry.down = True
    await reverted(world)
    world.registry.down = False
    world.api.refuse = {ROLLOUT}
    await world.run(60)
    assert [one.mark for one in world.registry.told] == [Mark.SERVING, Mark.REJECTED]
    world.api.refuse = set()
    await world.run(120)
    assert world.rollout["metadata"]["annotations"] == {"serinus.dev/registry-mark": "rejected"}
    assert len(world.registry.told) == 2


async def test_a_version_that_comes_back_serves_again() -> None:
    """And the one that it replaces did."""
    world = await serving()
    await promoted(world, "2")
    world.commit(registered("1"))
    await world.until(lambda w: w.tried == "1" and w.phase == "Succeeded")
    await world.run(2)
    assert world.registry.marks == {"fraud/1": Mark.SERVING, "fraud/2": Mark.SERVED}
    assert world.registry.aliases == {"serving": "fraud/1"}


async def test_a_rejected_version_that_succeeds_later_is_rejected_no_more() -> None:
    """An SRE retries it once what it depends on is mended."""
    world = await serving()
    await reverted(world)
    world.models["2"] = Model()
    world.lever(retry="mended")
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(2)
    assert world.registry.marks == {"fraud/1": Mark.SERVED, "fraud/2": Mark.SERVING}


async def test_a_version_that_serves_is_not_called_rejected_for_another_runtime() -> None:
    """The model is the same; what was rolled back is the image around it."""
    world = await serving()
    world.models["1"] = Model(error_rate=0.5)
    world.commit(registered("1", image="triton:2"))
    await world.until(lambda w: w.phase in {"Reverted", "Aborted"}, limit=200)
    await world.run(5)
    assert world.registry.marks == {"fraud/1": Mark.SERVING}


async def test_without_a_grant_nothing_is_told() -> None:
    """Whoever may fetch a model may not have it marked for that."""
    world = await serving("theirs")
    await world.run(10)
    assert world.registry.told == []


async def test_what_the_registry_does_not_know_is_said_once() -> None:
    """A version that somebody deleted there will not come back."""
    world = World()
    in_store(world)
    world.registry.unknown.add("fraud/1")
    world.commit(registered("1"))
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(900)
    assert [reason for _, reason, _ in world.events if reason == "RegistryNotMarked"] == ["RegistryNotMarked"]


async def test_a_rollout_that_is_deleted_takes_its_mark_along() -> None:
    """Nothing is written to one that is gone."""
    world = await serving()
    world.registry.down = True
    await reverted(world)
    for one in world.rollouts:
        world.api.remove(ROLLOUT, "ml", one["metadata"]["name"])
    world.registry.down = False
    await world.run(60)
    assert world.rollouts == []
    assert "fraud/2" not in world.registry.marks


async def test_what_never_came_to_a_verdict_is_not_marked() -> None:
    """A newer commit took its place."""
    world = await serving()
    world.commit(registered("2"))
    await world.until(lambda w: w.tried == "2" and w.weight > 0)
    world.commit(registered("1"))
    await world.until(lambda w: w.phase == "Superseded")
    await world.run(5)
    assert world.registry.marks == {"fraud/1": Mark.SERVING}


async def test_who_does_not_lead_any_more_tells_nothing() -> None:
    """A registry knows nothing of leases: whoever leads by then may have told it of a later version."""
    world, tenure = World(), Tenured(left_seconds=1e9)
    leading = world.engine._leading = Leading()
    leading.open(0, tenure)
    in_store(world)
    world.commit(registered("1"))
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(2)
    world.registry.down = True
    await promoted(world, "2")
    tenure.left_seconds = -1.0
    world.registry.down = False
    before = list(world.registry.told)
    await world.run(60)
    assert world.registry.told == before
    tenure.left_seconds = 1e9
    await world.run(700)
    assert world.registry.aliases == {"serving": "fraud/2"}
