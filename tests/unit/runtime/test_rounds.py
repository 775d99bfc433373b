"""When looks are taken: each interval, and at once at whoever is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.clock import SystemClock
from serinus.runtime.rounds import Round, Rounds

TOGETHER: Round = (3600.0, frozenset({"default"}))
"""Nobody waits for the second round."""


class Desk:
    def __init__(self) -> None:
        self.taken: asyncio.Queue[str] = asyncio.Queue()
        self.fails = self.left = False
        self.due: list[float] = []
        self.rounds = Rounds(SystemClock(), take=self._take, take_new=self._take_new, goes_on=lambda _: not self.left)

    async def _take(self, together: Round, until: float) -> None:
        self.due.append(until)
        self.taken.put_nowait("all")
        if self.fails:
            raise ValueError("a look that fails")

    async def _take_new(self, together: Round, until: float) -> None:
        self.due.append(until)
        self.taken.put_nowait("new")

    async def next(self) -> str:
        async with asyncio.timeout(10):
            return await self.taken.get()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.rounds.close()


async def test_who_is_new_does_not_wait_for_the_next_round(desk: Desk) -> None:
    """An interval may be minutes long, and a start tells of one rollout after the other."""
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "all"
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "new"
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "new"
    assert desk.taken.empty()


async def test_who_is_known_waits_for_the_next_round(desk: Desk) -> None:
    """A pass says each time what is to be watched."""
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "all"
    desk.rounds.begin(TOGETHER, somebody_is_new=False)
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "new"
    assert desk.taken.empty()


async def test_looks_at_who_is_new_know_when_those_at_all_are_due(desk: Desk) -> None:
    """Reading what is new must not hold those up for long."""
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    await desk.next()
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    await desk.next()
    assert desk.due[0] == desk.due[1]


async def test_a_look_that_fails_ends_no_round(desk: Desk) -> None:
    """Else every rollout of it would be blind from then on."""
    desk.fails = True
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "all"
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "new"


async def test_a_round_that_has_ended_begins_anew(desk: Desk) -> None:
    """The next rollout is looked at like the first."""
    desk.left = True
    desk.rounds.begin((0.0, frozenset()), somebody_is_new=True)
    await asyncio.gather(*desk.rounds._loops.values())
    desk.left = False
    desk.rounds.begin(TOGETHER, somebody_is_new=True)
    assert await desk.next() == "all"
