"""kopf's watch is dead: what we decide on is old, and the API server refuses it until it is read anew."""

from __future__ import annotations

from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT
from tests.support.world import World, fraud, trying

STEPS = [{"setWeight": 10}, {"pause": {}}]


async def unheard() -> World:
    """Let a rollout stand at ten per cent, and somebody edit it after the watch has died."""
    world = await trying(steps=STEPS)
    await world.until(lambda w: w.weight == 10)
    world.api.unwatched = {MODEL_DEPLOYMENT, ROLLOUT}
    rollout = world.rollout
    world.api.put({**rollout, "metadata": {**rollout["metadata"], "annotations": {"seen-by": "somebody"}}})
    return world


async def test_a_revert_does_not_wait_for_the_watch() -> None:
    """Its status write is refused once, and then decided on what is stored."""
    world = await unheard()
    world.models["2"].error_rate = 1.0
    assert await world.until(lambda w: w.routed == {"1": 100}, limit=30) < 30
    assert world.phase == "Reverted"


async def test_a_lever_is_found_at_the_next_write() -> None:
    """Abort, which the watch never told of, is obeyed as soon as anything is to be stored."""
    world = await unheard()
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted", limit=90)
    assert world.routed == {"1": 100}


async def test_a_rollout_that_is_gone_is_not_written_for_ever() -> None:
    """404 at the write: it is forgotten, and a new one is started as by a new process."""
    world = await unheard()
    gone = world.rollout["metadata"]["uid"]
    world.api.remove(ROLLOUT, "ml", world.rollout["metadata"]["name"])
    await world.until(lambda w: bool(w.rollouts) and w.tried == "2", limit=90)
    assert world.rollout["metadata"]["uid"] != gone


async def test_a_sweep_finds_what_nobody_told_of() -> None:
    """A new spec and a deletion, both while the watch was dead: the sweep stores the one and forgets the other."""
    world = await unheard()
    world.commit(fraud("1", steps=STEPS))
    await world.rereading.everything(MODEL_DEPLOYMENT)
    await world.until(lambda w: w.phase == "Superseded", limit=3)
    world.api.remove(MODEL_DEPLOYMENT, "ml", "fraud")
    await world.rereading.everything(MODEL_DEPLOYMENT)
    await world.settle()
    assert world.memories.all() == {}
