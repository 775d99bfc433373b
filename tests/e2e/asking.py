"""Steady requests beside a test: the demo's own traffic, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from serinus_local.demo.answers import Tally
from serinus_local.demo.callers import Callers
from serinus_local.demo.traffic import DemoTraffic
from serinus_local.waiting import until
from tests.e2e.given import host

RATE = 25.0


@dataclass(frozen=True)
class Below:
    """Where a model is found: on a host, below a path; with one there is no gRPC."""

    host: str
    prefix: str = ""


class Asking:
    """Requests under way; `features` may be changed at any time."""

    def __init__(self, callers: Callers, traffic: DemoTraffic) -> None:
        self._callers = callers
        self._traffic = traffic

    @property
    def tally(self) -> Tally:
        """What came back so far."""
        return self._traffic.tally

    def ask_for(self, features: tuple[float, ...]) -> None:
        """Send other features from now on."""
        self._callers.features = features

    def wait_for(self, label: str, *, more: int = 1, limit: float = 30) -> None:
        """Wait for so many more answers of a label."""
        least = self.tally.by_label[label] + more
        until(lambda: self.tally.by_label[label] >= least, what=f"{more} answers of {label}", limit=limit)


@contextmanager
def asking(
    gateway: str,
    name: str,
    *,
    grpc_every: int = 5,
    rate: float = RATE,
    headers: Mapping[str, str] | None = None,
    below: Below | None = None,
    callers: Callers | None = None,
) -> Iterator[Asking]:
    """Send requests to a model for the time of the block; on the way out the last answers are waited for."""
    at = below or Below(host(name))
    callers = callers or Callers(gateway, at.host, name, headers, prefix=at.prefix)
    grpc_every = 0 if at.prefix else grpc_every
    ready: list[Asking] = []
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask(callers, grpc_every, rate, ready, stop)))
    thread.start()
    try:
        until(lambda: bool(ready), what=f"the first answer of {name}", limit=40, alive=thread.is_alive)
        yield ready[0]
    finally:
        stop.set()
        thread.join()


async def _ask(calling: Callers, grpc_every: int, rate: float, ready: list[Asking], stop: threading.Event) -> None:
    async with calling as callers:
        traffic = DemoTraffic(callers, Tally(), rate=rate, grpc_every=grpc_every)
        await traffic.first_answer(30)
        sending = asyncio.create_task(traffic.run())
        ready.append(Asking(callers, traffic))
        await asyncio.to_thread(stop.wait)
        traffic.stop()
        await sending
