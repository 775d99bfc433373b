"""What several scenarios begin with."""

from __future__ import annotations

import pytest

from tests.support.invariants import Watchdog
from tests.support.world import World, trying
from tests.support.world.given import HALF


@pytest.fixture
async def half() -> World:
    """A canary that has half of the traffic and waits for a person; what must always hold is looked at each second."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    return world
