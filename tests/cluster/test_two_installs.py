"""Two installs of the operator on one real API server: the second says that it is the second, and does nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import pytest

from serinus.adapters.kubernetes.endpoint import find_endpoint
from serinus.app import Operator
from serinus.config import Config
from serinus.core.model.kinds import LEASE, Json
from tests.support.operator import collect_what_kopf_leaves, embedded, samples, settings, writes_made
from tests.support.real_world import RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]


async def page(url: str, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url + path) as answer:
        return await answer.text()


async def until_it_says(operator: Operator, text: str) -> None:
    """Ask whether it is ready until it says why not."""
    async with asyncio.timeout(30):
        while True:
            if operator.url and text in await page(operator.url, "/readyz"):
                return
            await asyncio.sleep(0.1)


def election(namespace: str, name: str = "serinus") -> Json:
    return {"enabled": True, "namespace": namespace, "name": name}


@dataclass(frozen=True)
class Installs:
    """Which namespaces two installs watch, whether they run in one, and which Lease the second finds in its way."""

    in_the_way: str
    first_watches_all: bool = True
    second_watches_all: bool = True
    together: bool = False


@pytest.mark.parametrize(
    "installs",
    [
        pytest.param(Installs("serinus"), id="both watch all namespaces"),
        pytest.param(Installs("serinus-install", second_watches_all=False), id="the first watches all"),
        pytest.param(Installs("serinus", first_watches_all=False), id="the second watches all"),
        pytest.param(Installs("serinus", together=True), id="two releases in one namespace"),
    ],
)
async def test_the_second_install_does_not_lead_until_the_first_is_gone(world: RealWorld, installs: Installs) -> None:
    """All that the first writes is written within its lease, and accepted so."""
    second_place = world.namespace if installs.together else f"{world.namespace}-b"
    if not installs.together:
        await world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": second_place}})
    one, other = (
        () if all_of_them else (world.namespace,)
        for all_of_them in (installs.first_watches_all, installs.second_watches_all)
    )
    stop = asyncio.Event()
    config = Config.model_validate(
        settings(world.prometheus.url, leaderElection=election(second_place, "team-serinus"), watchNamespaces=other)
    )
    second = Operator(config, await find_endpoint(str(world.plane.kubeconfig)))
    async with embedded(
        world.plane.kubeconfig, world.prometheus.url, leaderElection=election(world.namespace), watchNamespaces=one
    ) as first:
        running = asyncio.create_task(second.run(stop))
        await until_it_says(second, f"the Lease {world.namespace}/{installs.in_the_way} ")
        await world.commit("1")
        await world.until_phase("Succeeded", version="1")
        assert await writes_made(first.url) > 0
        refused = {name: value for name, value in (await samples(first.url)).items() if "api_errors" in name[0]}
        assert not [labels for (_, labels), value in refused.items() if value and ("error", "Invalid") in labels]
        lease = await world.api.get(LEASE, world.namespace, "serinus")
        assert lease is not None
        assert lease["metadata"]["annotations"]["serinus.dev/leads"] == "true"
        assert not second.ready.is_set()
    async with asyncio.timeout(30):
        await second.ready.wait()
    assert "the Lease" not in await page(second.url, "/readyz")
    stop.set()
    await running
    collect_what_kopf_leaves()
