"""A revision's walk from its commit to stable."""

from __future__ import annotations

from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, fraud, serving

pytestmark = WITH_EACH_API


async def test_the_first_revision_goes_straight_to_all_traffic_once_its_model_answers() -> None:
    """There is nothing to compare it with."""
    world = await serving()
    assert world.routed == {"1": 100}
    assert world.status["serving"].startswith("1@")
    assert world.condition("Ready")["status"] == "True"


async def test_a_good_revision_walks_through_its_steps_and_becomes_stable() -> None:
    """10 %, 50 %, 100 %, the guard window, and then the previous revision's pods go."""
    world = await serving()
    world.models["2"] = Model()
    seen = [world.routed]
    world.commit(fraud("2"))
    for _ in range(90):
        await world.tick()
        if seen[-1] != world.routed:
            seen.append(world.routed)
    assert seen == [
        {"1": 100},
        {"1": 100, "2": 0},
        {"1": 90, "2": 10},
        {"1": 50, "2": 50},
        {"1": 0, "2": 100},
        {"2": 100},
    ]
    assert world.phase == "Succeeded"
    assert world.lost == 0
    assert not world.pods("1")


async def test_a_bad_revision_is_reverted_within_seconds() -> None:
    """A fifth of its answers are errors."""
    world = await serving()
    world.models["2"] = Model(error_rate=0.2)
    world.commit(fraud("2"))
    await world.until(lambda w: w.routed.get("2", 0) > 0)
    took = await world.until(lambda w: w.routed.get("2", 0) == 0)
    assert took <= 4
    assert world.phase == "Reverted"
    assert world.status["rejected"][0]["version"] == "2"
    await world.run(60)
    assert world.routed == {"1": 100}
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    assert world.condition("Ready")["status"] == "True"
    assert not world.pods("2")
