"""The informers and the cache, against a real API server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.endpoint import find_endpoint
from serinus.adapters.kubernetes.informer import Informers
from serinus.adapters.kubernetes.watch import watched_everywhere
from serinus.core.model.kinds import CONFIG_MAP, VIRTUAL_SERVICE, Json, Kind
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.providers import TrafficProviders
from serinus_local.control_plane import ControlPlane, control_plane

pytestmark = pytest.mark.apiserver


def config_map(namespace: str, name: str, owner: str | None = "fraud", **data: str) -> Json:
    labels = {} if owner is None else {"serinus.dev/modeldeployment": owner}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Followed:
    """A cache that informers feed, and its changes one after the other."""

    def __init__(self, connection: Connection) -> None:
        self.changes: asyncio.Queue[tuple[Kind, str, str | None, Json | None]] = asyncio.Queue()
        self.cache = ObjectCache(lambda *change: self.changes.put_nowait(change))
        self.informers = Informers(
            connection,
            watched_everywhere(TrafficProviders((Istio(mesh=True), GatewayApi()))),
            self.cache,
            SystemClock(),
        )

    async def next(self, namespace: str) -> tuple[Kind, str | None, Json | None]:
        """Wait for the next change in a namespace; the root certificate that each one gets is not ours."""
        while True:
            kind, where, owner, manifest = await asyncio.wait_for(self.changes.get(), 10)
            if where == namespace:
                return kind, owner, manifest


@asynccontextmanager
async def following(connection: Connection) -> AsyncIterator[Followed]:
    """Run the informers for the time of the block."""
    followed = Followed(connection)
    running = asyncio.create_task(followed.informers.run())
    await asyncio.wait_for(followed.informers.synced(), 20)
    yield followed
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def followed(connection: Connection) -> AsyncIterator[Followed]:
    async with following(connection) as followed:
        yield followed


async def test_what_others_change_arrives_with_its_owner(
    followed: Followed, plane: ControlPlane, cluster: KubernetesCluster, namespace: str
) -> None:
    """Made, changed and deleted by somebody else: three changes."""
    await cluster.create(config_map(namespace, "a", x="1"))
    kind, owner, made = await followed.next(namespace)
    assert (kind, owner) == (CONFIG_MAP, "fraud")
    assert made is not None
    plane.kubectl("annotate", "configmap", "a", "note=x", f"--namespace={namespace}")
    _, _, changed = await followed.next(namespace)
    assert changed is not None
    assert changed["metadata"]["annotations"] == {"note": "x"}
    plane.kubectl("delete", "configmap", "a", f"--namespace={namespace}")
    assert await followed.next(namespace) == (CONFIG_MAP, "fraud", None)
    assert followed.cache.owned(CONFIG_MAP, namespace, "fraud") == {}


async def test_our_own_writes_are_known_at_once(followed: Followed, cluster: KubernetesCluster, namespace: str) -> None:
    """The next pass decides on what the last one wrote, however late the watch is."""
    followed.cache.put(await cluster.apply(config_map(namespace, "ours", x="1"), force=True))
    assert list(followed.cache.owned(CONFIG_MAP, namespace, "fraud")) == ["ours"]


async def test_what_is_not_labelled_is_not_sent(followed: Followed, cluster: KubernetesCluster, namespace: str) -> None:
    """The selector is the server's work: a cluster's ten thousand other ConfigMaps cost nothing."""
    await cluster.create(config_map(namespace, "foreign", owner=None))
    await cluster.create(config_map(namespace, "ours"))
    _, _, first = await followed.next(namespace)
    assert first is not None
    assert first["metadata"]["name"] == "ours"
    assert followed.cache.get(CONFIG_MAP, namespace, "foreign") is None


async def test_everybodys_virtual_services_are_seen_by_their_claims_and_destinations(
    followed: Followed, cluster: KubernetesCluster, namespace: str
) -> None:
    """Somebody else's route may claim a host of ours, or send requests to a Service of ours; the rest is not kept."""
    kept = [{"route": [{"destination": {"host": "theirs"}}]}]
    await cluster.create(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "theirs", "namespace": namespace},
            "spec": {"hosts": ["fraud.example.com"], "gateways": ["public"], "http": [{**kept[0], "timeout": "5s"}]},
        }
    )
    kind, owner, manifest = await followed.next(namespace)
    assert (kind, owner) == (VIRTUAL_SERVICE, None)
    assert manifest is not None
    assert manifest["spec"] == {"hosts": ["fraud.example.com"], "gateways": ["public"], "http": kept}


async def test_changes_during_a_restart_of_the_api_server_arrive_afterwards(tmp_path: Path) -> None:
    """A crash of the API server ends no watch for good, and nothing is told twice."""
    with control_plane(tmp_path) as plane:
        plane.install_istio_crds()
        endpoint = await find_endpoint(str(plane.kubeconfig))
        async with Connection(endpoint, SystemClock()) as connection, following(connection) as followed:
            cluster = KubernetesCluster(connection, SystemClock())
            await cluster.create(config_map("default", "before"))
            assert (await followed.next("default"))[2] is not None
            plane.kill_api_server()
            await asyncio.to_thread(wait_for_free_port, plane.url)
            await asyncio.to_thread(plane.start_api_server)
            await cluster.create(config_map("default", "after"))
            _, _, manifest = await followed.next("default")
            assert manifest is not None
            assert manifest["metadata"]["name"] == "after"
            assert followed.informers.restarts()["configmaps"] >= 1


def wait_for_free_port(url: str) -> None:
    """Wait until the threads of a killed server have let go of its port."""
    address, port = url.rpartition("/")[2].split(":")
    deadline = time.monotonic() + 10  # noqa: TID251
    while time.monotonic() < deadline:  # noqa: TID251
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex((address, int(port))) != 0:
                return
