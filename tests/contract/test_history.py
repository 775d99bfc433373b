"""Stable's past from a real Prometheus: raw samples of a time that has passed, an hour of them, stretch by stretch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from serinus.adapters.clock import SystemClock
from serinus.adapters.prometheus.instant import InstantQueries
from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import SeriesSet
from serinus.core.model.identity import Key
from serinus.core.model.past import Past
from serinus.core.model.source import Source
from serinus.runtime.pasts import Pasts
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch
from serinus_local.prometheus import LocalPrometheus, static_config
from tests.support.scripted_server import scripted_server
from tests.unit.core.rollout.given import ERROR_RATE, spec

STEP = 15.0
STEPS = 200
"""Fifty minutes: of what is older than an hour Prometheus takes no sample from a target."""
ARMS = (Arm("ml", "fraud", "b", "fraud-b"), Arm("ml", "fraud", "a", "fraud-a"))


class Gateway:
    """A target that tells one moment of the last fifty minutes at each scrape, with its time."""

    def __init__(self, until: float) -> None:
        self.began = until - STEP * STEPS
        rng = np.random.default_rng(1)
        self.counted = {"200": np.cumsum(rng.poisson(1500, STEPS + 1)), "500": np.cumsum(rng.poisson(6, STEPS + 1))}
        self.step = 0
        self.told_all = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        at, step = round(1000 * (self.began + STEP * self.step)), self.step
        lines = [
            f'istio_requests_total{{reporter="source",destination_service_namespace="ml",'
            f'destination_service_name="fraud-a",response_code="{code}"}} {counts[step]} {at}'
            for code, counts in self.counted.items()
        ]
        if self.step == STEPS:
            self.told_all.set()
        self.step = min(self.step + 1, STEPS)
        return web.Response(text="# TYPE istio_requests_total counter\n" + "\n".join(lines) + "\n")


ASKED_FOR = {
    "name": "asked-for",
    "query": 'sum(rate(istio_requests_total{destination_service_name="{{service}}"}[30s]))',
    "thresholdRange": {"min": "0"},
}


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[LocalPrometheus]:
    server = LocalPrometheus(tmp_path)
    yield server
    server.stop()


async def learnt(queries: InstantQueries, alone: tuple[float, float]) -> Past:
    """Ask as the operator does when a rollout starts."""
    clock = SystemClock()
    presets = Presets(queries, clock, {})
    pasts = Pasts(queries, clock, presets)
    metrics = [ERROR_RATE, ASKED_FOR]
    analysis = policy_of(spec(analysis={"metrics": metrics, "interval": "5s", "mode": "Sequential"})).analysis
    watch = Watch(Key("ml", "fraud"), "uid", *ARMS, analysis, None, stable_version="42", alone=(alone,))
    await presets.ask([watch])
    pasts.begin([watch])
    async with asyncio.timeout(30):
        await pasts.settle()
    found = pasts.of(watch)
    assert found is not None
    return found


@pytest.mark.node
async def test_fifty_minutes_are_read_and_learnt(prometheus: LocalPrometheus) -> None:
    """All of it, and no second of what was not stable's alone."""
    async with scripted_server() as server:
        gateway = Gateway(SystemClock().now())
        server.will(gateway)
        prometheus.start(static_config({"gateway": server.url.removeprefix("http://")}, interval="250ms"))
        async with asyncio.timeout(110):
            await gateway.told_all.wait()
        async with InstantQueries([Source("default", prometheus.url)], SystemClock()) as queries:
            past = await learnt(queries, (gateway.began - 3600, gateway.began + STEP * STEPS))
            assert past.seconds == pytest.approx(STEP * STEPS, abs=2 * STEP)
            assert (past.learnt, past.problem) == (True, "")
            assert set(past.lessons) == {"error-rate", "asked-for"}
            answer = await queries.ask("default", "istio_requests_total[60s]", gateway.began + 600.0)
            assert isinstance(answer, SeriesSet)
            assert [len(one.samples) for one in answer.series] == [4, 4]
            half = await learnt(queries, (gateway.began, gateway.began + STEP * STEPS / 2))
            assert half.seconds == pytest.approx(STEP * STEPS / 2, abs=2 * STEP)
            assert half.too_short
