"""ModelDeployments that the operator has brought to a state themselves, to be copied from there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.etcd import Stored
from benchmarks.fleet import Fleet, fleet_of
from benchmarks.ground import MODEL, Ground, at_work, names
from benchmarks.manifests import LIVE_WEIGHT, Mode, Policy
from benchmarks.marks import wishes_about
from benchmarks.waits import until_quiet
from serinus.core.model.kinds import Json
from tests.support.pods import Kubelets

STABLE, TRIED = "1", "2"
STABLE_SECONDS, TRIED_SECONDS = 3000.0, 62.0
"""By so much they are made older: the tests learn from stable's past, and the canary is warm, with a whole window."""


@dataclass(frozen=True)
class Template:
    """All objects of one ModelDeployment, by the name that is in them, and the wishes that they were applied by."""

    name: str
    objects: Stored
    wishes: Sequence[Json]

    async def copy(self, here: Ground, count: int, word: str = MODEL) -> tuple[str, ...]:
        """Put so many there; give their names, which begin with a word as long as its own."""
        made = names(word, count)
        await here.etcd.copy(self.objects, self.name, made, self.wishes)
        await here.until_server_rests()
        return made


class Templates:
    """What was made on some ground to be copied; each is made when it is asked for first."""

    def __init__(self, here: Ground) -> None:
        self.here = here
        self._made: dict[str, Template] = {}

    async def serving(self, policy: Policy) -> Template:
        """Give one whose first version serves, and of which nothing more is written."""
        return self._made.get(str(policy)) or await self._make(policy, self._serve)

    async def live(self, policy: Policy) -> Template:
        """Give one whose second version has had its first weight for a minute, and is well; its test is calibrated."""
        return self._made.get(str(policy)) or await self._make(policy, self._bring_to_life)

    async def _make(self, policy: Policy, make: Callable[[Policy], Awaitable[None]]) -> Template:
        here, (name,) = self.here, names(MODEL, 1)
        here.tell("one is made to be copied")
        here.counted.applied.clear()
        here.work()
        await make(policy)
        here.rest()
        made = Template(name, await here.etcd.take(name), wishes_about(name, here.counted.applied))
        await here.clear()
        self._made[str(policy)] = made
        return made

    async def _serve(self, policy: Policy) -> None:
        maker = self.here.maker()
        async with at_work(maker), self._one(policy) as fleet:
            await fleet.commit(STABLE)
            await fleet.until_phase("Succeeded")
            await until_quiet(maker)

    async def _bring_to_life(self, policy: Policy) -> None:
        """Each version gets older while no operator runs: the first one serves alone for most of an hour."""
        maker, etcd, (name,) = self.here.maker(), self.here.etcd, names(MODEL, 1)
        async with self._one(policy) as fleet:
            async with at_work(maker):
                await fleet.commit(STABLE)
                await fleet.until_phase("Succeeded")
            await etcd.age(name, STABLE_SECONDS)
            async with at_work(maker):
                await fleet.commit(TRIED)
                await fleet.until_routed(LIVE_WEIGHT)
            await etcd.age(name, TRIED_SECONDS)
            async with at_work(maker):
                await fleet.until_safe()
                if policy.mode is Mode.DEFAULT:
                    await fleet.until_calibrated()

    @asynccontextmanager
    async def _one(self, policy: Policy) -> AsyncIterator[Fleet]:
        async with Kubelets(self.here.api), fleet_of(self.here.api, policy, names(MODEL, 1)) as fleet:
            yield fleet
