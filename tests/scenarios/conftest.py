"""What several scenarios begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serinus.api.traffic import RoutingApi
from tests.support.invariants import Watchdog
from tests.support.world import World, trying
from tests.support.world.given import HALF
from tests.support.world.platform import ROUTING
from tests.support.world.world import AWAKE


@pytest.fixture
async def half() -> World:
    """A canary that has half of the traffic and waits for a person; what must always hold is looked at each second."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    return world


@pytest.fixture(autouse=True)
def resting() -> Iterator[None]:
    """Let each ModelDeployment rest as soon as nothing goes on: so each story tells that nothing is lost by it."""
    before = AWAKE.set(0)
    yield
    AWAKE.reset(before)


@pytest.fixture(autouse=True)
def routing(request: pytest.FixtureRequest) -> Iterator[RoutingApi]:
    """By which routing API the scenario's world is made; see `tests.scenarios.apis`."""
    chosen = getattr(request, "param", RoutingApi.ISTIO)
    before = ROUTING.set(chosen)
    yield chosen
    ROUTING.reset(before)
