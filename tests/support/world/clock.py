"""Time that moves only when the world says so."""

from __future__ import annotations

import asyncio

from serinus.adapters.clock import SteadyTime

START = 1_790_000_000.0


class VirtualClock:
    """The port `Clock`. `seconds` is the wall clock: it may be set, which moves nothing on.

    Whoever sleeps is woken when time has come that far. The API server and Prometheus go by the wall clock.
    """

    def __init__(self) -> None:
        self.seconds = START
        self._passed = 0.0
        self._steady = SteadyTime()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._steady.at(self.seconds, self._passed)

    def monotonic(self) -> float:
        return self._passed

    def restart(self) -> None:
        """Begin as a new process does: by the wall clock."""
        self._steady = SteadyTime()

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        self._passed += seconds
        due = [future for at, future in self._sleepers if at <= self._passed]
        self._sleepers = [(at, future) for at, future in self._sleepers if at > self._passed]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + seconds, future))
        await future
