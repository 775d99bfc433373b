"""A model out of a ConfigMap: pinned by what model and runtime say, whenever it is written, whoever looks."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.errors import Forbidden
from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, Json
from serinus.core.model.timestamps import to_rfc3339_seconds
from tests.support.world import Model, World, fraud, serving

SPEC: Json = {"storageUri": "configmap://files"}


def files(world: World, text: str, **metadata: Any) -> None:
    """Apply the user's ConfigMap."""
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files", **metadata}}
    world.api.put({**config_map, "data": {"model.py": text}})


def commit(world: World, version: str, **spec: Any) -> None:
    """Apply the ModelDeployment alone."""
    world.models.setdefault(version, Model())
    world.commit(fraud(version, model={"version": version, **SPEC}, **spec))


def served(world: World, version: str) -> set[str]:
    """The files of the revisions of a version that have a weight in the live route."""
    revisions = [one for one in world.api.all(CONTROLLER_REVISION) if one["data"]["version"] == version]
    weights = world.routed_revisions
    return {one["data"]["files"]["data"]["model.py"] for one in revisions if weights.get(one["metadata"]["name"])}


async def serving_files(text: str = "one") -> World:
    """A world in which version 1 serves out of a ConfigMap, long since pinned."""
    world = World()
    files(world, text)
    await serving(world=world, model={"version": "1", **SPEC})
    await world.run(40)
    return world


async def ever_served(world: World, version: str, *, seconds: int) -> list[set[str]]:
    """Let time pass; give the files that the version had with weight, as they changed."""
    seen: list[set[str]] = []
    for _ in range(seconds):
        await world.tick()
        now = served(world, version)
        if now and (not seen or seen[-1] != now):
            seen.append(now)
    return seen


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"scaling": {"minReplicas": 5}}, id="scaling"),
        pytest.param({"traffic": {"hosts": ["other.example.com"], "istio": {"gateways": ["public"]}}}, id="traffic"),
        pytest.param({"revisionHistoryLimit": 5}, id="history"),
        pytest.param({"guard": {"duration": "1m"}}, id="guard"),
        pytest.param({"progressDeadlineSeconds": 900}, id="deadline"),
    ],
)
@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "new process"])
async def test_an_edit_of_another_field_takes_no_files_in(edit: Json, restarted: bool) -> None:
    """One commit of model or runtime, one rollout: what the ConfigMap holds by then is nobody's wish."""
    world = await serving_files()
    files(world, "two")
    await world.run(40)
    if restarted:
        world.restart()
    commit(world, "1", **edit)
    await world.run(40)
    assert len(world.rollouts) == 1


async def test_a_deleted_config_map_is_not_asked_for_again() -> None:
    """The revision has its own copy."""
    world = await serving_files()
    world.api.remove(CONFIG_MAP, "ml", "files")
    commit(world, "1", scaling={"minReplicas": 6})
    await world.run(15)
    assert world.condition("Stalled")["reason"] == "NotStalled"
    assert len(world.ready("1")) == 6


@pytest.mark.parametrize("after", [0, 1, 2, 5, 12, 25, 28])
async def test_a_config_map_after_its_model_deployment_is_what_the_version_serves(after: int) -> None:
    """In one apply or seconds later: version 2 ends with version 2's files."""
    world = await serving_files()
    commit(world, "2")
    await world.run(after)
    files(world, "two")
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2" and len(w.ready("2")) == 4)
    assert served(world, "2") == {"two"}


async def test_of_one_apply_no_rollout_of_the_old_files_is_left_behind() -> None:
    """The other object of the apply is there within the second in which nothing is read."""
    world = await serving_files()
    commit(world, "2")
    await world.settle()
    files(world, "two")
    assert await ever_served(world, "2", seconds=60) == [{"two"}]
    assert len(world.rollouts) == 2


async def test_a_wish_that_settles_is_reconciling() -> None:
    """A pipeline must not take the second before the rollout for its end."""
    world = await serving_files()
    commit(world, "2")
    await world.settle()
    reconciling = world.condition("Reconciling")
    assert (reconciling["status"], reconciling["reason"]) == ("True", "ConfigMapSettling")
    assert reconciling["observedGeneration"] == world.deployment["metadata"]["generation"]


async def test_a_later_edit_changes_nothing() -> None:
    """After half a minute the files are pinned."""
    world = await serving_files()
    commit(world, "2", steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(34)
    files(world, "late")
    await world.run(60)
    assert served(world, "2") == {"one"}
    assert len(world.rollouts) == 2


async def test_a_rollout_that_has_succeeded_pins_its_files() -> None:
    """The commit has had its rollout."""
    world = World()
    files(world, "one")
    await serving(world=world, model={"version": "1", **SPEC})
    files(world, "two")
    world.restart()
    await world.run(60)
    assert len(world.rollouts) == 1


async def test_a_restart_within_the_half_minute_goes_on_looking() -> None:
    """What marks the change is stored."""
    world = await serving_files()
    commit(world, "2", steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(10)
    world.restart()
    await world.run(10)
    files(world, "two")
    await world.until(lambda w: served(w, "2") == {"two"}, limit=30)


@pytest.mark.parametrize(
    ("written", "taken"), [(12, {"two"}), (50, {"one"})], ids=["within the half minute", "after it"]
)
async def test_an_operator_that_was_away_looks_once_more_before_it_pins(written: int, taken: set[str]) -> None:
    """When the ConfigMap was written is in its managedFields."""
    world = await serving_files()
    began = world.clock.now()
    commit(world, "2", steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(10)
    world.clock.move(90)
    files(world, "two", managedFields=[{"manager": "kubectl", "time": to_rfc3339_seconds(began + written)}])
    world.restart()
    await world.run(30)
    assert served(world, "2") == taken


async def test_the_half_minute_costs_a_look_every_two_seconds_and_then_none() -> None:
    """The ConfigMap is asked for by name; nobody watches all the ConfigMaps of a namespace."""
    world = await serving_files()
    world.api.reads.clear()
    commit(world, "2", steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(35)
    looks = world.api.reads.count("get ConfigMap files")
    assert 10 <= looks <= 18
    world.api.reads.clear()
    await world.run(120)
    assert world.api.reads == []


async def test_the_way_back_to_stable_waits_for_no_look() -> None:
    """The spec is set back: the weight is taken in the same pass, and the kept revision is the one that serves."""
    world = await serving_files()
    files(world, "two")
    commit(world, "2")
    await world.until(lambda w: w.routed.get("2") == 10)
    commit(world, "1")
    await world.settle()
    assert world.phase == "Superseded"
    assert world.routed == {"1": 100}


async def test_a_revert_of_both_in_either_order_is_the_earlier_revision() -> None:
    """The ModelDeployment first, the ConfigMap right after it: no canary of old files under any name."""
    world = await serving_files()
    files(world, "two")
    commit(world, "2")
    await world.until(lambda w: w.phase == "Guarding")
    commit(world, "1")
    await world.settle()
    files(world, "one")
    await world.run(60)
    assert world.routed == {"1": 100}
    assert served(world, "1") == {"one"}
    assert len(world.rollouts) == 2


async def test_back_to_an_earlier_version_whose_files_have_changed_is_a_new_revision() -> None:
    """One commit changes both: what it says of the files holds."""
    world = await serving_files()
    files(world, "two")
    commit(world, "2")
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    files(world, "one, mended")
    commit(world, "1")
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "1", limit=200)
    assert served(world, "1") == {"one, mended"}


async def test_back_to_a_version_that_succeeded_takes_files_of_the_next_seconds_in() -> None:
    """Its earlier success pins nothing: it is asked for anew."""
    world = await serving_files()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    commit(world, "1")
    await world.run(8)
    files(world, "two")
    await world.until(lambda w: w.phase == "Succeeded" and served(w, "1") == {"two"}, limit=200)


async def test_files_that_are_gone_or_cannot_be_read_for_a_moment_change_nothing() -> None:
    """A revision that is recorded stands."""
    world = await serving_files()
    commit(world, "2", steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(5)
    world.api.remove(CONFIG_MAP, "ml", "files")
    await world.run(5)
    assert world.condition("Stalled")["status"] == "False"
    read = world.api.get

    async def refuse(kind: Any, namespace: str, name: str) -> Any:
        if (kind, name) == (CONFIG_MAP, "files"):
            raise Forbidden("configmaps is forbidden")
        return await read(kind, namespace, name)

    world.api.get = refuse  # type: ignore[method-assign]
    await world.run(40)
    assert world.condition("Stalled")["status"] == "False"
    assert world.routed["2"] == 10


@pytest.mark.parametrize("edited", [False, True], ids=["generation as it was", "edited meanwhile"])
async def test_a_revision_of_an_earlier_version_of_the_operator_is_adopted(edited: bool) -> None:
    """An upgrade starts no canary: it knew a generation, and its files tell the rest."""
    world = await serving_files()
    revision = world.api.all(CONTROLLER_REVISION)[0]["metadata"]["name"]

    def aged(manifest: Json) -> None:
        kept = {"serinus.dev/version", "serinus.dev/succeeded-at"}
        marks = {name: text for name, text in manifest["metadata"]["annotations"].items() if name in kept}
        manifest["metadata"]["annotations"] = {**marks, "serinus.dev/generation": "1"}

    world.api.edit(CONTROLLER_REVISION, revision, aged)
    files(world, "two")
    if edited:
        commit(world, "1", scaling={"minReplicas": 5})
    world.restart()
    await world.run(60)
    assert len(world.rollouts) == 1
    commit(world, "2")
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=200)
    assert served(world, "2") == {"two"}


async def test_a_config_map_that_does_not_exist_is_said_and_waited_for() -> None:
    """It is not watched, so it is looked up again now and then."""
    world = World()
    commit(world, "1")
    await world.run(3)
    assert world.condition("Stalled")["reason"] == "ConfigMapNotFound"
    await world.run(100)
    files(world, "one")
    await world.until(lambda w: w.phase == "Succeeded", limit=20)
    assert served(world, "1") == {"one"}
