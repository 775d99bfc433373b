"""What another version of the operator wrote cannot be read: it is not gone, its split stays, and that is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.core.model.errors import Invalid
from serinus.core.model.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, ROLLOUT, SERVICE, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud, trying
from tests.support.world.given import HALF

pytestmark = WITH_EACH_API

Spoil = Callable[[Json], object]

SPOILS = [
    pytest.param(lambda one: one["spec"].update(attempt={"number": 1}), id="a field of another type"),
    pytest.param(lambda one: one["spec"].pop("to"), id="a field that is gone"),
    pytest.param(lambda one: one["spec"]["strategy"].update(canary={"steps": [{"setMirror": 1}]}), id="another verb"),
    pytest.param(lambda one: one["status"].update(phase="Mirroring"), id="a phase of a newer version"),
    pytest.param(lambda one: one["status"].update(weight="half"), id="a weight that is no number"),
    pytest.param(lambda one: one["status"].update(startedAt="yesterday"), id="a time that is none"),
]


def spoil_rollout(world: World, spoil: Spoil = lambda one: one["spec"].pop("to")) -> Json:
    """Write the newest Rollout as another version would; give it as it was."""
    name = world.rollout["metadata"]["name"]
    before = {**world.rollout}
    world.api.edit(ROLLOUT, name, spoil)  # type: ignore[arg-type]
    return before


async def stays(world: World, split: dict[str, int], seconds: int = 60) -> None:
    for _ in range(seconds):
        await world.tick()
        assert world.routed == split


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "after a restart"])
async def test_the_split_stays_as_the_route_has_it(spoil: Spoil, restarts: bool) -> None:
    """With the pods of both, in whatever way it cannot be read; Stalled names the Rollout and the cure."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    spoil_rollout(world, spoil)
    if restarts:
        world.restart()
    await stays(world, {"1": 50, "2": 50})
    assert (len(world.ready("1")), len(world.ready("2"))) == (4, 2)
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "RolloutUnreadable")
    assert world.rollout["metadata"]["name"] in stalled["message"]
    assert "upgrade the operator" in stalled["message"]
    assert [reason for _, reason, _ in world.events].count("RolloutUnreadable") == 1


async def test_all_traffic_stays_on_a_canary_in_its_guard() -> None:
    """It must not jump to a stable that was let go small."""
    world = await trying(at=100)
    spoil_rollout(world)
    await stays(world, world.routed)
    assert world.routed["2"] == 100


async def test_nothing_new_starts() -> None:
    """A commit waits until somebody has made the record readable."""
    world = await trying(at=50, steps=HALF)
    spoil_rollout(world)
    world.models["3"] = Model()
    world.commit(fraud("3", steps=HALF))
    await stays(world, {"1": 50, "2": 50})
    assert len(world.rollouts) == 2


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda world: world.turn(0, 100), id="weights by hand"),
        pytest.param(lambda world: world.api.remove(world.provider.route, "ml", "fraud"), id="the route is deleted"),
        pytest.param(lambda world: world.api.remove(DEPLOYMENT, "ml", world.revision("2")), id="pods are deleted"),
        pytest.param(lambda world: world.api.remove(SERVICE, "ml", world.revision("1")), id="a Service is deleted"),
    ],
)
async def test_what_is_derived_is_kept_up_meanwhile(disturb: Callable[[World], None]) -> None:
    """Frozen is not forsaken."""
    world = await trying(at=50, steps=HALF)
    spoil_rollout(world)
    await world.run(3)
    disturb(world)
    await world.run(10)
    assert world.routed == {"1": 50, "2": 50}
    assert world.ready("1")
    assert world.ready("2")
    assert world.api.find(SERVICE, world.revision("1")) is not None


async def test_it_goes_on_when_the_record_can_be_read() -> None:
    """From where it stood; and what is bad by then is reverted."""
    world = await trying(at=50, steps=HALF)
    before = spoil_rollout(world)
    await world.run(10)
    world.models["2"].error_rate = 1.0
    await stays(world, {"1": 50, "2": 50}, 10)
    world.api.put({**world.rollout, "spec": before["spec"]})
    await world.until(lambda w: w.phase == "Reverted", limit=15)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"


async def test_one_that_has_settled_is_history() -> None:
    """It decides no split, so it stops nothing; its name is used up."""
    world = await trying(at=50, steps=HALF)
    world.lever(abort=True)
    await world.until(lambda w: "settledAt" in w.state, limit=20)
    spoil_rollout(world)
    world.models["3"] = Model()
    world.commit(fraud("3", steps=HALF))
    await world.until(lambda w: w.routed.get("3") == 50, limit=60)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: one["spec"].pop("model"), id="spec"),
        pytest.param(lambda one: one["spec"].update(strategy={"canary": {"steps": [{"setMirror": 1}]}}), id="verb"),
        pytest.param(lambda one: one["status"].update(weight="half"), id="status"),
    ],
)
async def test_an_unreadable_model_deployment_is_left_as_it_is(spoil: Spoil) -> None:
    """In mid-rollout: nothing is decided about it, nothing crashes, and one condition and one Event say so."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    world.api.edit(MODEL_DEPLOYMENT, "fraud", spoil)  # type: ignore[arg-type]
    world.api.writes.clear()
    await stays(world, {"1": 50, "2": 50})
    world.restart()
    await stays(world, {"1": 50, "2": 50}, 20)
    assert world.api.writes == ["status ModelDeployment fraud"]
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "ModelDeploymentUnreadable")
    assert world.condition("Ready")["status"] == "True"
    assert "ModelDeploymentUnreadable" in [reason for _, reason, _ in world.events]


async def test_an_unreadable_model_deployment_is_told_of_where_its_status_is_refused() -> None:
    """The Event is there in any case; the condition is tried now and then."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    world.api.refused_statuses = {MODEL_DEPLOYMENT: Invalid("422: spec.model: Required value")}
    world.api.edit(MODEL_DEPLOYMENT, "fraud", lambda one: one["spec"].pop("model"))
    world.api.writes.clear()
    await stays(world, {"1": 50, "2": 50})
    assert [reason for _, reason, _ in world.events].count("ModelDeploymentUnreadable") == 1
    assert len(world.api.writes) <= 7
