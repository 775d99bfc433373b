"""The clock. Only this module reads one, so that tests can set the time everywhere else."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

SLEW = 0.01
"""How fast a wall clock that was set is followed: a step of a minute is made up for in under two hours, and no pause,
guard or deadline is off by more than one percent meanwhile."""


class MonotonicClock(Protocol):
    """Unix seconds that never jump, monotonic time, and a way to wait."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SteadyTime:
    """Wall time that runs as the monotonic clock does: setting the wall clock neither ends a pause nor extends it.

    It starts as the wall clock stands, and drifts towards it afterwards.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._monotonic = 0.0

    def at(self, wall: float, monotonic: float) -> float:
        """Tell the time, given what both clocks say now."""
        if self._seconds is None:
            self._seconds, self._monotonic = wall, monotonic
        passed = max(0.0, monotonic - self._monotonic)
        difference = wall - self._seconds - passed
        self._seconds += passed + max(-SLEW * passed, min(SLEW * passed, difference))
        self._monotonic = monotonic
        return self._seconds


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._steady = SteadyTime()

    def now(self) -> float:
        """Tell the time in unix seconds; differences are true whatever is done to the wall clock."""
        return self._steady.at(time.time(), self.monotonic())  # noqa: TID251

    def monotonic(self) -> float:
        """Read the clock that never jumps; only differences mean something."""
        return time.monotonic()  # noqa: TID251

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
