"""Waiting with an end, for an operator that is at rest, has looked at all, or keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.figures import passes, waiting
from benchmarks.prometheus import Prometheus
from serinus.adapters.clock import SystemClock
from serinus.api.durations import seconds
from tests.support.operator import OperatorProcess, requests_made, samples

QUIET_SECONDS = 2.0
QUIET_LIMIT_SECONDS, LOOKED_AT_LIMIT_SECONDS = 180.0, 400.0
ASKED_SECONDS = 0.25
"""Between two pages: each costs the operator some milliseconds."""
LOOKS, WITHIN_INTERVALS = 2, 2.5
"""An operator keeps up that asks so often about each rollout in so many intervals."""
SETTLE_SECONDS, SETTLE_SECONDS_EACH = 60.0, 0.3
"""Longer for more rollouts: an operator that does not keep up is to be measured, too."""


@asynccontextmanager
async def within(limit: float, what: str) -> AsyncIterator[None]:
    """Give a block so many seconds; raises AssertionError that says what has not come."""
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError:
        raise AssertionError(f"not within {limit:g} s: {what}") from None


async def until_quiet(operator: OperatorProcess) -> None:
    """Wait until for some seconds no request to the API server was made."""
    before, now = -1.0, await requests_made(operator.url)
    async with within(QUIET_LIMIT_SECONDS, f"{operator.name} asks the API server for nothing more"):
        while before != now:
            await asyncio.sleep(QUIET_SECONDS)
            before, now = now, await requests_made(operator.url)


async def until_looked_at(operator: OperatorProcess, times: int) -> None:
    """Wait until so many passes were made and nothing waits for one."""
    async with within(LOOKED_AT_LIMIT_SECONDS, f"{times} passes of {operator.name}, and none that waits"):
        while True:
            page = await samples(operator.url)
            if passes(page) >= times and not waiting(page):
                return
            await asyncio.sleep(ASKED_SECONDS)


async def until_keeps_up(source: Prometheus, rollouts: int, interval: str) -> float | None:
    """Wait until new operators look at all live rollouts as often as they should; gives the seconds that it took.

    At its start an operator reads minutes of samples again, and in a crowd not each look has a pass: so what tells is
    what the source is asked. None where they do not keep up within a minute, or some more for hundreds.
    """
    clock, limit = SystemClock(), SETTLE_SECONDS + SETTLE_SECONDS_EACH * rollouts
    began = clock.monotonic()
    while clock.monotonic() - began < limit:
        before = await source.asked()
        await asyncio.sleep(WITHIN_INTERVALS * seconds(interval))
        more = (await source.asked()).since(before)
        if more.looks >= LOOKS * rollouts and not more.of_long_ago:
            return clock.monotonic() - began
    return None
