"""Reverts of live rollouts: victims one by one, drawn at random, and all of them at once.

A victim is a version that is broken: it has been bad since it got its weight, and is condemned by the first scrape that
tells of nothing else (of another attempt the second one, as the first tells of the time before as well). What is good
for a minute and turns bad then is condemned, in the default mode, once more than a quarter of the minute's scrapes show
it (docs/api.md): for all at once the seconds are told from the first bad scrape and from the one that condemns.
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
MOST = 0.9
"""So many have one before all turn bad; a victim of just before is condemned sooner, and its time is not told."""
MOST_SOONER = 0.1
"""So many may be condemned sooner by something else than a limit, as by the comparison with stable."""
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
        self.later = LATER_SCRAPES if mode is Mode.DEFAULT and apart <= SCRAPED_SECONDS else 0
        self._apart = apart
        self._clock = SystemClock()
        self._wait = apart if apart > OVERLAP_SECONDS else None
        self._rng = random.Random(1)  # noqa: S311 - a draw that can be repeated
        self._tries = 0

    async def one_by_one(self, victims: int, taken: list[float]) -> None:
        """Revert so many, the next one while the last one comes back; seconds are put into `taken` as they come."""
        under_way: list[asyncio.Task[None]] = []
        back: set[asyncio.Task[None]] = set()
        try:
            for name in drawn(self._fleet.names, victims, self._rng):
                await self._fleet.until_routed(LIVE_WEIGHT, [name])
                task = asyncio.create_task(self._victim(name, taken, back))
                under_way.append(task)
                await asyncio.wait([task], timeout=None if self._wait is None else OVERLAP_SECONDS)
            await asyncio.gather(*under_way)
            await asyncio.gather(*back)
        finally:
            # One that fails must leave nobody at work in what is measured next.
            for each in (*under_way, *back):
                each.cancel()
        self._here.tell(f"live: {victims} reverted one by one, the slowest in {max(taken):.2f} s")

    async def at_once(self) -> list[float]:
        """Revert all; gives the seconds since the first bad scrape of each that had a whole window of good ones."""
        began = sorted(self._fleet.stage_started(name) for name in self._fleet.names)
        whole = began[min(len(began) - 1, int(MOST * len(began)))]
        await asyncio.sleep(max(0.0, whole + WINDOW_SECONDS - self._clock.now()))
        taken = await self._all_reverted(self._clock.now() - WINDOW_SECONDS)
        later = f", {max(taken) - self.later:.2f} s after the scrape that condemned it" if self.later else ""
        self._here.tell(f"live: all reverted at once, the slowest {max(taken):.2f} s after its first bad scrape{later}")
        return taken

    async def come_back(self) -> None:
        """Have all of them live again."""
        await self._come_back(self._fleet.names)
        await asyncio.sleep(SETTLE_SECONDS)

    async def _all_reverted(self, began: float) -> list[float]:
        """Let all turn bad; gives the seconds of those whose stage began before."""
        old = [name for name in self._fleet.names if self._fleet.stage_started(name) <= began]
        self._fleet.taken_at.clear()
        canaries = {name: self._fleet.canary(name) for name in self._fleet.names}
        shown = await self._here.prometheus.spoil([*canaries.values()])
        taken = await self._fleet.until_taken(self._fleet.names)
        await self._here.prometheus.send([*canaries.values()], there=False)
        seconds = [taken[name] - shown[canaries[name]] for name in old]
        if sum(each < self.later for each in seconds) > MOST_SOONER * len(seconds):
            raise AssertionError(f"fewer than {self.later + 1} scrapes have condemned many: the rule is another")
        return seconds

    async def _victim(self, name: str, seconds: list[float], back: set[asyncio.Task[None]]) -> None:
        """Give another attempt weight that is bad from then on; notes the seconds from the first scrape until then.

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
        seconds.append(taken[name] - shown[canary])
        back.add(asyncio.create_task(self._come_back([name])))

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
