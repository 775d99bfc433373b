"""What an idle ModelDeployment keeps: what decides and stands nowhere else, in few bytes."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import CONTROLLER_REVISION, DEPLOYMENT, Json
from serinus.runtime.memory import Memory
from tests.support.world import KEY, World, serving, trying
from tests.support.world.copies import copy_of_all
from tests.support.world.world import AWAKE

COPIES = 100
MOST_BYTES = 24 * 1024
"""Of one idle ModelDeployment with one revision: a fifth of the manifests alone as Python holds them."""
PLAIN: Json = {"model": {"name": "scores", "version": "1", "storageUri": "pvc://models/scores/1"}}


def memory_of(world: World, key: Key = KEY) -> Memory:
    found = world.memories.get(key)
    assert found is not None
    return found


async def look_at_all(world: World) -> None:
    """Run passes until nothing is due, however many ModelDeployments there are."""
    while (key := world.engine.queue.take()) is not None:
        world.engine.queue.done(key, backoff=not await world.engine.run_pass(key))


async def kept_bytes(world: World, keys: list[Key], rounds: int) -> int:
    """Count what is allocated for each ModelDeployment after so many looks at all of them."""
    for _ in range(rounds):
        for key in keys:
            world.engine.wake(key)
        await look_at_all(world)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_an_idle_model_deployment_takes_little_room_and_no_more_with_each_look() -> None:
    """Ten thousand of them fit in 400 MiB, beside the program itself."""
    world = await serving(**PLAIN)
    await world.run(60)
    keys = copy_of_all(world, COPIES)
    world.restart()
    await look_at_all(world)
    gc.collect()
    tracemalloc.start()
    try:
        world.restart()
        once = await kept_bytes(world, keys, 1)
        thrice = await kept_bytes(world, keys, 3)
    finally:
        tracemalloc.stop()
    assert once / COPIES < MOST_BYTES
    assert thrice - once < COPIES * 256


async def test_a_look_at_what_rests_reads_and_writes_nothing() -> None:
    """All that it needs is kept, packed."""
    world = await serving()
    await world.run(60)
    assert memory_of(world).views.source(KEY.name) is None
    world.api.reads.clear()
    world.api.writes.clear()
    world.engine.wake(KEY)
    await world.settle()
    assert (world.api.reads, world.api.writes) == ([], [])


async def test_a_rollout_that_goes_on_does_not_rest() -> None:
    """What was gathered since the last write of its status stands in memory alone."""
    world = await trying()
    before = memory_of(world).rollouts
    await world.run(3)
    assert memory_of(world).goes_on
    assert memory_of(world).rollouts.keys() == before.keys()
    assert memory_of(world).views.source(KEY.name) is not None


async def test_a_revision_that_is_deleted_while_its_model_deployment_rests_is_restored_as_it_was() -> None:
    """From memory, and not from the Deployment, which knows neither its number nor its success."""
    world = await serving()
    name = world.api.all(DEPLOYMENT)[0]["metadata"]["name"]
    before = world.api.find(CONTROLLER_REVISION, name)
    assert before is not None
    await world.run(30)
    world.api.remove(CONTROLLER_REVISION, "ml", name)
    await world.run(2)
    after = world.api.find(CONTROLLER_REVISION, name)
    assert after is not None
    kept = ("revision", "data")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]


@pytest.mark.parametrize("most", [0, 2])
async def test_the_idle_that_were_looked_at_last_are_kept_ready(most: int) -> None:
    """So many, and no more: what wakes one usually wakes it several times."""
    AWAKE.set(most)
    world = await serving(**PLAIN)
    await world.run(60)
    keys = copy_of_all(world, 4)
    world.restart()
    await look_at_all(world)
    for key in keys:
        world.engine.wake(key)
    await look_at_all(world)
    ready = [key for key in keys if memory_of(world, key).views.source(key.name) is not None]
    assert ready == keys[len(keys) - most :]


async def test_those_whose_passes_fail_rest_as_well() -> None:
    """A webhook that is down fails the passes over all of them at once, and for as long as it is down."""
    AWAKE.set(2)
    world = await serving(**PLAIN)
    await world.run(60)
    keys = copy_of_all(world, 6)
    world.api.refuse = {DEPLOYMENT}
    world.restart()
    for key in keys:
        assert not await world.engine.run_pass(key)
    ready = [key for key in keys if memory_of(world, key).views.source(key.name) is not None]
    assert ready == keys[-2:]
