"""Leading over an API server that is slow, or away for a moment: neither costs a lease, nor prevents one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from serinus.adapters.kubernetes.installs import Neighbours, OtherInstalls
from serinus.adapters.kubernetes.lease import LEASE_SECONDS
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.namespace_leases import NamespaceLeases
from serinus.adapters.kubernetes.shards import ShardLeases
from serinus.core.model.kinds import Json, Kind
from tests.support.leaping_loop import LoopClock, leaping
from tests.support.lease_store import LeaseStore
from tests.support.replicas import Decided, Way

UNDER_A_SECOND = [0.05, 0.45, 0.7, 0.95]


@dataclass
class SlowWay(Way):
    """Takes so long for each request; `spike` is what the next one takes instead."""

    delay: float = 0.0
    spike: float = 0.0

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        await self._take_time()
        return await super().get(kind, namespace, name)

    async def create(self, manifest: Json) -> Json:
        await self._take_time()
        return await super().create(manifest)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        await self._take_time()
        return await super().merge(kind, namespace, name, patch)

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        await self._take_time()
        return await super().list(kind, namespace, label_selector=label_selector)

    async def _take_time(self) -> None:
        seconds, self.spike = self.spike or self.delay, 0.0
        await asyncio.sleep(seconds)


class Pod:
    """One replica that runs as a process does."""

    def __init__(self, store: LeaseStore, identity: str, **name: Any) -> None:
        self.way, self.decided = SlowWay(store), Decided()
        seconds = name.pop("seconds", LEASE_SECONDS)
        clock, named = LoopClock(), LeaseName("ops", "serinus", identity, **name)
        neighbours: Neighbours = OtherInstalls(self.way, clock, named, seconds=seconds)
        if named.watched:
            neighbours = NamespaceLeases(self.way, clock, named, seconds=seconds)
        self.leases = ShardLeases(self.way, clock, named, seconds=seconds, neighbours=neighbours, deciders=self.decided)

    def run(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.leases.run())

    async def until_it_leads(self, shards: int = 1) -> float:
        """Give the seconds that it took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(6000):
            if len(self.leases.led()) >= shards:
                break
            await asyncio.sleep(0.05)
        return loop.time() - begun

    async def led(self, seconds: int) -> float:
        """Give the part of so many seconds in which it could write."""
        led = 0
        for _ in range(10 * seconds):
            await asyncio.sleep(0.1)
            led += bool(self.leases.led())
        return led / (10 * seconds)


@pytest.mark.parametrize("watched", [(), ("ml",), tuple(f"ns-{n}" for n in range(20))], ids=["all", "one", "twenty"])
@pytest.mark.parametrize("delay", UNDER_A_SECOND)
def test_who_takes_over_on_a_slow_api_server_leads_and_goes_on_leading(delay: float, watched: tuple[str, ...]) -> None:
    """A lease is taken, asked about and claimed by several requests, and renewed meanwhile."""

    async def story() -> None:
        store = LeaseStore()
        gone, pod = Pod(store, "gone", watched=watched), Pod(store, "pod", watched=watched)
        running = gone.run()
        await gone.until_it_leads()
        await gone.leases.leave()
        running.cancel()
        pod.way.delay = delay
        pod.run()
        assert await pod.until_it_leads() < 8
        assert await pod.led(30) == 1
        assert pod.decided.ended == []

    leaping(story())


@pytest.mark.parametrize("delay", UNDER_A_SECOND)
def test_all_shards_are_led_on_a_slow_api_server(delay: float) -> None:
    """The first keeps other installs away; the rest need not wait for each other."""

    async def story() -> None:
        pod = Pod(LeaseStore(), "pod", shards=16)
        pod.way.delay = delay
        pod.run()
        assert await pod.until_it_leads(16) < 10
        await asyncio.sleep(30)
        assert (len(pod.leases.led()), pod.decided.ended) == (16, [])

    leaping(story())


@pytest.mark.parametrize("spike", [1.2, 3.0], ids=["slow once", "hangs once"])
@pytest.mark.parametrize("delay", UNDER_A_SECOND)
def test_one_request_that_hangs_costs_no_lease(delay: float, spike: float) -> None:
    """What became of it has to be read then; writes may have to wait for that, and nobody else can have it."""

    async def story() -> None:
        pod = Pod(LeaseStore(), "pod")
        pod.run()
        await pod.until_it_leads()
        pod.way.delay = delay
        for _ in range(5):
            await asyncio.sleep(7.3)
            pod.way.spike = spike
        await asyncio.sleep(5)
        assert pod.decided.ended == []
        assert await pod.led(10) == 1

    leaping(story())


@pytest.mark.parametrize("seconds", [5, 15])
@pytest.mark.parametrize("offset", range(10))
def test_an_api_server_that_is_away_for_a_moment_costs_no_lease(seconds: int, offset: int) -> None:
    """Refused at once: tried again soon, for as long as nobody else can have it; and said once."""

    async def story() -> None:
        pod = Pod(LeaseStore(), "pod", seconds=seconds)
        pod.run()
        await pod.until_it_leads()
        await asyncio.sleep(10 + offset * seconds / 50)
        pod.way.cut = True
        await asyncio.sleep(0.6 * seconds)
        pod.way.cut = False
        await asyncio.sleep(2)
        assert pod.decided.ended == []
        assert await pod.led(10) == 1

    leaping(story())


@pytest.mark.parametrize("watched", [(), ("ml", "web")], ids=["all namespaces", "two namespaces"])
def test_an_outage_is_logged_once_for_each_lease(caplog: pytest.LogCaptureFixture, watched: tuple[str, ...]) -> None:
    """A minute of it fills no log; another one later is said again."""

    async def story() -> int:
        pod = Pod(LeaseStore(), "pod", shards=16, watched=watched)
        pod.run()
        await pod.until_it_leads(16)
        for _ in range(2):
            caplog.clear()
            pod.way.cut = True
            await asyncio.sleep(60)
            pod.way.cut = False
            await pod.until_it_leads(16)
        return len([one for one in caplog.records if one.levelno >= logging.WARNING])

    assert 16 <= leaping(story()) <= 16 * 4


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("seconds", [5, 15, 60, 300])
def test_after_a_clean_shutdown_the_next_leads_at_once_however_long_a_lease_is(seconds: int, shards: int) -> None:
    """It looks each second; only renewals are further apart."""

    async def story() -> None:
        store = LeaseStore()
        first, second = (Pod(store, each, seconds=seconds, shards=shards) for each in ("first", "second"))
        running = first.run()
        await first.until_it_leads(shards)
        second.run()
        await asyncio.sleep(2 * seconds)
        await first.leases.leave()
        running.cancel()
        assert await second.until_it_leads(shards) <= 2.5

    leaping(story())


def test_a_renewal_is_made_each_fifth_of_a_lease() -> None:
    """However often it looks at those of others."""

    async def story() -> None:
        store = LeaseStore()
        pod = Pod(store, "pod", seconds=60)
        pod.run()
        await pod.until_it_leads()
        before = int(store.stored["ops", "serinus"]["metadata"]["resourceVersion"])
        await asyncio.sleep(600)
        assert int(store.stored["ops", "serinus"]["metadata"]["resourceVersion"]) - before == 50

    leaping(story())
