"""Many requests at once to a model that answers none of them, or late, beside a test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from tests.e2e.given import BREAKING, host

PATIENCE_SECONDS = 20.0


@contextmanager
def flooding(gateway: str, name: str, *, number: int, patience: float = PATIENCE_SECONDS) -> Iterator[list[int]]:
    """Send so many requests that hang, or take long; the statuses of those that are answered come into the list."""
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: asyncio.run(_flood(gateway, name, number, statuses, patience)))
    thread.start()
    try:
        yield statuses
    finally:
        thread.join()


async def _flood(gateway: str, name: str, number: int, statuses: list[int], patience: float) -> None:
    timeout, connections = aiohttp.ClientTimeout(total=patience), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connections) as session:
        await asyncio.gather(*(_ask(session, gateway, name, statuses) for _ in range(number)))


async def _ask(session: aiohttp.ClientSession, gateway: str, name: str, statuses: list[int]) -> None:
    url, headers = f"http://{gateway}/v2/models/{name}/infer", {"Host": host(name)}
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": list(BREAKING)}
    try:
        async with session.post(url, json={"inputs": [tensor]}, headers=headers) as answer:
            statuses.append(answer.status)
    except (TimeoutError, aiohttp.ClientError):
        return
