"""Questions that no look waits for: one at a time for each rollout, and gone with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Beside:
    """Runs them, by rollout."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __contains__(self, rollout: str) -> bool:
        return rollout in self._running

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, rollout: str, question: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin to ask for a rollout for which nothing is being asked."""
        task = asyncio.create_task(question)
        self._running[rollout] = task
        task.add_done_callback(lambda ended: self._end(rollout, ended))
        return task

    def forget(self, rollout: str) -> None:
        """Ask no more for a rollout."""
        running = self._running.pop(rollout, None)
        if running is not None:
            running.cancel()
            self._ending.add(running)
            running.add_done_callback(self._ending.discard)

    async def ended(self) -> None:
        """Wait until nothing is under way any more of what was forgotten."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def close(self) -> None:
        """End all asking."""
        for task in self._running.values():
            task.cancel()
        await self.settle()

    def _end(self, rollout: str, ended: asyncio.Task[None]) -> None:
        # One that was forgotten may end after the next has begun.
        if self._running.get(rollout) is ended:
            del self._running[rollout]
