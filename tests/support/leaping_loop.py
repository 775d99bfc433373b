"""An event loop whose time leaps to whatever is due next: timeouts and waits of many seconds in a moment.

For what `asyncio.timeout` decides, which goes by the loop's time; nothing in it may wait for a socket or a thread.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _LeapingSelector(selectors.SelectSelector):
    """Waits for nothing; the time that it would have waited has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.passed += max(0.0, timeout or 0.0)
        return super().select(0)


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return 1000.0 + self._leaping.passed


class LoopClock:
    """The port `Clock` over the time of the running loop."""

    def now(self) -> float:
        return 1_790_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def leaping(story: Coroutine[Any, Any, _Result]) -> _Result:
    """Run it to its end, and end what it has left running."""
    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        return runner.run(story)
