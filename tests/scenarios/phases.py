"""A world in each phase of a rollout, for what must be true in every one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.world import Model, World, fraud, serving, trying

Build = Callable[[], Awaitable[World]]


async def idle() -> World:
    world = await serving()
    world.models["2"] = Model()
    await world.run(10)
    return world


async def pending() -> World:
    world = await serving()
    world.models["2"] = Model(seconds_to_load=20)
    world.commit(fraud("2"))
    await world.run(3)
    return world


async def progressing() -> World:
    world = await trying(at=50)
    await world.run(2)
    return world


async def paused() -> World:
    world = await trying()
    world.lever(paused=True)
    await world.run(5)
    return world


async def guarding() -> World:
    world = await trying(at=100)
    await world.run(5)
    return world


async def succeeded() -> World:
    world = await trying(at=100)
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(20)
    return world


async def reverted() -> World:
    world = await trying(at=50)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(20)
    return world


PHASES: dict[str, Build] = {
    "idle": idle,
    "pending": pending,
    "progressing": progressing,
    "paused": paused,
    "guarding": guarding,
    "succeeded": succeeded,
    "reverted": reverted,
}

in_every_phase = pytest.mark.parametrize("build", PHASES.values(), ids=PHASES)
END = {"idle": {"1": 100}, "reverted": {"1": 100}}


async def go_on(world: World) -> dict[str, int]:
    """Let the rollout come to its end, whatever was done to it; give the route."""
    if world.rollouts and world.rollout["spec"].get("paused"):
        world.lever(paused=False)
    await world.run(120)
    return world.routed
