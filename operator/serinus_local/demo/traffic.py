"""Steady requests at a bounded rate for a bounded time: an open loop, so a slow answer delays no other request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serinus_local.demo.answers import Answer, Tally
from serinus_local.demo.callers import Callers
from serinus_local.waiting import now

RATE = 50
GRPC_EVERY = 5
"""Every fifth request goes over gRPC."""
LIMIT_SECONDS = 900.0
MOST_UNDER_WAY = 500


class DemoTraffic:
    """Asks until it is stopped; each answer is counted and told. With `grpc_every` 0 nothing goes over gRPC."""

    def __init__(self, callers: Callers, tally: Tally, *, rate: float = RATE, grpc_every: int = GRPC_EVERY) -> None:
        self.tally = tally
        self.told: Callable[[Answer], None] = lambda answer: None
        self._callers = callers
        self._rate = rate
        self._grpc_every = grpc_every
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def first_answer(self, limit: float) -> None:
        """Wait until the route carries requests; what fails before that is not counted."""
        try:
            async with asyncio.timeout(limit):
                # A gateway tells nobody that a route has arrived.
                while not await self._is_answered():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise TimeoutError(f"the gateway returned no answer from the model within {limit:.0f} s") from error

    async def run(self) -> None:
        """Send requests until `stop`, then wait for those under way."""
        started, sent = now(), 0
        while not self._stopping.is_set() and now() - started < LIMIT_SECONDS:
            due = int((now() - started) * self._rate)
            while sent < due:
                self._send(sent)
                sent += 1
            await self._pause(1 / self._rate)
        await asyncio.gather(*self._under_way)

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()

    async def _is_answered(self) -> bool:
        ways = [self._callers.http, *([self._callers.grpc] if self._grpc_every else [])]
        answers = await asyncio.gather(*(ask() for ask in ways))
        return all(answer.version is not None for answer in answers)

    def _send(self, number: int) -> None:
        if len(self._under_way) >= MOST_UNDER_WAY:
            return
        task = asyncio.create_task(self._ask(number))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _ask(self, number: int) -> None:
        by_grpc = self._grpc_every > 0 and number % self._grpc_every == 0
        answer = await (self._callers.grpc() if by_grpc else self._callers.http())
        self.tally.add(answer)
        self.told(answer)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
