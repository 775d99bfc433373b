"""Time that moves only when the world says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

START = 1_790_000_000.0


@dataclass
class VirtualClock:
    """The port `Clock`."""

    seconds: float = START

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
