"""What is in flight at a revision that loses its traffic is waited for, for as long as drainSeconds says."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import DEPLOYMENT, POD_DISRUPTION_BUDGET, ROLLOUT, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, trying
from tests.support.world.given import HALF
from tests.support.world.world import DRAIN_SECONDS

pytestmark = WITH_EACH_API

ANSWERS_AFTER = 20
"""Seconds: within the thirty that are waited by default."""
MOMENT = 4
"""Seconds: a scrape, a look and a pass."""


async def left(
    *, answers_after: int = ANSWERS_AFTER, counted: bool = True, drain: int | None = None, run: int = 30
) -> World:
    """Version 2 of long inferences has just lost its traffic."""
    runtime: Json = {"image": "triton:1", **({"drainSeconds": drain} if drain else {})}
    world = await trying(at=50, steps=HALF, model=Model(seconds_to_answer=answers_after), runtime=runtime)
    world.prometheus.counts_waiting = counted
    Watchdog(world)
    await world.run(run)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted" and not w.routed.get("2"), limit=5)
    return world


async def kept_for(world: World, version: str = "2", *, limit: float = 120) -> float:
    """Tell for how long the Deployment of a version stays."""
    revision = world.revision(version)
    return await world.until(lambda w: w.api.find(DEPLOYMENT, revision) is None, limit=limit)


def told(world: World) -> list[str]:
    return [message for _, reason, message in world.events if reason == "StillOpen"]


@pytest.mark.parametrize("counted", [True, False], ids=["sent and waiting", "answers alone"])
async def test_its_pods_go_when_the_last_answer_is_given(counted: bool) -> None:
    """Neither before nor long after; where only answers are counted, each one says that another may be under way."""
    world = await left(counted=counted)
    took = await kept_for(world)
    assert ANSWERS_AFTER - 1 <= took <= ANSWERS_AFTER + MOMENT
    assert world.waiting.in_flight(world.revision("2")) == 0
    assert told(world) == []


@pytest.mark.parametrize(("drain", "waits"), [(None, 30), (5, 5), (50, 50)], ids=["default", "short", "long"])
async def test_what_takes_longer_than_drain_seconds_is_not_waited_for(drain: int | None, waits: int) -> None:
    """A caller who never hangs up must not hold a node; how many there were is said."""
    world = await left(answers_after=300, drain=drain, run=10)
    took = await kept_for(world)
    assert DRAIN_SECONDS + waits - 1 <= took <= DRAIN_SECONDS + waits + MOMENT
    assert len(told(world)) == 1


async def test_a_new_process_waits_on() -> None:
    """It asks the same counters; no answer is cut short for it."""
    world = await left()
    await world.run(8)
    world.restart()
    await kept_for(world)
    assert world.waiting.in_flight(world.revision("2")) == 0


async def test_one_that_has_to_wait_for_nobody_goes_after_the_drain_delay() -> None:
    world = await left(answers_after=0)
    took = await kept_for(world)
    assert DRAIN_SECONDS - 1 <= took <= DRAIN_SECONDS + MOMENT


async def test_its_disruption_budget_goes_with_it_and_comes_back_before() -> None:
    """Deleted by hand, it is there again; a node may be drained at any time."""
    world = await left()
    revision = world.revision("2")
    stable = world.revision("1")
    world.api.remove(POD_DISRUPTION_BUDGET, "ml", stable)
    await world.run(1)
    assert world.api.find(POD_DISRUPTION_BUDGET, stable) is not None
    await kept_for(world)
    assert world.api.find(POD_DISRUPTION_BUDGET, revision) is None


@pytest.mark.parametrize("lost", ["deleted", "wiped"])
async def test_a_record_that_is_lost_cuts_no_answer_short(lost: str) -> None:
    """Whether it had traffic is not known any more: it may have had."""
    world = await left()
    for one in world.rollouts:
        if lost == "deleted":
            world.api.remove(ROLLOUT, "ml", one["metadata"]["name"])
        else:
            world.wipe_status(one)
    await kept_for(world)
    assert world.waiting.in_flight(world.revision("2")) == 0


async def test_answers_that_go_on_beyond_a_long_drain_keep_the_pods() -> None:
    """Only after drainSeconds they show that somebody still asks, however long that is."""
    world = await left(answers_after=0, counted=False, drain=400, run=10)
    world.stop_istiod()
    world.data_plane.keep_to({world.revision("1"): 50.0, world.revision("2"): 50.0})
    await world.run(900)
    assert world.api.find(DEPLOYMENT, world.revision("2")) is not None
    assert world.lost == 0
