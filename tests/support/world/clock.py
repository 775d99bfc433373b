"""Time that moves only when the world says so."""

from __future__ import annotations

import asyncio

START = 1_790_000_000.0


class VirtualClock:
    """The port `Clock`; whoever sleeps on it is woken when time has come that far."""

    def __init__(self) -> None:
        self.seconds = START
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        due = [future for at, future in self._sleepers if at <= self.seconds]
        self._sleepers = [(at, future) for at, future in self._sleepers if at > self.seconds]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, future))
        await future
