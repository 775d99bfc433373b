"""What the tests of the adapters share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.endpoint import Endpoint
from tests.support.hand_clock import HandClock
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
async def connection(server: ScriptedServer, clock: HandClock) -> AsyncIterator[Connection]:
    async with Connection(Endpoint(server.url, "default"), clock) as connection:
        yield connection
