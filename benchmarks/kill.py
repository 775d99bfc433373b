"""The operator is killed in mid-rollout, with leader election: how long until a bad canary has weight 0?

For whoever follows, the canary has been bad since it got its weight: the first look condemns it, and it is measured
how soon somebody looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.elected import SHARDS, Replicas, until_lead
from benchmarks.figures import Findings, load, spread
from benchmarks.fleet import Fleet, fleet_of
from benchmarks.ground import Ground
from benchmarks.manifests import LIVE_WEIGHT, NAMESPACE, Mode, held
from benchmarks.template import TRIED, Templates
from serinus.adapters.clock import SystemClock
from serinus.core.model.identity import Key
from serinus.core.model.shards import shard_of
from tests.support.operator import OperatorProcess

ROUNDS, ROUNDS_IN_FULL = 1, 3
POLICY = held(Mode.DEFAULT, "1s")
WAYS = {
    "same_pod": "its container starts again in the same pod",
    "other_pod": "another pod is started",
    "standby": "a second replica stands by",
    "shards": f"a second replica leads the other half of {SHARDS} shards",
}
REDUCED, FULL = ("same_pod",), tuple(WAYS)
STARTED = frozenset({"same_pod", "other_pod"})
"""Here the follower starts after the kill."""


class Killed:
    """Operators that lead one after the other; each is killed, and another one follows."""

    def __init__(self, here: Ground) -> None:
        self.here = here
        self.clock = SystemClock()
        self.replicas = Replicas(here)

    async def round(self, fleet: Fleet, way: str) -> tuple[float, float]:
        """Kill, spoil, and have another follow; seconds to weight 0 since the kill, and since the follower's start."""
        first, follower = await self._first(fleet, way)
        await fleet.until_live()
        fleet.taken_at.clear()
        await first.kill()
        killed = self.clock.monotonic()
        (name,) = fleet.names
        await self.here.prometheus.spoil([fleet.canary(name)], fleet.stage_started(name))
        started = self.clock.monotonic()
        if way in STARTED:
            await follower.start()
        taken = (await fleet.until_taken([name]))[name]
        await self._come_back(fleet)
        await follower.stop()
        return taken - killed, taken - started

    async def _first(self, fleet: Fleet, way: str) -> tuple[OperatorProcess, OperatorProcess]:
        """Give who leads the rollout, and who is to follow; what stands by runs already."""
        if way == "shards":
            return await self._sharing(fleet)
        first = self.replicas.operator()
        await first.start()
        await until_lead([first], 1)
        follower = self.replicas.operator(pod=self.replicas.pod if way == "same_pod" else "")
        if way == "standby":
            await follower.start()
        return first, follower

    async def _sharing(self, fleet: Fleet) -> tuple[OperatorProcess, OperatorProcess]:
        both = [self.replicas.operator(shards=SHARDS) for _ in range(2)]
        for one in both:
            await one.start()
        shard = shard_of(Key(NAMESPACE, fleet.names[0]), SHARDS)
        first, second = both
        return (first, second) if shard in (await until_lead(both, SHARDS))[0] else (second, first)

    async def _come_back(self, fleet: Fleet) -> None:
        canaries = [fleet.canary(name) for name in fleet.names]
        await self.here.prometheus.send(canaries, there=False)
        await fleet.retry(f"after {self.replicas.pod}")
        await fleet.until_routed(LIVE_WEIGHT)
        await self.here.prometheus.send(canaries, there=True)


async def measure(ways: Sequence[str], rounds: int, templates: Templates, findings: Findings) -> None:
    """Kill so often, each in some ways; the lease is never released."""
    here = templates.here
    template = await templates.live(POLICY)
    made, killed = await template.copy(here, 1), Killed(here)
    async with fleet_of(here.api, POLICY, made, version=TRIED) as fleet:
        for way in ways:
            seen = [await killed.round(fleet, way) for _ in range(rounds)]
            since_kill, since_start = zip(*seen, strict=True)
            here.tell(f"kill: weight 0 after {max(since_kill):.2f} s where {WAYS[way]}")
            started = {"since_start": spread(since_start)} if way in STARTED else {}
            findings.add({"kill": {way: {"since_kill": spread(since_kill), **started, "load": load()}}})
    await here.clear()
