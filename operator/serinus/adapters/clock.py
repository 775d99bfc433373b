"""The clock. This is the only module that reads one, so that every other test can say what time it is."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in unix seconds for records, monotonic time for durations, and a way to wait."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Read the wall clock, in unix seconds; it may jump."""
        return time.time()  # noqa: TID251

    def monotonic(self) -> float:
        """Read the clock that never jumps; only differences mean something."""
        return time.monotonic()  # noqa: TID251

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
