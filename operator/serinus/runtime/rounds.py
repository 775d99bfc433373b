"""Has looks taken round by round, one an interval; between two of them at whoever is new.

What is looked at together shares an interval and the sources of its presets, so that a source that hangs delays only
the rollouts that use it. A process that starts comes to know the live rollouts one after the other, and none of them
may wait an interval for its first look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from serinus.runtime.ports import Clock
from serinus.runtime.tasks import cancel

log = structlog.get_logger("serinus.rounds")

Round = tuple[float, frozenset[str]]
"""What is looked at together: the interval (s), and the sources of the presets."""
SHORTEST_REST = 0.05
"""Seconds between two rounds that take longer than their interval."""
Take = Callable[[Round, float], Awaitable[None]]
"""Looks at a round; told by when (Unix seconds) the next look at all of it is due."""


class Rounds:
    """One loop for each round, for as long as it `goes_on`: `take` looks at all of it, `take_new` at who is new."""

    def __init__(self, clock: Clock, *, take: Take, take_new: Take, goes_on: Callable[[Round], bool]) -> None:
        self._clock = clock
        self._take = take
        self._take_new = take_new
        self._goes_on = goes_on
        self._loops: dict[Round, asyncio.Task[None]] = {}
        self._arrived: dict[Round, asyncio.Event] = {}

    def begin(self, together: Round, *, somebody_is_new: bool) -> None:
        """Begin to look at a round, if that has not begun, and soon at who is new in it."""
        if together not in self._loops:
            self._arrived[together] = asyncio.Event()
            self._loops[together] = asyncio.create_task(self._run(together))
        elif somebody_is_new:
            self._arrived[together].set()

    async def close(self) -> None:
        """End all looking."""
        await cancel(*self._loops.values())
        self._loops.clear()

    async def _run(self, together: Round) -> None:
        interval, _ = together
        while self._goes_on(together):
            began = self._clock.now()
            self._arrived[together].clear()
            await self._taken(self._take, together, began + interval)
            await self._rest(together, max(began + interval, self._clock.now() + SHORTEST_REST))
        del self._loops[together], self._arrived[together]

    async def _rest(self, together: Round, until: float) -> None:
        """Wait for the next round, and look at who is new meanwhile."""
        arrived = self._arrived[together]
        while (left := until - self._clock.now()) > 0:
            try:
                async with asyncio.timeout(left):
                    await arrived.wait()
            except TimeoutError:
                return
            arrived.clear()
            await self._taken(self._take_new, together, until)

    async def _taken(self, take: Take, together: Round, until: float) -> None:
        try:
            await take(together, until)
        except Exception:
            # A loop that ends would blind every rollout of this round; one lost look blinds nobody.
            log.exception("a look failed", interval=together[0])
