"""Reverts of live rollouts: victims one by one, drawn at random, and all of them at once.

A victim is a version that is broken: it has been bad since it got its weight, and is condemned by the first scrape that
tells of nothing else (of another attempt the second one, as the first tells of the time before as well). What is good
for a minute and turns bad then is condemned, in the default mode, once more than a quarter of the minute's scrapes show
it (docs/api.md): for all at once the clock starts with the scrape that does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

from benchmarks.fleet import Fleet
from benchmarks.ground import Ground
from benchmarks.manifests import LIVE_WEIGHT, Mode
from benchmarks.traffic import SCRAPED_SECONDS
from serinus.adapters.clock import SystemClock

OVERLAP_SECONDS = 2.0
"""Where a look is longer in coming than this, the next victim does not wait for it."""
SETTLE_SECONDS = 3.0
WINDOW_SECONDS = 62.0
"""Of this age a stage has a whole window of scrapes, whenever it is looked at."""
LATER_SCRAPES = 15
"""In the default mode so many more follow the first one that shows bad answers, in such a window, until one condemns.

Where a look is longer in coming than a scrape, what condemns is the second such look: there all of the time is told."""


class Reverts:
    """Spoils the canaries of a fleet and takes the time; what was reverted is tried again, so that all stay live.

    `apart` are the seconds between two looks.
    """

    def __init__(self, here: Ground, fleet: Fleet, mode: Mode, *, apart: float) -> None:
        self._here = here
        self._fleet = fleet
        self._later = LATER_SCRAPES if mode is Mode.DEFAULT and apart <= SCRAPED_SECONDS else 0
        self._apart = apart
        self._clock = SystemClock()
        self._wait = apart if apart > OVERLAP_SECONDS else None
        self._rng = random.Random(1)  # noqa: S311 - a draw that can be repeated
        self._tries = 0

    async def one_by_one(self, victims: int) -> list[float]:
        """Revert so many; the next one while the last one comes back."""
        under_way: list[asyncio.Task[float]] = []
        back: set[asyncio.Task[None]] = set()
        for name in drawn(self._fleet.names, victims, self._rng):
            await self._fleet.until_routed(LIVE_WEIGHT, [name])
            task = asyncio.create_task(self._victim(name, back))
            under_way.append(task)
            await asyncio.wait([task], timeout=None if self._wait is None else OVERLAP_SECONDS)
        taken = await asyncio.gather(*under_way)
        await asyncio.gather(*back)
        self._here.tell(f"live: {victims} reverted one by one, the slowest in {max(taken):.2f} s")
        return list(taken)

    async def at_once(self) -> list[float]:
        """Revert all, and have all of them live again."""
        everybody = self._fleet.names
        began = max(self._fleet.stage_started(name) for name in everybody)
        await asyncio.sleep(max(0.0, began + WINDOW_SECONDS - self._clock.now()))
        taken = await self._all_reverted()
        self._here.tell(f"live: all {len(taken)} reverted at once, the slowest in {max(taken):.2f} s")
        await self._come_back(everybody)
        await asyncio.sleep(SETTLE_SECONDS)
        return taken

    async def _all_reverted(self) -> list[float]:
        """Let all turn bad; give the seconds from the scrape that condemns each until it had lost its weight."""
        self._fleet.taken_at.clear()
        canaries = {name: self._fleet.canary(name) for name in self._fleet.names}
        shown = await self._here.prometheus.spoil([*canaries.values()])
        taken = await self._fleet.until_taken(self._fleet.names)
        await self._here.prometheus.send([*canaries.values()], there=False)
        seconds = [at - shown[canaries[name]] - self._later for name, at in taken.items()]
        if min(seconds) < 0:
            raise AssertionError(f"fewer than {self._later + 1} scrapes have condemned one: the rule is another")
        return seconds

    async def _victim(self, name: str, back: set[asyncio.Task[None]]) -> float:
        """Give another attempt weight that is bad from then on; seconds from the first scrape until it is taken.

        Where it is the only one, nobody looks any more before it begins: looks start anew, at another moment between
        two scrapes.
        """
        fleet, canary = self._fleet, self._fleet.canary(name)
        await fleet.abort(name)
        await self._here.prometheus.send([canary], there=False)
        await asyncio.sleep(self._rng.random() + (self._apart if len(fleet.names) == 1 else 0.0))
        await self._retry([name])
        await fleet.until_routed(LIVE_WEIGHT, [name])
        fleet.taken_at.pop(name, None)
        await self._here.prometheus.send([canary], there=True)
        shown = await self._here.prometheus.spoil([canary], fleet.stage_started(name) + SCRAPED_SECONDS)
        taken = await fleet.until_taken([name])
        await self._here.prometheus.send([canary], there=False)
        back.add(asyncio.create_task(self._come_back([name])))
        return taken[name] - shown[canary]

    async def _come_back(self, names: Sequence[str]) -> None:
        """Try again, with requests to each as soon as it has weight: one without would be looked at more closely."""
        await self._retry(names)
        async for there in self._fleet.each_routed(LIVE_WEIGHT, names):
            await self._here.prometheus.send([self._fleet.canary(name) for name in there], there=True)

    async def _retry(self, names: Sequence[str]) -> None:
        self._tries += 1
        await self._fleet.retry(f"try {self._tries}", names)


def drawn(names: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """Draw so many names at random; none comes again before all others have come."""
    left: list[str] = []
    for _ in range(count):
        if not left:
            left = rng.sample(names, len(names))
        yield left.pop()
