"""The operator's first seconds beside very many objects, against a real API server: some kind is not listed yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.kubernetes.endpoint import find_endpoint
from serinus.app import Operator, Parts
from serinus.config import Config
from serinus.core.model.kinds import DEPLOYMENT, VIRTUAL_SERVICE
from tests.support.operator import collect_what_kopf_leaves, embedded, settings
from tests.support.real_world import LASTING, RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the last kind is listed, as far as an operator can tell."""
    event, fill = asyncio.Event(), Parts.cluster_is_known

    async def wait(parts: Parts) -> None:
        await event.wait()
        await fill(parts)

    event.set()
    monkeypatch.setattr(Parts, "cluster_is_known", wait)
    return event


@pytest.fixture
async def live(world: RealWorld, listed: asyncio.Event) -> RealWorld:
    """A canary with weight, which has gone bad while no operator runs."""
    async with embedded(world.plane.kubeconfig, world.prometheus.url):
        await world.commit("1", steps=LASTING)
        await world.until_phase("Succeeded", version="1")
        await world.commit("2", steps=LASTING)
        await world.until_weight(10, version="2")
    world.prometheus.spoil(world.revision("2"))
    listed.clear()
    return world


@pytest.fixture(params=[False, True], ids=["alone", "with leases"])
async def starting(live: RealWorld, request: pytest.FixtureRequest) -> AsyncIterator[Operator]:
    """An operator that has begun, and cannot be ready yet."""
    election = {"enabled": request.param, "namespace": live.namespace}
    config = Config.model_validate(settings(live.prometheus.url, leaderElection=election))
    operator, stop = Operator(config, await find_endpoint(str(live.plane.kubeconfig))), asyncio.Event()
    running = asyncio.create_task(operator.run(stop))
    yield operator
    stop.set()
    await running
    collect_what_kopf_leaves()


async def test_a_bad_canary_is_reverted_before_all_is_listed(
    live: RealWorld, starting: Operator, listed: asyncio.Event
) -> None:
    """Its weight and its record alone; all the rest follows when all is listed."""
    route = live.mirror.get(VIRTUAL_SERVICE, live.name)
    await live.until_phase("Reverted", version="2")
    await live.until(lambda: live.routed == {"1": 100}, "all traffic on version 1")
    now = live.mirror.get(VIRTUAL_SERVICE, live.name)
    assert route is not None
    assert now is not None
    assert {**now["spec"], "http": None} == {**route["spec"], "http": None}
    assert not starting.ready.is_set()
    assert live.said("Stalled") != "True"
    assert len(live.mirror.all(DEPLOYMENT)) == 2
    listed.set()
    await live.until(lambda: len(live.mirror.all(DEPLOYMENT)) == 1, "the pods of version 2 to go")
    await live.until(lambda: live.said("Stalled") == "True", "Stalled")
