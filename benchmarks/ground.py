"""What everything is measured on: an API server of its own, the operator as a process, and what it asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.counted import CountedServer, counted_server
from benchmarks.etcd import Etcd
from benchmarks.manifests import NAMESPACE
from benchmarks.process import cost
from benchmarks.prometheus import NAME as PROMETHEUS
from benchmarks.prometheus import Prometheus, prometheus
from benchmarks.waits import within
from serinus.api import crds
from serinus_local.control_plane import API_SERVER, ControlPlane, control_plane
from serinus_local.gateway import istio_gateway
from serinus_local.process import Running
from tests.support.cluster_api import ClusterApi
from tests.support.operator import OperatorProcess

CONTROLLERS = "kube-controller-manager"
SERVERS = frozenset({"etcd", API_SERVER, PROMETHEUS})
MODEL, TRIAL = "model", "trial"
"""Words that names begin with, equally long."""
DRAIN_SECONDS = 600
"""What is reverted keeps its pods, so that it can be tried again at once: the way back is the same."""
NAMES_AT_ALL = 5
"""Digits of a name: all names are equally long."""
RESTING_CORES, REST_SECONDS = 0.2, 240.0
READY_SECONDS = 300.0
"""Ten thousand objects are read before an operator is ready."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """An API server with our kinds, a way to it on which requests are counted, and traffic."""

    plane: ControlPlane
    api: ClusterApi
    prometheus: Prometheus
    counted: CountedServer
    tell: Tell

    def operator(
        self, name: str = "operator", *, kubeconfig: Path | None = None, pod: str = "", **fields: Any
    ) -> OperatorProcess:
        """Make an operator that has not been started; `fields` are its configuration's."""
        config = {"drainSeconds": DRAIN_SECONDS, **fields}
        return OperatorProcess(self.plane, name, self.prometheus.url, kubeconfig=kubeconfig, pod=pod, **config)

    def maker(self) -> OperatorProcess:
        """Make an operator whose requests are counted, and whose wishes are known: what it makes can be copied."""
        return self.operator("maker", kubeconfig=self.counted.kubeconfig)

    @property
    def etcd(self) -> Etcd:
        """Give the way to what is stored."""
        return Etcd(f"http://127.0.0.1:{self.plane.ports['etcd']}")

    def work(self) -> None:
        """Have the controllers at work, which make pods."""
        self.plane.processes.again(CONTROLLERS)

    def rest(self) -> None:
        """End the controllers: nobody but the operator is to do anything, and what is there stays as it is."""
        self.plane.processes.stop(CONTROLLERS)

    async def clear(self) -> None:
        """Leave nothing of what was measured: no process, no object, and nothing that was said of a Service."""
        for name in self.plane.processes.known():
            if name not in SERVERS:
                self.plane.processes.stop(name)
        for word in (MODEL, TRIAL):
            await self.etcd.remove(f"/{NAMESPACE}/{word}-")
        await self.prometheus.forget()
        await self.until_server_rests()

    async def until_server_rests(self) -> None:
        """Wait until the API server has taken in what was put into etcd."""
        server = self.plane.processes.running(API_SERVER)
        assert server is not None
        async with within(REST_SECONDS, f"the API server takes less than {RESTING_CORES:g} cores"):
            while (await cost(1.0, server.pid))[0].cpu_cores > RESTING_CORES:
                continue


@asynccontextmanager
async def ground(tell: Tell) -> AsyncIterator[Ground]:
    """Start an API server and Prometheus for the time of the block."""
    state = Path(tempfile.mkdtemp(prefix="serinus-bench-"))
    try:
        with control_plane(state) as plane:
            plane.install_istio_crds()
            for file in sorted((crds.ROOT / "crds").glob("*.yaml")):
                plane.apply_crds(file.read_text())
            plane.kubectl("create", "namespace", NAMESPACE)
            plane.apply_yaml(istio_gateway(NAMESPACE))
            async with ClusterApi(plane) as api, prometheus(plane) as source, counted_server(plane) as counted:
                yield Ground(plane, api, source, counted, tell)
    finally:
        shutil.rmtree(state, ignore_errors=True)


@asynccontextmanager
async def at_work(operator: OperatorProcess) -> AsyncIterator[Running]:
    """Run an operator for the time of the block; its process as it was started at first."""
    started = await operator.start()
    try:
        await operator.until_page("/readyz", limit=READY_SECONDS)
        yield started
    finally:
        await operator.stop()


def names(word: str, count: int) -> tuple[str, ...]:
    """Name so many ModelDeployments, all in the same length."""
    return tuple(f"{word}-{number:0{NAMES_AT_ALL}d}" for number in range(count))
