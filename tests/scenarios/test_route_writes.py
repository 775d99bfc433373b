"""What hangs on a write of the route that fails, or comes late: it goes first when it takes, and pods wait for it."""

from __future__ import annotations

from serinus.core.model.kinds import DEPLOYMENT, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import World, trying
from tests.support.world.world import DRAIN_SECONDS, rules_of

pytestmark = WITH_EACH_API


async def reverted_without_its_route() -> World:
    """The verdict stands in the status, and the route still gives the canary half of the requests."""
    world = await trying(at=50)
    world.api.refuse = {world.provider.route}
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(3 * DRAIN_SECONDS)
    assert world.routed["2"] == 50
    return world


async def test_a_revision_drains_from_the_write_of_the_route() -> None:
    """Not from the decision: until the route is written the canary gets requests."""
    world = await reverted_without_its_route()
    canary = world.revision("2")
    world.api.refuse = set()
    await world.until(lambda w: not w.routed.get("2"), limit=5)
    for _ in range(int(DRAIN_SECONDS) - 1):
        await world.tick()
        assert world.api.find(DEPLOYMENT, canary) is not None
    await world.until(lambda w: w.api.find(DEPLOYMENT, canary) is None, limit=5)


async def test_a_new_process_counts_the_drain_anew() -> None:
    """It cannot know for how long the route has said so."""
    world = await trying(at=50)
    canary = world.revision("2")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted" and not w.routed.get("2"))
    await world.run(2)
    world.restart()
    await world.run(DRAIN_SECONDS - 1)
    assert world.api.find(DEPLOYMENT, canary) is not None
    await world.until(lambda w: w.api.find(DEPLOYMENT, canary) is None, limit=5)


async def test_a_route_that_cannot_be_read_may_give_weight_to_anybody() -> None:
    """Somebody edited it, and our write of it is refused: the pods stay."""
    world = await trying(at=50)
    canary = world.revision("2")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted" and not w.routed.get("2"))
    world.api.refuse = {world.provider.route}
    world.api.edit(world.provider.route, "fraud", lambda one: rules_of(one).append({"name": "mine"}))
    await world.run(4 * DRAIN_SECONDS)
    assert world.api.find(DEPLOYMENT, canary) is not None
    world.api.refuse = set()
    await world.until(lambda w: w.api.find(DEPLOYMENT, canary) is None, limit=20)


async def test_a_revert_that_is_resumed_writes_the_route_first() -> None:
    """Whatever else is there to be written."""
    world = await reverted_without_its_route()

    def spoil(deployment: Json) -> None:
        deployment["spec"]["replicas"] = 0

    world.api.edit(DEPLOYMENT, world.revision("1"), spoil)
    world.restart()
    world.api.refuse = set()
    world.api.writes.clear()
    await world.run(3)
    applied = [one for one in world.api.writes if one.startswith("apply")]
    assert applied[0] == f"apply {world.provider.route.name} fraud"
    assert len(applied) > 1
    assert world.routed["1"] == 100
