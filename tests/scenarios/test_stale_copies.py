"""409 because our copy is old: written again where only the copy was old, decided again where more has changed."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import (
    DEPLOYMENT,
    DESTINATION_RULE,
    MODEL_DEPLOYMENT,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)
from tests.support.invariants import Watchdog
from tests.support.world import World, fraud, trying
from tests.support.world.given import HALF


def annotate(one: Json) -> None:
    one["metadata"]["annotations"] = {**one["metadata"].get("annotations", {}), "seen-by": "somebody"}


@pytest.mark.parametrize(
    "kind",
    [MODEL_DEPLOYMENT, ROLLOUT, VIRTUAL_SERVICE, SERVICE, DEPLOYMENT, DESTINATION_RULE],
    ids=lambda kind: kind.name,
)
async def test_a_revert_needs_no_watch(half: World, kind: Kind) -> None:
    """The watch of a kind is dead and somebody annotates each of its objects: back at the next look, and recorded."""
    half.api.unwatched = {kind}
    for one in half.api.all(kind):
        half.api.edit(kind, one["metadata"]["name"], annotate)
    half.models["2"].error_rate = 1.0
    took = await half.until(lambda w: not w.routed.get("2"), limit=10)
    assert took <= 3
    await half.until(lambda w: w.phase == "Reverted", limit=3)


async def test_a_route_that_is_edited_all_the_time_goes_back(half: World) -> None:
    """Somebody else's controller annotates it each second, unheard."""
    half.api.unwatched = {VIRTUAL_SERVICE}
    half.models["2"].error_rate = 1.0
    for _ in range(5):
        half.api.edit(VIRTUAL_SERVICE, "fraud", lambda one: one["metadata"].update(annotations={"at": str(half.ticks)}))
        await half.tick()
    assert not half.routed.get("2")


async def test_a_rise_over_an_old_copy_of_the_route_is_decided_again() -> None:
    """Its record is written, its route refused: read anew, and written soon after."""
    world = await trying(at=10)
    Watchdog(world)
    world.api.unwatched = {VIRTUAL_SERVICE}
    world.api.edit(VIRTUAL_SERVICE, "fraud", annotate)
    await world.until(lambda w: w.weight == 50, limit=40)
    await world.until(lambda w: w.routed["2"] == 50, limit=3)


async def test_what_another_process_recorded_is_decided_on_and_not_overwritten(half: World) -> None:
    """A leader that we do not know of yet has reverted: its record stands, word for word."""
    half.api.unwatched = {ROLLOUT}

    def reverted(one: Json) -> None:
        status = one["status"]
        status.update(phase="Reverted", weight=0, reason="Worse", message="the other's words", verdict="Unsafe")
        status.update(finishedAt=status["startedAt"], settledAt=status["startedAt"])

    half.api.edit(ROLLOUT, half.rollout["metadata"]["name"], reverted)
    half.models["2"].error_rate = 1.0
    await half.run(10)
    assert (half.phase, half.reason, half.state["message"]) == ("Reverted", "Worse", "the other's words")
    assert not half.routed.get("2")


async def test_a_lever_that_no_watch_told_of_is_obeyed_by_the_write_that_finds_it(half: World) -> None:
    """A 409 with another spec behind it is no old copy: the same pass decides again."""
    half.api.unwatched = {ROLLOUT}
    half.lever(abort=True)
    half.models["2"].error_rate = 0.04
    half.commit(fraud("1", steps=HALF))
    await half.until(lambda w: w.phase in {"Aborted", "Superseded"}, limit=3)
    assert half.phase == "Aborted"
