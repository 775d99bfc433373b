"""A ModelDeployment that is deleted and applied again under its name: the dead one's history is nobody's."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT, ROLLOUT, Json
from tests.support.world import Model, World, fraud, serving, trying


def delete_alone(world: World) -> None:
    """Delete the ModelDeployment; the garbage collector has not been there yet."""
    world.api.objects.pop((MODEL_DEPLOYMENT, "ml", "fraud"))
    world.api.cache.forget(MODEL_DEPLOYMENT, "ml", "fraud")


def collect(world: World) -> None:
    """Remove what is owned by nobody that is there."""
    there = {one["metadata"]["uid"] for one in world.api.objects.values()}
    for (kind, namespace, name), one in list(world.api.objects.items()):
        references = one["metadata"].get("ownerReferences") or ()
        if references and all(reference["uid"] not in there for reference in references):
            world.api.remove(kind, namespace, name)


async def succeeded_as_the_first(world: World, version: str) -> None:
    """It went straight to 100 %, from nothing."""
    await world.until(lambda w: w.phase == "Succeeded" and w.routed == {version: 100}, limit=40)
    uid = world.deployment["metadata"]["uid"]
    assert "from" not in world.rollout["spec"]
    for kind in (ROLLOUT, CONTROLLER_REVISION, DEPLOYMENT):
        assert {one["metadata"]["ownerReferences"][0]["uid"] for one in world.api.all(kind)} == {uid}
    assert not world.status.get("rejected")


@pytest.mark.parametrize("pass_between", [True, False])
@pytest.mark.parametrize("version", ["1", "2", "3"], ids=["what was stable", "what was rejected", "another version"])
async def test_the_next_of_its_name_begins_anew(version: str, pass_between: bool) -> None:
    """Nothing of what served, succeeded or was rejected before says anything about it."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted")
    world.models["2"], world.models["3"] = Model(), Model()
    world.api.remove(MODEL_DEPLOYMENT, "ml", "fraud")
    if pass_between:
        await world.run(3)
    world.commit(fraud(version))
    await succeeded_as_the_first(world, version)


@pytest.mark.parametrize("pass_between", [True, False])
@pytest.mark.parametrize("version", ["1", "2", "3"], ids=["what was stable", "what was tried", "another version"])
async def test_the_dead_ones_objects_are_left_to_the_garbage_collector(version: str, pass_between: bool) -> None:
    """Until it has been there, they are somebody else's: not adopted, not changed, not deleted."""
    world = await trying(at=50)
    world.models["3"] = Model()
    delete_alone(world)
    if pass_between:
        await world.run(3)
    dead: list[Json] = [one for one in world.api.objects.values() if one["kind"] in {"Deployment", "Rollout"}]
    world.commit(fraud(version))
    await world.run(5)
    for one in dead:
        assert one in world.api.objects.values()
    collect(world)
    await succeeded_as_the_first(world, version)


async def test_a_config_map_is_read_for_the_new_object_though_its_generation_is_the_dead_ones() -> None:
    """Generations are counted for each object anew."""
    world = World()
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "model-1"}, "data": {"model.py": "v1"}}
    model = {"version": "1", "storageUri": "configmap://model-1"}
    world.api.put(source)
    await serving(world=world, model=model)
    before = world.status["stable"]["revision"]
    delete_alone(world)
    world.api.put({**source, "data": {"model.py": "v2"}})
    world.commit(fraud("1", model=model))
    await world.run(3)
    collect(world)
    await succeeded_as_the_first(world, "1")
    assert world.status["stable"]["revision"] != before


async def test_a_rollout_that_cannot_be_seen_uses_up_its_attempt() -> None:
    """Somebody took its label off; the next attempt is made under the next name, and no create is repeated for ever."""
    world = await trying(at=10)
    name = world.rollout["metadata"]["name"]
    world.api.edit(ROLLOUT, name, lambda one: one["metadata"].update(labels={}))
    world.api.writes.clear()
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    assert world.rollout["spec"]["attempt"] == 2
    assert len([one for one in world.api.writes if one.startswith("create Rollout")]) == 2
