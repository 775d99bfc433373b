"""Places for users' own queries: a share for each namespace that asks."""

from __future__ import annotations

import asyncio

import pytest

from serinus.adapters.prometheus.shares import ACTIVE_SECONDS, Shares
from tests.support.hand_clock import HandClock


class Table:
    """Some places, and the queries that hold them until they are told to end."""

    def __init__(self, places: int) -> None:
        self.clock = HandClock()
        self.shares = Shares(places, self.clock)
        self.running: list[str] = []
        self.tasks: dict[str, list[tuple[asyncio.Task[None], asyncio.Event]]] = {}

    async def ask(self, namespace: str, times: int = 1) -> None:
        for _ in range(times):
            over = asyncio.Event()
            task = asyncio.create_task(self._hold(namespace, over))
            self.tasks.setdefault(namespace, []).append((task, over))
        await self.settle()

    async def end(self, namespace: str) -> None:
        for _, over in self.tasks.pop(namespace):
            over.set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _hold(self, namespace: str, over: asyncio.Event) -> None:
        async with self.shares.place(namespace):
            self.running.append(namespace)
            await over.wait()
        self.running.remove(namespace)


async def test_a_namespace_alone_leaves_one_place_free() -> None:
    """The first query of another finds it."""
    table = Table(6)
    await table.ask("slow", 20)
    assert table.running == ["slow"] * 5
    await table.ask("ml")
    assert table.running.count("ml") == 1


async def test_namespaces_that_ask_have_equal_shares() -> None:
    """However many queries one of them has."""
    table = Table(6)
    await table.ask("ml")
    await table.ask("slow", 20)
    assert table.running.count("slow") == 3
    await table.ask("ml", 9)
    assert table.running.count("ml") == 3


async def test_a_freed_place_goes_to_whoever_holds_least() -> None:
    """Not to whoever has waited longest."""
    table = Table(2)
    await table.ask("a", 3)
    await table.ask("b")
    await table.ask("c")
    await table.end("b")
    assert sorted(table.running) == ["a", "c"]


async def test_a_namespace_that_asks_no_more_has_no_share() -> None:
    """Its places are the others' after a minute."""
    table = Table(6)
    await table.ask("gone")
    await table.end("gone")
    await table.ask("ml", 6)
    assert table.running.count("ml") == 3
    table.clock.move(ACTIVE_SECONDS + 1)
    await table.ask("ml")
    assert table.running.count("ml") == 5


async def test_whoever_is_called_off_leaves_no_place_taken() -> None:
    """Waiting, or just let in."""
    table = Table(1)
    await table.ask("a", 2)
    for task, _ in table.tasks["a"]:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await table.tasks["a"][0][0]
    await table.settle()
    await table.ask("b")
    assert table.running[-1] == "b"
