"""From the lease of a shard to the ways back of what is live in it, while the rest is still being listed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serinus.core.model.errors import ClusterError, Forbidden, Invalid, Unavailable
from serinus.core.model.identity import Key
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.runtime.handover import (
    FIRST_PASSES_LOOK_SECONDS,
    FIRST_PASSES_SECONDS,
    FIRST_WORD_LOOK_SECONDS,
    FIRST_WORD_SECONDS,
    LIVE_FIRST_SECONDS,
    LIVE_LOOK_SECONDS,
)
from tests.support.handover_desk import NAMES, OURS, Desk, at_work, stored
from tests.unit.runtime.test_leading import Tenured


@pytest.fixture
async def early() -> AsyncIterator[Desk]:
    """One that is given its shard before anything is listed, while the Rollout of one of its own is live."""
    made = Desk()
    made.early.known.clear()
    made.found = [stored(ROLLOUT, 50, OURS[1], weight=10), stored(ROLLOUT, 51, OURS[2], weight=0)]
    async with at_work(made):
        yield made


async def test_before_all_is_known_only_what_is_shown_is_looked_at(early: Desk) -> None:
    """Its pass reads by itself what it looks at."""
    early.handover.begin(1, Tenured())
    await early.rest()
    assert (early.read, early.passes, early.opened) == ([], [OURS[1]], 0)
    early.engine.wake(Key("ml", OURS[0]))
    await early.rest()
    assert early.passes == [OURS[1]]


async def test_when_all_is_known_what_was_looked_at_early_is_read_again(early: Desk) -> None:
    """Nobody has watched it meanwhile; then comes all the rest."""
    early.handover.begin(1, Tenured())
    await early.rest()
    early.read.clear()
    early.passes.clear()
    early.may_read.clear()
    early.handover.know()
    await early.rest()
    assert (early.read, early.passes) == ([OURS[1]], [OURS[1]])
    early.may_read.set()
    await early.rest()
    assert (set(early.passes), early.opened) == (set(OURS), 1)


async def test_kopf_waits_for_the_first_passes_over_what_is_idle(early: Desk) -> None:
    """It lists all of it once more."""
    early.may_read.clear()
    early.handover.begin(1, Tenured())
    early.handover.know()
    waiting = asyncio.create_task(early.handover.first_passes())
    await early.rest()
    early.clock.move(1.0)
    await early.rest()
    assert not waiting.done()
    early.may_read.set()
    await early.rest()
    early.clock.move(1.0)
    await early.rest()
    assert waiting.done()


async def test_kopf_does_not_wait_for_long(early: Desk) -> None:
    """A change must be heard of, however long the first passes take."""
    early.may_read.clear()
    early.handover.begin(1, Tenured())
    early.handover.know()
    waiting = asyncio.create_task(early.handover.first_passes())
    for _ in range(round(FIRST_PASSES_SECONDS / FIRST_PASSES_LOOK_SECONDS)):
        assert not waiting.done()
        await early.rest()
        early.clock.move(FIRST_PASSES_LOOK_SECONDS)
    await early.rest()
    assert waiting.done()


async def test_nobody_counts_on_it_before_kopf_has_told_of_all_there_is(early: Desk) -> None:
    """It would be given shards in which it hears of no abort."""
    heard = [len(NAMES) + len(early.found) - 1]
    waiting = asyncio.create_task(early.handover.first_word(lambda: heard[0]))
    await early.rest()
    early.clock.move(1.0)
    await early.rest()
    assert not early.handover.hears
    heard[0] += 1
    early.clock.move(1.0)
    await early.rest()
    assert early.handover.hears
    assert waiting.done()


async def test_what_is_hidden_from_kopf_is_not_waited_for_for_long(early: Desk) -> None:
    """Some namespaces may not be listed."""
    waiting = asyncio.create_task(early.handover.first_word(lambda: 0))
    for _ in range(round(FIRST_WORD_SECONDS / FIRST_WORD_LOOK_SECONDS)):
        assert not early.handover.hears
        await early.rest()
        early.clock.move(FIRST_WORD_LOOK_SECONDS)
    await early.rest()
    assert early.handover.hears
    assert waiting.done()


async def test_a_pass_that_began_before_all_was_known_is_followed_by_a_whole_one(early: Desk) -> None:
    """It looked at less, and so may have done less."""
    early.under_way.clear()
    early.handover.begin(1, Tenured())
    await early.rest()
    early.handover.know()
    early.under_way.set()
    await early.rest()
    assert early.passes.count(OURS[1]) >= 2


async def test_lists_of_all_wait_until_who_is_live_is_judged(early: Desk) -> None:
    """Both are done by one process."""
    waiting = asyncio.create_task(early.handover.live_first())
    await early.rest()
    early.clock.move(1)
    await early.rest()
    assert not waiting.done()
    early.early.judged.add(Key("ml", OURS[1]))
    early.clock.move(1)
    await early.rest()
    assert waiting.done()


async def test_lists_of_all_do_not_wait_for_long(early: Desk) -> None:
    """The live ones may be another's to judge."""
    waiting = asyncio.create_task(early.handover.live_first())
    for _ in range(round(LIVE_FIRST_SECONDS / LIVE_LOOK_SECONDS)):
        await early.rest()
        assert not waiting.done()
        early.clock.move(LIVE_LOOK_SECONDS)
    await early.rest()
    assert waiting.done()


@pytest.mark.parametrize("found", [[], None], ids=["nobody is live", "nobody can tell"])
async def test_lists_of_all_do_not_wait_for_nobody(found: list[Json] | None) -> None:
    """Most starts are such."""
    desk = Desk()
    desk.early.known.clear()
    desk.unfound = [] if found is not None else [Invalid("field label not supported")]
    async with at_work(desk):
        await desk.rest()
        async with asyncio.timeout(5):
            await desk.handover.live_first()


@pytest.mark.parametrize(
    ("says", "passes"),
    [
        pytest.param(Invalid("field label not supported"), [], id="it cannot select"),
        pytest.param(Unavailable("down"), [OURS[1]], id="it is away for a moment"),
        pytest.param(Forbidden("401: no"), [OURS[1]], id="it does not know us for a moment"),
    ],
)
async def test_what_cannot_be_found_waits_until_all_is_known(says: ClusterError, passes: list[str]) -> None:
    """An API server that cannot select is asked once, one that is away again."""
    desk = Desk()
    desk.early.known.clear()
    desk.unfound, desk.found = [says], [stored(ROLLOUT, 50, OURS[1], weight=10)]
    async with at_work(desk):
        desk.handover.begin(1, Tenured())
        for _ in range(3):
            await desk.rest()
            desk.clock.move(1)
        assert desk.passes == passes
        desk.handover.know()
        await desk.rest()
        assert set(desk.passes) == set(OURS)
