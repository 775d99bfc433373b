"""A clock that the test moves; whoever sleeps on it moves it."""

from __future__ import annotations

import asyncio


class HandClock:
    """Starts at an arbitrary time; `slept` is every wait that was asked for."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)
