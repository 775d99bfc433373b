"""Places among the requests: what waits for one, what takes none, and what a write may still do when it has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from serinus.adapters.kubernetes import connection as module
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.connection import CONNECTIONS, Connection
from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.adapters.kubernetes.watch import Watched, watch
from serinus.core.model.errors import Unavailable
from serinus.core.model.kinds import POD, SERVICE
from tests.support.hand_clock import HandClock
from tests.support.scripted_server import Answer, ScriptedServer, answers, hangs, streams

WANTED = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud", "namespace": "ml"}}
LISTENING = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}


@pytest.fixture
async def narrow(
    server: ScriptedServer, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connection]:
    """A connection with a single place."""
    monkeypatch.setattr(module, "CONNECTIONS", 1)
    async with Connection(Endpoint(server.url, "default"), clock) as connection:
        yield connection


def hangs_and_tells(arrived: asyncio.Event) -> Answer:
    """Never answer, and tell when somebody asks."""

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.set()
        return await hangs()(request)

    return answer


async def test_watches_take_no_places_of_requests(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """An operator that watches four namespaces has more watches than there are places."""
    number = CONNECTIONS + 8
    server.will(*[streams(LISTENING)] * number, answers(WANTED))
    watches = [watch(connection, Watched(POD, namespace=f"ns-{each}"), "1") for each in range(number)]
    try:
        await asyncio.gather(*(anext(each) for each in watches))
        assert await KubernetesCluster(connection, clock).apply(WANTED, force=True) == WANTED
    finally:
        await asyncio.gather(*(each.aclose() for each in watches))


async def test_what_finds_no_place_is_not_sent_and_not_counted(
    server: ScriptedServer, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves nothing behind that may still arrive, so a lease may be given up."""
    monkeypatch.setattr(module, "CONNECTIONS", 1)
    counted: list[str] = []
    server.will(streams(LISTENING))
    limits = aiohttp.ClientTimeout(total=0.5)
    async with Connection(Endpoint(server.url, "default"), clock, limits=limits) as crowded:
        cluster = KubernetesCluster(crowded, clock, on_request=lambda verb, outcome, _: counted.append(outcome))
        async with crowded.send(module.Request("GET", "/held", limits=aiohttp.ClientTimeout(total=None))):
            with pytest.raises(Unavailable, match="not sent, as many requests are under way as may be: 1"):
                await cluster.apply(WANTED, force=True)
    assert len(server.seen) == 1
    assert counted == []


async def test_a_write_is_told_the_time_that_is_left_when_it_has_its_place(
    narrow: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """The wait may have taken most of the lease."""
    left = iter([9.0])
    cluster = KubernetesCluster(narrow, clock, write_seconds=lambda: next(left))
    arrived = asyncio.Event()
    server.will(hangs_and_tells(arrived), answers(WANTED))
    first = asyncio.create_task(KubernetesCluster(narrow, clock).get(SERVICE, "ml", "fraud"))
    await arrived.wait()
    write = asyncio.create_task(cluster.apply(WANTED, force=True))
    await asyncio.sleep(0.05)
    assert next(left, None) == 9.0, "nobody asked how much is left while the write waited"
    left = iter([7.5])
    first.cancel()
    await write
    assert server.seen[-1].query["timeout"] == "7500ms"


async def test_a_write_that_waited_until_its_lease_was_over_is_not_sent(
    narrow: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """Somebody else may be the one who writes by then."""
    times = [5.0]
    cluster = KubernetesCluster(narrow, clock, write_seconds=lambda: times[0])
    arrived = asyncio.Event()
    server.will(hangs_and_tells(arrived))
    first = asyncio.create_task(KubernetesCluster(narrow, clock).get(SERVICE, "ml", "fraud"))
    await arrived.wait()
    write = asyncio.create_task(cluster.apply(WANTED, force=True))
    await asyncio.sleep(0.05)
    times[0] = 0.0
    first.cancel()
    with pytest.raises(Unavailable, match="lease"):
        await write
    assert len(server.seen) == 1


async def test_a_write_that_is_sent_again_with_new_credentials_has_what_time_is_left_then(
    server: ScriptedServer, clock: HandClock
) -> None:
    """Reading them may take seconds."""
    tokens, left = iter(["Bearer old", "Bearer new"]), iter([9.0, 8.0])
    endpoint = Endpoint(server.url, "default", read_authorization=lambda: next(tokens))
    server.will(answers({}, 401), answers(WANTED))
    async with Connection(endpoint, clock) as connection:
        await KubernetesCluster(connection, clock, write_seconds=lambda: next(left)).apply(WANTED, force=True)
    assert [one.query["timeout"] for one in server.seen] == ["9000ms", "8000ms"]
