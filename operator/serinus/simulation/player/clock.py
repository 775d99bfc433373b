"""Time that moves when the player says so: the port `Clock`."""

from __future__ import annotations


class PlayedClock:
    """Unix seconds; nobody who plays waits for anything."""

    def __init__(self, now: float) -> None:
        self.seconds = now

    def now(self) -> float:
        """Tell the played time."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Return at once: looks are taken one by one."""
        del seconds
