"""From a bad sample that can be had to weight 0 that is written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.fleet import NAMESPACE, Fleet
from benchmarks.process import Cost, cost
from serinus.core.model.kinds import ROLLOUT, VIRTUAL_SERVICE
from tests.support.cluster_api import ClusterApi
from tests.support.fake_prometheus import FakePrometheus
from tests.support.mirror import Mirror
from tests.support.operator import OperatorProcess, requests_made, samples

STEADY_SECONDS = 10.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Load:
    """How many rollouts are live at once, and how often all of them are reverted."""

    rollouts: int
    rounds: int


@dataclass(frozen=True)
class Measured:
    """All that was seen at one load."""

    load: Load
    revert_seconds: tuple[float, ...]
    steady: Cost
    live_pass_ms: float

    def quantile(self, share: float) -> float:
        """Give the value that this share of the reverts did not exceed."""
        ordered = sorted(self.revert_seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Bench:
    """The parts that a measurement needs."""

    api: ClusterApi
    prometheus: FakePrometheus
    operator: OperatorProcess
    pid: int
    tell: Tell

    async def measure(self, load: Load) -> Measured:
        """Let all rollouts live, look at the operator meanwhile, and revert them, several times over."""
        async with Mirror(self.api, NAMESPACE, [ROLLOUT, VIRTUAL_SERVICE]) as mirror:
            fleet = Fleet(self.api, mirror, load.rollouts)
            self.tell(f"{load.rollouts} rollouts: version 1 begins to serve")
            await fleet.commit("1")
            await fleet.until_routed(100)
            await fleet.commit("2")
            await fleet.until_routed(10)
            await self._until_idle()
            self.tell(f"{load.rollouts} rollouts: live and steady for {STEADY_SECONDS:g} s")
            before = await samples(self.operator.url)
            steady = await cost(self.pid, STEADY_SECONDS)
            after = await samples(self.operator.url)
            taken = await self._reverts(fleet, load)
            return Measured(load, tuple(taken), steady, _pass_ms(before, after))

    async def _reverts(self, fleet: Fleet, load: Load) -> list[float]:
        seconds: list[float] = []
        for number in range(load.rounds):
            if number:
                await self._try_again(fleet, f"round {number}")
            await asyncio.sleep(random.random())  # noqa: S311 - looks and samples must not be in step
            seconds += await self._revert(fleet)
            self.tell(f"{load.rollouts} rollouts: revert {number + 1} of {load.rounds}, worst {max(seconds):.2f} s")
        return seconds

    async def _try_again(self, fleet: Fleet, word: str) -> None:
        await fleet.retry(word)
        await fleet.until_routed(10)
        self._send(fleet, there=True)
        await self._until_idle()

    def _send(self, fleet: Fleet, *, there: bool) -> None:
        for name in fleet.names:
            self.prometheus.send(fleet.canary(name), there=there)

    async def _until_idle(self) -> None:
        """Wait until a whole second has passed without a request to the API server."""
        before, now = -1.0, await requests_made(self.operator.url)
        while before != now:
            await asyncio.sleep(1.0)
            before, now = now, await requests_made(self.operator.url)

    async def _revert(self, fleet: Fleet) -> list[float]:
        fleet.taken_at = {}
        spoilt = {name: self.prometheus.spoil(fleet.canary(name)) for name in fleet.names}
        taken = await fleet.until_taken()
        self._send(fleet, there=False)
        return [taken[name] - spoilt[name] for name in fleet.names]


def _pass_ms(
    before: dict[tuple[str, frozenset[tuple[str, str]]], float],
    after: dict[tuple[str, frozenset[tuple[str, str]]], float],
) -> float:
    """Give the mean duration of the passes between two scrapes."""
    key = frozenset[tuple[str, str]]()
    took, ran = (
        after[name, key] - before[name, key] for name in ("serinus_pass_seconds_sum", "serinus_pass_seconds_count")
    )
    return took / ran * 1000 if ran else 0.0
