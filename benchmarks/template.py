"""ModelDeployments that the operator has brought to a state themselves, to be copied from there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.etcd import Stored
from benchmarks.figures import passes, waiting
from benchmarks.fleet import fleet_of
from benchmarks.ground import Ground, at_work, names
from benchmarks.manifests import LIVE_WEIGHT, Policy
from tests.support.operator import OperatorProcess, requests_made, samples
from tests.support.pods import Kubelets

STABLE, TRIED = "1", "2"
LOOKED_AT_SECONDS = 12.0
"""For so long a canary is looked at before it is copied: its status shows its first numbers by then."""
STABLE_SECONDS = 3000.0
LOOKS_EACH = 3
"""Of live ones an operator that does not keep up has always some more to look at."""
QUIET_SECONDS = 2.0
LOOKED_AT_LIMIT_SECONDS = 180.0
ASKED_SECONDS = 0.25
"""Between two pages: each costs the operator some milliseconds."""


@dataclass(frozen=True)
class Template:
    """All objects of one ModelDeployment, by the name that is in them."""

    name: str
    objects: Stored
    is_live: bool = False

    async def copy(self, ground: Ground, count: int) -> tuple[str, ...]:
        """Make so many of it in place of what is there of that word; give their names.

        An operator goes over them once: the marks by which it knows what it has applied hold uids, which are new.
        """
        word = self.name.rpartition("-")[0]
        await ground.etcd.remove(f"{word}-")
        made = names(word, count)
        await ground.etcd.copy(self.objects, self.name, made)
        operator = ground.operator("maker")
        async with at_work(operator):
            await until_looked_at(operator, count * (LOOKS_EACH if self.is_live else 1), all_done=not self.is_live)
        return made


async def serving(ground: Ground, operator: OperatorProcess, word: str, policy: Policy) -> Template:
    """Let a first version serve under a running operator, until nothing more is written, and take what is there."""
    name = names(word, 1)
    async with Kubelets(ground.api), fleet_of(ground.api, policy, name) as fleet:
        await fleet.commit(STABLE)
        await fleet.until_phase("Succeeded")
        await until_quiet(operator)
    return Template(name[0], await ground.etcd.take(name[0]))


async def live(ground: Ground, word: str, policy: Policy) -> Template:
    """Let a second version have its first weight and be looked at, and take what is there once the operator is gone.

    The first one has served alone for most of an hour by then, as far as anybody can tell: the tests learn from that.
    """
    name = names(word, 1)
    operator = ground.operator("maker")
    async with at_work(operator):
        await serving(ground, operator, word, policy)
    await ground.etcd.age(name[0], STABLE_SECONDS)
    async with at_work(operator), Kubelets(ground.api), fleet_of(ground.api, policy, name) as fleet:
        await fleet.commit(TRIED)
        await fleet.until_routed(LIVE_WEIGHT)
        await asyncio.sleep(LOOKED_AT_SECONDS)
    return Template(name[0], await ground.etcd.take(name[0]), is_live=True)


async def until_quiet(operator: OperatorProcess) -> None:
    """Wait until for some seconds no request to the API server was made."""
    before, now = -1.0, await requests_made(operator.url)
    async with asyncio.timeout(LOOKED_AT_LIMIT_SECONDS):
        while before != now:
            await asyncio.sleep(QUIET_SECONDS)
            before, now = now, await requests_made(operator.url)


async def until_looked_at(operator: OperatorProcess, times: int, *, all_done: bool = True) -> None:
    """Wait until so many passes were made and, but for an operator that may not keep up, nothing waits for one."""
    async with asyncio.timeout(LOOKED_AT_LIMIT_SECONDS):
        while True:
            page = await samples(operator.url)
            if passes(page) >= times and not (all_done and waiting(page)):
                return
            await asyncio.sleep(ASKED_SECONDS)
