"""From the lease of a shard to passes over what belongs to it, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Kind
from serinus.core.model.shards import shard_of
from serinus.runtime.handover import UNREAD_SECONDS
from tests.support.handover_desk import NAMES, OURS, SHARDS, THEIRS, Desk, at_work, stored
from tests.unit.runtime.test_leading import Tenured


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with at_work(Desk()) as made:
        yield made


async def test_nothing_is_decided_before_it_is_ours(desk: Desk) -> None:
    """Whatever is heard of it."""
    desk.cache.store(stored(MODEL_DEPLOYMENT, 100, OURS[0]))
    await desk.rest()
    assert desk.passes == []


async def test_a_shard_is_read_anew_and_then_decided(desk: Desk) -> None:
    """All of it, and nothing of another shard; what changes later wakes a pass."""
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == []
    desk.may_read.set()
    await desk.rest()
    assert (sorted(desk.passes), desk.opened) == (sorted(OURS), 1)
    assert set(desk.read) == {MODEL_DEPLOYMENT.plural, ROLLOUT.plural}
    desk.cache.store(stored(MODEL_DEPLOYMENT, 100, OURS[0]))
    await desk.rest()
    assert len(desk.passes) == len(OURS) + 1


async def test_what_is_shown_to_anybody_is_read_and_decided_first(desk: Desk) -> None:
    """A revert does not wait until ten thousand others are read."""
    desk.cache.store(stored(ROLLOUT, 50, OURS[1], weight=10))
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert (desk.read, desk.passes) == ([OURS[1]], [OURS[1]])
    desk.may_read.set()
    await desk.rest()
    assert set(desk.passes) == set(OURS)


async def test_a_rollout_that_is_only_found_by_reading_goes_before_the_idle(desk: Desk) -> None:
    """A new process knows of none."""
    found = stored(ROLLOUT, 50, OURS[1], weight=10)

    async def reading(kind: Kind) -> frozenset[str]:
        if kind == MODEL_DEPLOYMENT:
            await desk.may_read.wait()
        else:
            desk.cache.store(found)
        return frozenset()

    desk.everything = reading  # type: ignore[method-assign]
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == [OURS[1]]


def show(desk: Desk, name: str, version: int = 500, *, weight: int = 10) -> None:
    """Hear of a Rollout that sends somebody to its canary."""
    desk.cache.store(stored(ROLLOUT, version, name, weight=weight))


async def test_what_is_shown_in_a_shard_that_comes_later_waits_for_no_other(desk: Desk) -> None:
    """Shards fall free one after the other, and all that the first holds may be read for seconds."""
    show(desk, OURS[0])
    desk.may_read.clear()
    desk.handover.begin(0, Tenured())
    await desk.rest()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == [OURS[0]]


@pytest.mark.parametrize("number", [1, 50, 51, 400])
async def test_however_many_are_shown_all_are_decided_before_the_idle_are_read(number: int) -> None:
    """Several are read at once, and each is decided as soon as it is."""
    names = [name for name in (f"live-{at}" for at in range(1000)) if shard_of(Key("ml", name), SHARDS) == 1][:number]
    desk = Desk()
    for version, name in enumerate(names, start=1000):
        desk.cache.store(stored(MODEL_DEPLOYMENT, version, name))
        show(desk, name, version + 1000)
    desk.may_read.clear()
    running = [asyncio.create_task(work) for work in (desk.engine.run(), desk.handover.run())]
    desk.handover.begin(1, Tenured())
    while len(desk.passes) < number:
        done = len(desk.passes)
        await desk.rest()
        assert len(desk.passes) > done, "nothing more is decided"
    assert sorted(desk.passes) == sorted(names)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_one_that_is_read_slowly_holds_up_no_other(desk: Desk) -> None:
    """Nor is it decided before it has been read."""
    for name in OURS[:2]:
        show(desk, name)
    desk.may_read.clear()
    desk.may_read_one.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == []
    desk.may_read_one.set()
    await desk.rest()
    assert sorted(desk.passes) == sorted(OURS[:2])


async def test_one_that_begins_to_be_shown_while_all_are_read_is_decided_at_once(desk: Desk) -> None:
    """A list in pages tells of it long before the last page."""
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    show(desk, OURS[2])
    await desk.rest()
    assert desk.passes == [OURS[2]]


async def test_what_is_decided_early_stays_ours_whatever_is_shown_then(desk: Desk) -> None:
    """Its own revert takes it off the list, and may have to be written again."""
    show(desk, OURS[0])
    desk.may_read.clear()
    desk.under_way.clear()
    tenure = Tenured()
    desk.handover.begin(1, tenure)
    await desk.rest()
    show(desk, OURS[0], 600, weight=0)
    show(desk, OURS[1], 601)
    await desk.rest()
    assert desk.leading.of(Key("ml", OURS[0])) is tenure
    desk.under_way.set()
    await desk.rest()
    assert OURS[0] not in desk.forgotten


async def test_one_that_may_not_be_read_by_itself_holds_up_nobody(desk: Desk) -> None:
    """It is tried again until all have been read."""
    desk.forbidden = {OURS[0]}
    for name in OURS[:2]:
        show(desk, name)
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == [OURS[1]]
    desk.may_read.set()
    await desk.rest()
    assert desk.opened == 1
    assert set(desk.passes) == set(OURS)


async def test_a_namespace_that_may_not_be_read_is_left_out_until_it_may(desk: Desk) -> None:
    """It holds up no other; nothing in it is decided from what is old."""
    elsewhere = next(name for name in NAMES if shard_of(Key("shop", name), SHARDS) == 1)
    manifest = stored(MODEL_DEPLOYMENT, 90, elsewhere)
    manifest["metadata"]["namespace"] = "shop"
    desk.cache.store(manifest)
    desk.refused = frozenset({"shop"})
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert (sorted(desk.passes), desk.opened) == (sorted(OURS), 1)
    desk.passes.clear()
    desk.refused = frozenset()
    desk.clock.move(UNREAD_SECONDS)
    await desk.rest()
    assert desk.passes == [elsewhere]


async def test_what_is_in_a_namespace_that_is_not_kept_from_others_is_decided_once_it_is_and_was_read(
    desk: Desk,
) -> None:
    """Another install may have written there meanwhile: what is cached of it is old."""
    desk.handover.keep_out_of(frozenset({"ml"}))
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert (desk.opened, desk.passes) == (1, [])
    desk.may_read.clear()
    desk.read.clear()
    desk.handover.keep_out_of(frozenset())
    await desk.rest()
    assert desk.passes == []
    desk.may_read.set()
    await desk.rest()
    assert desk.read == ["rollouts", "modeldeployments"]
    assert sorted(desk.passes) == sorted(OURS)


async def test_a_namespace_that_is_lost_again_while_it_is_read_is_not_decided(desk: Desk) -> None:
    """What was told last counts."""
    desk.handover.keep_out_of(frozenset({"ml"}))
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.may_read.clear()
    desk.handover.keep_out_of(frozenset())
    await desk.rest()
    desk.handover.keep_out_of(frozenset({"ml"}))
    desk.may_read.set()
    await desk.rest()
    assert desk.passes == []


async def test_what_is_deleted_while_its_shard_is_finished_with_is_forgotten(desk: Desk) -> None:
    """No cache knows of it by then; what is remembered of it would ask questions for ever."""
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.under_way.clear()
    desk.engine.wake(Key("ml", OURS[1]))
    await desk.rest()
    finishing = asyncio.create_task(desk.handover.finish(1))
    await desk.rest()
    desk.cache.forget(MODEL_DEPLOYMENT, "ml", OURS[0], "900")
    await desk.rest()
    desk.under_way.set()
    await finishing
    assert OURS[0] in desk.forgotten


def test_a_shard_shows_as_many_as_send_anybody_to_a_canary() -> None:
    """The one that shows the fewest is given up first."""
    desk = Desk()
    for version, name in enumerate([*OURS[:2], THEIRS[0]], start=300):
        show(desk, name, version)
    show(desk, OURS[2], 400, weight=0)
    assert [desk.handover.shown(shard) for shard in range(SHARDS)] == [1, 2]


async def test_what_cannot_be_read_is_tried_again(desk: Desk) -> None:
    """A second later; nothing is decided meanwhile."""
    desk.unreadable = 1
    desk.handover.begin(1, Tenured())
    await desk.rest()
    assert desk.passes == []
    desk.clock.move(1)
    await desk.rest()
    assert sorted(desk.passes) == sorted(OURS)


async def test_a_shard_that_was_lost_while_it_was_read_is_not_opened(desk: Desk) -> None:
    """Nor by the tenure before, if it is ours again."""
    desk.may_read.clear()
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.handover.end(1)
    desk.may_read.set()
    await desk.rest()
    assert (desk.passes, desk.opened) == ([], 0)


async def test_a_shard_is_finished_with_when_its_passes_have_ended(desk: Desk) -> None:
    """What is written beside them has ended as well, and nothing is begun meanwhile."""
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.under_way.clear()
    desk.cache.store(stored(MODEL_DEPLOYMENT, 100, OURS[0]))
    await desk.rest()
    done = len(desk.passes)
    finishing = asyncio.create_task(desk.handover.finish(1))
    desk.cache.store(stored(MODEL_DEPLOYMENT, 101, OURS[1]))
    await desk.rest()
    assert not finishing.done()
    desk.under_way.set()
    await asyncio.wait_for(finishing, 5)
    assert len(desk.passes) == done
    assert desk.read[-1] == "settled"
    assert set(OURS) <= set(desk.forgotten)


async def test_a_pass_that_outlives_its_tenure_leaves_nothing_behind(desk: Desk) -> None:
    """In the next tenure its object is looked at anew, and at once."""
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.under_way.clear()
    desk.cache.store(stored(MODEL_DEPLOYMENT, 100, OURS[0]))
    await desk.rest()
    desk.handover.end(1)
    desk.handover.begin(1, Tenured())
    await desk.rest()
    desk.passes.clear()
    desk.forgotten.clear()
    desk.under_way.set()
    await desk.rest()
    assert OURS[0] in desk.forgotten
    assert OURS[0] in desk.passes
