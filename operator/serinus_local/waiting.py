"""How the stack waits: always with a limit, always looking whether there is still something to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serinus_local.cache import say


def now() -> float:
    """Read the clock that only goes forward, for limits and for telling how long a step took."""
    return time.monotonic()  # noqa: TID251 - the operator's clock is an argument, the stack has only real time


def until(check: Callable[[], bool], *, what: str, limit: float, alive: Callable[[], bool] = lambda: True) -> None:
    """Look until `check` holds, at most `limit` seconds and only while `alive`."""
    deadline = now() + limit
    pause = 0.01
    while not check():
        if not alive():
            raise ProcessLookupError(f"it exited while waiting for {what}")
        if now() > deadline:
            raise TimeoutError(f"waited {limit:.0f} s for {what}")
        time.sleep(pause)
        pause = min(0.2, pause * 1.3)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what starts now and how long it took."""
    started = now()
    say(what)
    yield
    say(f"  {what}: {now() - started:.1f} s")
