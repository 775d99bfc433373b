"""The operator is killed in mid-rollout, with leader election, while the canary turns bad: how long until weight 0?"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.figures import Numbers, leads, load, spread
from benchmarks.fleet import Fleet, fleet_of
from benchmarks.ground import Ground, Tell, ground, names
from benchmarks.manifests import LIVE_WEIGHT, NAMESPACE, Mode, held
from benchmarks.template import TRIED, live
from serinus.adapters.clock import SystemClock
from tests.support.operator import OperatorProcess, samples

REDUCED, FULL = 1, 5
POLICY = held(Mode.DEFAULT, "1s")
ELECTED: dict[str, Any] = {"leaderElection": {"enabled": True, "namespace": NAMESPACE}}
LEADS_SECONDS = 60.0


class Killed:
    """Operators that lead one after the other; each is killed, and another one follows."""

    def __init__(self, here: Ground) -> None:
        self.here = here
        self.clock = SystemClock()
        self.number = 0

    def operator(self, pod: str = "") -> OperatorProcess:
        """Make one that is elected, under the name of a pod of its own unless one is given."""
        self.number += 1
        return self.here.operator(f"operator-{self.number}", pod=pod or f"serinus-{self.number}", **ELECTED)

    async def round(self, fleet: Fleet, way: str) -> tuple[float, float]:
        """Kill, spoil, and have another follow; seconds to weight 0 since the kill, and since the follower's start."""
        first = self.operator()
        await first.start()
        await until_leads(first)
        follower = self.operator(pod=f"serinus-{self.number}" if way == "same_pod" else "")
        if way == "standby":
            await follower.start()
        await fleet.until_live()
        fleet.taken_at.clear()
        await first.kill()
        killed = self.clock.monotonic()
        await self.here.prometheus.spoil([fleet.canary(name) for name in fleet.names])
        started = self.clock.monotonic()
        if way != "standby":
            await follower.start()
        taken = (await fleet.until_taken(fleet.names))[fleet.names[0]]
        await self._come_back(fleet)
        await follower.stop()
        return taken - killed, taken - started

    async def _come_back(self, fleet: Fleet) -> None:
        canaries = [fleet.canary(name) for name in fleet.names]
        await self.here.prometheus.send(canaries, there=False)
        await fleet.retry(f"after kill {self.number}")
        await fleet.until_routed(LIVE_WEIGHT)
        await self.here.prometheus.send(canaries, there=True)


WAYS = {
    "same_pod": "its container starts again in the same pod",
    "other_pod": "another pod is started",
    "standby": "a second replica stands by",
}


async def measure(rounds: int, tell: Tell) -> Numbers:
    """Kill so often, each of the ways; the lease is never released."""
    found: Numbers = {}
    async with ground(tell) as here:
        await live(here, "model", POLICY)
        here.rest()
        killed = Killed(here)
        async with fleet_of(here.api, POLICY, names("model", 1), version=TRIED) as fleet:
            for way, words in WAYS.items():
                seen = [await killed.round(fleet, way) for _ in range(rounds)]
                since_kill, since_start = zip(*seen, strict=True)
                tell(f"kill: weight 0 after {max(since_kill):.2f} s where {words}")
                found[way] = {"since_kill": spread(since_kill), "since_start": spread(since_start), "load": load()}
    return found


async def until_leads(operator: OperatorProcess) -> None:
    """Wait until an operator may write."""
    async with asyncio.timeout(LEADS_SECONDS):
        while True:
            if leads(await samples(operator.url)):
                return
            await asyncio.sleep(0.1)
