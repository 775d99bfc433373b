"""A rejected pair of revision and policy gets no traffic again, until a retry or another pair."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.core.model.kinds import ROLLOUT
from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud, trying

pytestmark = WITH_EACH_API


async def rejected(**spec: object) -> World:
    """Version 2 was tried and taken back."""
    world = await trying(model=Model(error_rate=0.5), **spec)
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(10)
    return world


async def gets_nothing(world: World, version: str, seconds: int = 60) -> bool:
    """Whether a version has no weight for a time."""
    for _ in range(seconds):
        await world.tick()
        if world.routed.get(version, 0):
            return False
    return True


def delete_rollouts(world: World) -> None:
    for one in world.rollouts:
        world.api.remove(ROLLOUT, "ml", one["metadata"]["name"])


def delete_newest_rollout(world: World) -> None:
    world.api.remove(ROLLOUT, "ml", world.rollout["metadata"]["name"])


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda w: None, id="time"),
        pytest.param(lambda w: w.restart(), id="a restart"),
        pytest.param(lambda w: w.commit(fraud("2", scaling={"minReplicas": 6})), id="a scaling edit"),
        pytest.param(lambda w: w.commit(fraud("2", progressDeadlineSeconds=99)), id="another deadline"),
        pytest.param(lambda w: w.wipe_status(w.deployment), id="the ModelDeployment's status wiped"),
        pytest.param(lambda w: w.wipe_status(w.rollout), id="the Rollout's status wiped"),
        pytest.param(delete_rollouts, id="all Rollouts deleted"),
        pytest.param(delete_newest_rollout, id="its Rollout deleted"),
    ],
)
async def test_it_stays_rejected(event: Callable[[World], None]) -> None:
    """Git still asks for it, and the condition goes on saying that this is in vain."""
    world = await rejected()
    event(world)
    assert await gets_nothing(world, "2")
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    assert world.condition("Ready")["status"] == "True"


async def test_it_stays_rejected_after_going_to_stable_and_back() -> None:
    """A `git revert` and its own revert."""
    world = await rejected()
    world.commit(fraud("1"))
    await world.run(10)
    assert world.condition("Stalled")["status"] == "False"
    world.commit(fraud("2"))
    assert await gets_nothing(world, "2")
    assert world.condition("Stalled")["reason"] == "RevisionRejected"


async def test_it_stays_rejected_after_going_to_another_revision_and_back() -> None:
    """Another success in between changes nothing."""
    world = await rejected()
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Succeeded")
    world.commit(fraud("2"))
    assert await gets_nothing(world, "2")
    assert world.routed == {"3": 100}


async def test_its_latest_attempt_counts_although_an_earlier_one_succeeded() -> None:
    """It was stable once, and bad the second time; deleting the record of the second changes nothing."""
    world = await trying(at=100)
    await world.until(lambda w: w.phase == "Succeeded")
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "3")
    world.models["2"].error_rate = 0.5
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(10)
    delete_newest_rollout(world)
    assert await gets_nothing(world, "2")


async def test_another_policy_clears_it() -> None:
    """A looser threshold is another pair; the way back to the strict one is still closed."""
    world = await rejected()
    loose = {"metrics": [{"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "60%"}}]}
    world.commit(fraud("2", analysis=loose))
    await world.until(lambda w: w.routed.get("2") == 10, limit=20)
    world.commit(fraud("1"))
    await world.run(3)
    world.commit(fraud("2"))
    assert await gets_nothing(world, "2", 30)


async def test_a_retry_clears_it_for_good() -> None:
    """After a success it is nobody's reject."""
    world = await rejected()
    world.models["2"].error_rate = 0.0
    world.lever(retry="mended")
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.status["rejected"] == []
    assert world.condition("Stalled")["status"] == "False"


async def test_it_is_rejected_for_as_long_as_its_controller_revision_is_kept() -> None:
    """Its Rollouts go with the history limit; the wanted revision is never beyond any limit."""
    world = await rejected(revisionHistoryLimit=1)
    for version in ("3", "4"):
        world.models[version] = Model()
        world.commit(fraud(version, revisionHistoryLimit=1))
        await world.until(lambda w, v=version: w.phase == "Succeeded" and w.tried == v)
    world.commit(fraud("2", revisionHistoryLimit=1))
    await world.run(2)
    known = [entry["version"] for entry in world.status["rejected"]]
    assert known == ["2"] or world.tried == "2"


async def test_a_rejected_first_revision_stays_rejected() -> None:
    """Nobody else serves, and it still gets nothing."""
    world = World()
    world.models["1"] = Model(loads=False)
    world.commit(fraud("1"))
    await world.run(2)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted")
    world.models["1"].loads = True
    world.restart()
    assert await gets_nothing(world, "1")


async def test_another_policy_says_why_it_is_tried_again() -> None:
    """An edit that was meant for the next version tries this one again: the Event says so."""
    world = await trying()
    world.commit(fraud("2", guard={"duration": "7m"}))
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: len(w.rollouts) == 3)
    first, second = (one["metadata"]["name"] for one in world.rollouts[-2:])
    said = f"version 2 is tried again because spec.guard has changed since Rollout {first} was Reverted"
    assert f"Starting Rollout {second}: {said}" in [text for _, _, text in world.events]
