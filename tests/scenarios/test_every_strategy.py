"""What may happen to any rollout, in every stage of every strategy, over both routing APIs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog, healthy
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import STEPS

pytestmark = WITH_EACH_API

PAUSE: Json = {"pause": {"duration": "20s"}}
PREMIUM: Json = {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}
TESTERS: Json = {"match": [{"headerName": "x-preview", "headerValue": {"exact": "yes"}}]}
STICKY: Json = {"cookie": {"name": "model", "maxAge": "1h"}}


@dataclass(frozen=True)
class Strategy:
    """A spec, and its stages as the column of exposure shows them, or as a weight."""

    strategy: Json
    stages: tuple[str, ...]
    traffic: Json = field(default_factory=dict)

    def spec(self) -> Json:
        """What a manifest has beside the version."""
        mine = {"traffic": {**fraud("1")["spec"]["traffic"], **self.traffic}} if self.traffic else {}
        return {"strategy": self.strategy, **mine}


STRATEGIES: dict[str, Strategy] = {
    "canary": Strategy({"canary": {"steps": STEPS}}, ("10%", "50%", "100%")),
    "pods first": Strategy(
        {"canary": {"steps": [{"setCanaryScale": {"replicas": 3}}, {"setWeight": 20}, PAUSE]}}, ("20%",)
    ),
    "cohort": Strategy(
        {"canary": {"steps": [{"setHeaderRoute": PREMIUM}, PAUSE, {"setWeight": 50}, PAUSE]}},
        ("x-tier=premium", "50%, x-tier=premium"),
    ),
    "shadow": Strategy(
        {"canary": {"steps": [{"setMirrorRoute": {"percentage": 50}}, PAUSE, {"setWeight": 50}, PAUSE]}},
        ("mirror 50%", "50%"),
    ),
    "blue-green": Strategy(
        {
            "blueGreen": {
                "mirror": {"percentage": 50, "duration": "20s"},
                "preview": TESTERS,
                "autoPromotionAfter": "20s",
            }
        },
        ("mirror 50%", "x-preview=yes", "100%"),
    ),
    "sticky": Strategy({"canary": {"steps": STEPS}}, ("10%", "50%"), {"sessionAffinity": STICKY}),
}
STAGES = [pytest.param(one, stage, id=f"{name} at {stage}") for name, one in STRATEGIES.items() for stage in one.stages]
in_every_stage = pytest.mark.parametrize(("strategy", "stage"), STAGES)


async def standing(strategy: Strategy, stage: str) -> World:
    """Version 2 is in a stage, and a fifth of the requests are the cohort's or the testers'."""
    world = await serving(**strategy.spec())
    Watchdog(world)
    world.cohort = 20.0
    world.models["2"] = Model()
    world.commit(fraud("2", **strategy.spec()))
    await world.until(lambda w: w.tried == "2" and told(w) == stage)
    await world.run(2)
    return world


def told(world: World) -> str:
    """What version 2 is shown, as people are told."""
    status = world.rollout.get("status", {})
    return str(status.get("exposure") or f"{status.get('weight', 0)}%")


def shown(world: World, version: str = "2") -> Exposure:
    """What the live route shows a version."""
    assert world.split is not None
    names = (name for name in world.split.revisions if world.version(name) == version)
    return next(map(world.split.exposure_of, names), NOTHING)


async def stays_away(world: World, seconds: int = 40) -> None:
    """Version 2 is neither weighted, matched nor mirrored to, whatever time passes."""
    for _ in range(seconds):
        await world.tick()
        assert shown(world) == NOTHING


@in_every_stage
async def test_left_alone_it_becomes_stable(strategy: Strategy, stage: str) -> None:
    """Whatever it was shown on the way."""
    world = await standing(strategy, stage)
    await world.until(lambda w: w.phase == "Succeeded", limit=200)
    await world.run(15)
    assert world.routed == {"2": 100}
    healthy(world)


@in_every_stage
async def test_a_fault_takes_everything_away_and_rejects_it(strategy: Strategy, stage: str) -> None:
    """Copies, matches and weight alike."""
    world = await standing(strategy, stage)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert shown(world) == NOTHING
    await stays_away(world)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"


@in_every_stage
async def test_an_abort_takes_everything_away_at_once(strategy: Strategy, stage: str) -> None:
    """Stable has its pods."""
    world = await standing(strategy, stage)
    world.lever(abort=True)
    await world.tick()
    assert (world.phase, shown(world)) == ("Aborted", NOTHING)
    await stays_away(world)


@in_every_stage
async def test_paused_it_stays_where_it_is_and_goes_on_from_there(strategy: Strategy, stage: str) -> None:
    """A pause neither gives nor takes."""
    world = await standing(strategy, stage)
    before = shown(world)
    world.lever(paused=True)
    for _ in range(60):
        await world.tick()
        assert shown(world) == before
    world.lever(paused=False)
    await world.until(lambda w: w.phase == "Succeeded", limit=200)


@in_every_stage
async def test_promoted_fully_it_gets_everybody(strategy: Strategy, stage: str) -> None:
    """The rest of the steps is passed over; the guard is not."""
    world = await standing(strategy, stage)
    world.lever(promote={"full": True})
    await world.until(lambda w: w.routed.get("2") == 100, limit=15)
    assert world.phase == "Guarding"


@in_every_stage
async def test_a_newer_version_takes_its_place(strategy: Strategy, stage: str) -> None:
    """The route never shows the old one again."""
    world = await standing(strategy, stage)
    ended_in_guard = stage == "100%"
    world.models["3"] = Model()
    world.commit(fraud("3", **strategy.spec()))
    await world.until(lambda w: w.tried == "3", limit=10)
    if not ended_in_guard:
        assert shown(world) == NOTHING
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "3", limit=300)
    await world.run(15)
    assert world.routed == {"3": 100}
    healthy(world)


@in_every_stage
async def test_the_spec_set_back_to_stable_takes_everything_away(strategy: Strategy, stage: str) -> None:
    """A `git revert` is no rejection."""
    world = await standing(strategy, stage)
    world.commit(fraud("1", **strategy.spec()))
    await world.tick()
    assert (world.rollout["status"]["phase"], shown(world)) == ("Superseded", NOTHING)
    await stays_away(world)
    assert world.status["rejected"] == []


@in_every_stage
async def test_a_retry_walks_through_all_of_it_again(strategy: Strategy, stage: str) -> None:
    """From the first step."""
    world = await standing(strategy, stage)
    world.lever(abort=True)
    await world.run(10)
    world.lever(retry="again")
    await world.until(lambda w: told(w) == strategy.stages[0] and w.rollout["spec"].get("attempt") == 2)
    await world.until(lambda w: w.phase == "Succeeded", limit=300)


async def restarted(world: World) -> None:
    world.restart()


async def killed_twice(world: World) -> None:
    """At the next two writes, whatever they are."""
    for after_effect in (False, True):
        world.api.kill_at, world.api.kill_after_effect = 0, after_effect
        await world.run(5)


@in_every_stage
@pytest.mark.parametrize("event", [restarted, killed_twice], ids=["restarted", "killed at writes"])
async def test_an_operator_that_was_killed_goes_on(
    strategy: Strategy, stage: str, event: Callable[[World], Awaitable[Any]]
) -> None:
    """The steps are frozen in the Rollout, and the exposure is in its status."""
    world = await standing(strategy, stage)
    await event(world)
    await world.until(lambda w: w.phase == "Succeeded", limit=300)
    await world.run(15)
    assert world.routed == {"2": 100}
    healthy(world)


@in_every_stage
async def test_a_wiped_status_begins_again(strategy: Strategy, stage: str) -> None:
    """With the first step: nobody knows any more what was seen of it."""
    world = await standing(strategy, stage)
    world.wipe_status(world.rollout)
    await world.tick()
    assert told(world) in {"0%", strategy.stages[0]}
    await world.until(lambda w: w.phase == "Succeeded", limit=300)


@in_every_stage
async def test_killed_between_the_record_of_the_way_back_and_the_route(strategy: Strategy, stage: str) -> None:
    """The next process finishes what the record says."""
    world = await standing(strategy, stage)
    world.models["2"].error_rate = 0.5
    world.api.kill_on = f"apply {world.provider.route.name}"
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert (world.restarts, shown(world)) == (1, NOTHING)
    await stays_away(world)
