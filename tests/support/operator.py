"""The operator as tests run it: embedded in the test's own event loop, or as a process that can be killed."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from serinus.adapters.kubernetes.endpoint import find_endpoint
from serinus.app import Operator
from serinus.config import Config
from serinus_local.chart import REPOSITORY
from serinus_local.control_plane import ControlPlane
from serinus_local.process import Processes, Program, Running

WRITES = ("apply", "apply_status", "create", "delete", "merge")
READY_SECONDS = 60.0


def settings(prometheus_url: str, **fields: Any) -> dict[str, Any]:
    """Give a configuration for tests: a free port, one Prometheus for all, a short drain, no lease unless asked for."""
    return {
        "prometheus": [{"name": "default", "url": prometheus_url}],
        "tenants": [{"namespace": "*", "hosts": ["*.example.com"], "sources": ["default"]}],
        "metricsAddress": "127.0.0.1",
        "metricsPort": 0,
        "drainSeconds": 0.5,
        "leaderElection": {"enabled": False},
        **fields,
    }


@asynccontextmanager
async def embedded(kubeconfig: Path, prometheus_url: str, **fields: Any) -> AsyncIterator[Operator]:
    """Run the operator in this event loop for the time of the block; a test in which it ends by itself fails for that.

    Such a test has the lease that users get: a shorter one is lost on a busy machine.
    """
    config = Config.model_validate(settings(prometheus_url, **fields))
    operator = Operator(config, await find_endpoint(str(kubeconfig)))
    stop = asyncio.Event()
    running = asyncio.create_task(operator.run(stop))
    ready = asyncio.create_task(operator.ready.wait())
    try:
        async with asyncio.timeout(READY_SECONDS):
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield operator
    finally:
        ended_by_itself = running.done()
        stop.set()
        ready.cancel()
        await running
        collect_what_kopf_leaves()
        assert not ended_by_itself, "the operator ended before the test did: was its lease lost?"


def collect_what_kopf_leaves() -> None:
    """Take kopf's two watch streams away here: it leaves them to the garbage collector, in whichever test that runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class OperatorProcess:
    """`python -m serinus run` as a process of its own; `kill` is a crash. Its lease knows it by its pod's name.

    Another `program` is one that runs the operator, too.
    """

    def __init__(
        self,
        plane: ControlPlane,
        name: str,
        prometheus_url: str,
        *,
        kubeconfig: Path | None = None,
        pod: str = "",
        program: str = "serinus",
        **fields: Any,
    ) -> None:
        self._kubeconfig = kubeconfig or plane.kubeconfig
        self._pod = {"POD_NAME": pod} if pod else {}
        self._program = program
        self._port = plane.ports[name]
        self._config = settings(prometheus_url, metricsPort=self._port, **fields)
        self._processes: Processes = plane.processes
        self.name = name
        self.url = f"http://127.0.0.1:{self._port}"
        self.log = plane.processes.log(name)

    async def start(self) -> Running:
        """Start it; return when its pages are served, which is before it leads."""
        file = self._processes.state / f"{self.name}.json"
        file.write_text(json.dumps(self._config))
        path = f"{REPOSITORY / 'operator'}:{REPOSITORY}"
        environment = {"SERINUS_CONFIG": str(file), "PYTHONPATH": path, **self._pod}
        command = (sys.executable, "-m", self._program, "run", "--kubeconfig", str(self._kubeconfig))
        running = await asyncio.to_thread(self._processes.start, Program(self.name, command, environment))
        await self.until_page("/healthz")
        return running

    async def until_page(self, path: str, *, limit: float = READY_SECONDS) -> None:
        """Ask for a page until it is answered by 200."""
        async with asyncio.timeout(limit), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(self.url + path) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                if self._processes.running(self.name) is None:
                    raise AssertionError(f"{self.name} has ended: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    def lines(self) -> list[dict[str, Any]]:
        """Read what it has logged so far; what libraries print is left out."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def kill(self) -> None:
        """Kill it as a crash would: nothing is released."""
        await asyncio.to_thread(self._processes.kill, self.name)

    async def stop(self) -> None:
        """End it as a rollout of its own Deployment would."""
        await asyncio.to_thread(self._processes.stop, self.name)


async def samples(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read an operator's /metrics."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def requests_made(url: str, *verbs: str) -> float:
    """Count the requests to the API server, of some verbs or of all."""
    return sum(
        value
        for (name, labels), value in (await samples(url)).items()
        if name == "serinus_api_requests_total" and (not verbs or dict(labels)["verb"] in verbs)
    )


async def writes_made(url: str) -> float:
    """Count the writes to the API server."""
    return await requests_made(url, *WRITES)
