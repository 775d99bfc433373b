"""What hands do to derived objects is corrected, in every phase; what hands made is left alone."""

from __future__ import annotations

import copy

import pytest

from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DESTINATION_RULE,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)
from tests.scenarios.apis import WITH_EACH_API
from tests.scenarios.phases import END, PHASES, Build, go_on, in_every_phase
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.world import rules_of

pytestmark = WITH_EACH_API

OF_EACH_API = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION)
DERIVED = {kind.name: kind for kind in (*OF_EACH_API, DESTINATION_RULE, VIRTUAL_SERVICE, HTTP_ROUTE)}


def end_of(build: Build) -> dict[str, int]:
    name = next(name for name, one in PHASES.items() if one is build)
    return END.get(name, {"2": 100})


@in_every_phase
async def test_weights_edited_by_hand_are_corrected(build: Build) -> None:
    """The truth is in the Rollout's status, never in the route."""
    world = await build()
    before = world.routed

    def add_timeouts(route: Json) -> None:
        for rule in rules_of(route):
            rule["timeouts"] = {"request": "1s"}

    world.turn(3, 97)
    world.api.edit(world.provider.route, "fraud", add_timeouts)
    await world.settle()
    assert world.routed == before


@in_every_phase
@pytest.mark.parametrize("kind", DERIVED.values(), ids=DERIVED)
async def test_derived_objects_deleted_by_hand_come_back(build: Build, kind: Kind) -> None:
    """All of a kind at once; stable is never forgotten, and the rollout comes to an end."""
    world = await build()
    before = {one["metadata"]["name"] for one in world.api.all(kind)}
    assert bool(before) == (kind in {*OF_EACH_API, world.provider.route, *world.provider.policies})
    stable = world.status["stable"]["revision"]
    for name in before:
        world.api.remove(kind, "ml", name)
    await world.run(2)
    after = {one["metadata"]["name"] for one in world.api.all(kind)}
    assert stable in after if kind in {*OF_EACH_API, DESTINATION_RULE} and before else after == before
    if kind not in {CONTROLLER_REVISION, DEPLOYMENT}:
        assert after >= before or world.phase == "Reverted"
    assert world.status["stable"]["revision"] == stable
    routed = await go_on(world)
    assert routed == end_of(build) or (kind == DEPLOYMENT and world.phase == "Reverted")


@in_every_phase
async def test_a_controller_revision_deleted_while_nobody_looked_comes_back_from_its_deployment(build: Build) -> None:
    """The next process has no memory of it; the pods stay as they are."""
    world = await build()
    stable, pods = world.status["stable"]["revision"], [pod["metadata"]["uid"] for pod in world.pods("1")]
    for one in list(world.api.all(CONTROLLER_REVISION)):
        world.api.remove(CONTROLLER_REVISION, "ml", one["metadata"]["name"])
    world.restart()
    await world.run(2)
    assert world.status["stable"]["revision"] == stable
    assert [pod["metadata"]["uid"] for pod in world.pods("1")] == pods
    assert await go_on(world) == end_of(build)


@in_every_phase
async def test_a_rollouts_status_wiped_by_hand_is_found_again(build: Build) -> None:
    """One that has ended does not start again; one that had not begins from weight 0."""
    world = await build()
    ended = world.phase in {"Succeeded", "Reverted"}
    world.wipe_status(world.rollout)
    if ended:
        before = world.routed
        for _ in range(60):
            await world.tick()
            assert world.routed == before
        assert len(world.rollouts) <= 2
    assert await go_on(world) == end_of(build)


@in_every_phase
async def test_a_model_deployments_status_wiped_by_hand_is_written_anew(build: Build) -> None:
    """It is a copy for people."""
    world = await build()
    before, phase = copy.deepcopy(world.status), world.phase
    world.wipe_status(world.deployment)
    await world.settle()
    assert world.phase == phase
    assert {**world.status, "conditions": None} == {**before, "conditions": None}


@in_every_phase
async def test_both_statuses_wiped_by_hand_never_take_the_first_revisions_path(build: Build) -> None:
    """Revisions are present, so somebody serves already."""
    world = await build()
    world.wipe_status(world.rollout)
    world.wipe_status(world.deployment)
    await world.tick()
    assert sum(world.routed.values()) == 100
    assert world.routed.get("2", 0) in {0, 10, 50, 100}
    assert "from" in world.rollout["spec"] or world.tried == "1"


@in_every_phase
async def test_a_rollout_deleted_by_hand_comes_back_where_it_is_needed(build: Build) -> None:
    """An active one is begun again; an ended one was history, and what it rejected stays rejected."""
    world = await build()
    world.api.remove(ROLLOUT, "ml", world.rollout["metadata"]["name"])
    assert await go_on(world) == end_of(build)


@in_every_phase
async def test_all_rollouts_deleted_by_hand_change_nothing_of_what_serves(build: Build) -> None:
    """The success mark on the ControllerRevision says what is stable."""
    world = await build()
    stable = world.status["stable"]["version"]
    for rollout in world.rollouts:
        world.api.remove(ROLLOUT, "ml", rollout["metadata"]["name"])
    await world.tick()
    assert world.status["stable"]["version"] == stable
    assert world.routed[stable] >= 90


@in_every_phase
async def test_pods_of_a_deployment_edited_by_hand_are_put_right(build: Build) -> None:
    """Replicas and image are ours."""
    world = await build()
    stable = world.status["stable"]["revision"]

    def spoil(deployment: Json) -> None:
        deployment["spec"]["replicas"] = 0
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "mine:latest"

    before = copy.deepcopy(world.api.find(DEPLOYMENT, stable))
    world.api.edit(DEPLOYMENT, stable, spoil)
    await world.settle()
    after = world.api.find(DEPLOYMENT, stable)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]


@in_every_phase
async def test_deletion_leaves_nothing_and_is_followed_by_no_write(build: Build) -> None:
    """The garbage collector does the work; we must not undo it."""
    world = await build()
    world.api.remove(MODEL_DEPLOYMENT, "ml", "fraud")
    world.api.writes.clear()
    await world.run(60)
    assert world.api.writes == []
    assert world.api.objects == {}
    assert world.sampler._watches == {}


async def test_nothing_is_written_while_the_garbage_collector_is_at_work() -> None:
    """Foreground deletion: the object stays until its children are gone."""
    world = await trying(at=50)
    world.api.edit(
        MODEL_DEPLOYMENT, "fraud", lambda one: one["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z")
    )
    world.api.writes.clear()
    for kind in DERIVED.values():
        for one in list(world.api.all(kind)):
            world.api.remove(kind, "ml", one["metadata"]["name"])
    await world.run(30)
    assert world.api.writes == []


async def test_the_specs_of_users_objects_are_never_written() -> None:
    """Not in a good rollout, not in a bad one, not with levers."""
    world = await trying()
    world.lever(paused=True)
    await world.run(3)
    world.lever(paused=False)
    await world.until(lambda w: w.phase == "Succeeded")
    world.models["3"] = Model(error_rate=0.5)
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Reverted")
    assert not [one for one in world.api.writes if one.startswith("apply ModelDeployment")]
    assert not [one for one in world.api.writes if one.startswith("apply Rollout")]


async def test_the_copy_of_a_config_map_comes_back_with_what_it_held() -> None:
    """From the ControllerRevision, whatever the user's own holds by now."""
    from serinus.core.model.kinds import CONFIG_MAP

    world = World()
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "model-1"}, "data": {"model.py": "v1"}}
    world.api.put(source)
    await serving(world=world, model={"version": "1", "storageUri": "configmap://model-1"})
    revision = world.status["stable"]["revision"]
    world.api.put({**source, "data": {"model.py": "edited"}})
    world.api.remove(CONFIG_MAP, "ml", revision)
    await world.tick()
    copied = world.api.find(CONFIG_MAP, revision)
    assert copied is not None
    assert copied["data"] == {"model.py": "v1"}
    assert copied["immutable"] is True
