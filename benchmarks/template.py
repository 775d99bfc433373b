"""ModelDeployments that the operator has brought to a state themselves, to be copied from there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.etcd import Stored
from benchmarks.figures import passes, waiting
from benchmarks.fleet import fleet_of
from benchmarks.ground import Ground, at_work, names
from benchmarks.manifests import LIVE_WEIGHT, Policy
from benchmarks.marks import wishes_about
from serinus.core.model.kinds import Json
from tests.support.operator import OperatorProcess, requests_made, samples
from tests.support.pods import Kubelets

STABLE, TRIED = "1", "2"
LOOKED_AT_SECONDS = 12.0
"""For so long a canary is looked at before it is copied: its status shows its first numbers by then."""
STABLE_SECONDS = 3000.0
QUIET_SECONDS = 2.0
LOOKED_AT_LIMIT_SECONDS = 180.0
ASKED_SECONDS = 0.25
"""Between two pages: each costs the operator some milliseconds."""


@dataclass(frozen=True)
class Template:
    """All objects of one ModelDeployment, by the name that is in them, and the wishes that they were applied by."""

    name: str
    objects: Stored
    wishes: Sequence[Json]

    @classmethod
    async def of(cls, ground: Ground, name: str) -> Self:
        """Take what is there of a name; a `maker` must have made it."""
        return cls(name, await ground.etcd.take(name), wishes_about(name, ground.counted.applied))

    async def copy(self, ground: Ground, count: int) -> tuple[str, ...]:
        """Make so many of it in place of what is there of that word; give their names."""
        word = self.name.rpartition("-")[0]
        await ground.etcd.remove(f"{word}-")
        made = names(word, count)
        await ground.etcd.copy(self.objects, self.name, made, self.wishes)
        await ground.until_server_rests()
        return made


async def serving(ground: Ground, operator: OperatorProcess, word: str, policy: Policy) -> Template:
    """Let a first version serve under a running `maker`, until nothing more is written, and take what is there."""
    name = names(word, 1)
    async with Kubelets(ground.api), fleet_of(ground.api, policy, name) as fleet:
        await fleet.commit(STABLE)
        await fleet.until_phase("Succeeded")
        await until_quiet(operator)
    return await Template.of(ground, name[0])


async def live(ground: Ground, word: str, policy: Policy) -> Template:
    """Let a second version have its first weight and be looked at, and take what is there once the operator is gone.

    The first one has served alone for most of an hour by then, as far as anybody can tell: the tests learn from that.
    """
    name = names(word, 1)
    operator = ground.maker()
    async with at_work(operator):
        await serving(ground, operator, word, policy)
    await ground.etcd.age(name[0], STABLE_SECONDS)
    async with at_work(operator), Kubelets(ground.api), fleet_of(ground.api, policy, name) as fleet:
        await fleet.commit(TRIED)
        await fleet.until_routed(LIVE_WEIGHT)
        await asyncio.sleep(LOOKED_AT_SECONDS)
    return await Template.of(ground, name[0])


async def until_quiet(operator: OperatorProcess) -> None:
    """Wait until for some seconds no request to the API server was made."""
    before, now = -1.0, await requests_made(operator.url)
    async with asyncio.timeout(LOOKED_AT_LIMIT_SECONDS):
        while before != now:
            await asyncio.sleep(QUIET_SECONDS)
            before, now = now, await requests_made(operator.url)


async def until_looked_at(operators: Sequence[OperatorProcess], times: int, *, all_done: bool = True) -> None:
    """Wait until so many passes were made and, but for operators that may not keep up, nothing waits for one."""
    async with asyncio.timeout(LOOKED_AT_LIMIT_SECONDS):
        while True:
            pages = [await samples(one.url) for one in operators]
            if sum(map(passes, pages)) >= times and not (all_done and any(map(waiting, pages))):
                return
            await asyncio.sleep(ASKED_SECONDS)
