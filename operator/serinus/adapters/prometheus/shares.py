"""Slots for users' own queries at one source, shared among the namespaces that use it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from serinus.adapters.clock import MonotonicClock

ACTIVE_SECONDS: Final = 60.0
"""A namespace counts as one that asks for this long after its last query."""


class Shares:
    """Gives out places. A namespace holds its share at most, and never the last one: another's first query has room."""

    def __init__(self, places: int, clock: MonotonicClock) -> None:
        self._places = places
        self._clock = clock
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._asked_at: dict[str, float] = {}

    @asynccontextmanager
    async def place(self, namespace: str) -> AsyncIterator[None]:
        """Hold a place; waits until the namespace has one free."""
        await self._take(namespace)
        try:
            yield
        finally:
            self._give_back(namespace)

    async def _take(self, namespace: str) -> None:
        self._asked_at[namespace] = self._clock.monotonic()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((namespace, turn))
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(namespace)
            raise
        finally:
            self._waiting = [each for each in self._waiting if each[1] is not turn]

    def _give_back(self, namespace: str) -> None:
        self._held[namespace] -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Let those go on who may: whoever holds least goes first, and of equals whoever came first."""
        share = self._share()
        for namespace, turn in sorted(self._waiting, key=lambda each: self._held[each[0]]):
            if self._held.total() < self._places and self._held[namespace] < share and not turn.done():
                self._held[namespace] += 1
                turn.set_result(None)

    def _share(self) -> int:
        since = self._clock.monotonic() - ACTIVE_SECONDS
        self._asked_at = {name: at for name, at in self._asked_at.items() if at >= since or self._held[name] > 0}
        self._held = +self._held
        return max(1, min(self._places - 1, self._places // max(1, len(self._asked_at))))
