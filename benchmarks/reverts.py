"""Reverts of live rollouts: victims one by one, drawn at random, and all of them at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

from benchmarks.fleet import Fleet
from benchmarks.ground import Ground
from benchmarks.manifests import LIVE_WEIGHT

OVERLAP_SECONDS = 2.0
"""Where a look is longer in coming than this, the next victim does not wait for it."""
SETTLE_SECONDS = 3.0


class Reverts:
    """Spoils the canaries of a fleet and takes the time; what was reverted is tried again, so that all stay live.

    `apart` are the seconds between two looks.
    """

    def __init__(self, here: Ground, fleet: Fleet, *, apart: float) -> None:
        self._here = here
        self._fleet = fleet
        self._wait = apart if apart > OVERLAP_SECONDS else None
        self._rng = random.Random(1)  # noqa: S311 - a draw that can be repeated
        self._tries = 0

    async def one_by_one(self, victims: int) -> list[float]:
        """Revert so many; the next one while the last one comes back."""
        under_way: list[asyncio.Task[float]] = []
        back: set[asyncio.Task[None]] = set()
        for name in drawn(self._fleet.names, victims, self._rng):
            await self._fleet.until_routed(LIVE_WEIGHT, [name])
            await asyncio.sleep(self._rng.random())
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
        taken = await self._reverted(everybody)
        self._here.tell(f"live: all {len(taken)} reverted at once, the slowest in {max(taken):.2f} s")
        await self._come_back(everybody)
        await asyncio.sleep(SETTLE_SECONDS)
        return taken

    async def _victim(self, name: str, back: set[asyncio.Task[None]]) -> float:
        taken = await self._reverted([name])
        back.add(asyncio.create_task(self._come_back([name])))
        return taken[0]

    async def _reverted(self, names: Sequence[str]) -> list[float]:
        """Spoil some canaries; give the seconds until each had lost its weight."""
        for name in names:
            self._fleet.taken_at.pop(name, None)
        canaries = {name: self._fleet.canary(name) for name in names}
        shown = await self._here.prometheus.spoil([*canaries.values()])
        taken = await self._fleet.until_taken(names)
        await self._here.prometheus.send([*canaries.values()], there=False)
        return [taken[name] - shown[canaries[name]] for name in names]

    async def _come_back(self, names: Sequence[str]) -> None:
        """Try again, with requests as soon as there is weight."""
        self._tries += 1
        await self._fleet.retry(f"try {self._tries}", names)
        await self._fleet.until_routed(LIVE_WEIGHT, names)
        await self._here.prometheus.send([self._fleet.canary(name) for name in names], there=True)


def drawn(names: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """Draw so many names at random; none comes again before all others have come."""
    left: list[str] = []
    for _ in range(count):
        if not left:
            left = rng.sample(names, len(names))
        yield left.pop()
