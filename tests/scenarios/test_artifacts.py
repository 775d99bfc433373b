"""Models that are fetched: one revision is one set of bytes, whatever happens where they are kept."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, POD, Json
from tests.support.world import Model, World, fraud
from tests.support.world.store import digest_of


def fetched(version: str, *, uri: str = "", **model: str) -> Json:
    """A version whose model lies in a bucket; it is called as the version is."""
    manifest = fraud(version)
    manifest["spec"]["model"] |= {"storageUri": uri or f"s3://models/fraud/{version}", **model}
    return manifest


async def serving() -> World:
    """A world in which version 1 serves, from a bucket that holds version 2 as well."""
    world = World()
    world.kubelet.store.holds = {"s3://models/fraud/1": "one", "s3://models/fraud/2": "two"}
    world.models |= {"1": Model(), "2": Model()}
    world.commit(fetched("1"))
    await world.until(lambda w: w.phase == "Succeeded")
    return world


def revision(world: World) -> str:
    """The name of the newest revision."""
    return str(world.rollout["spec"]["to"]["revision"])


def pin(world: World) -> Json | None:
    """What later pods of the newest revision are told to get."""
    return world.api.find(CONFIG_MAP, f"{revision(world)}-artifact")


async def test_the_first_pod_fetches_alone_and_the_others_must_get_the_same() -> None:
    """Four pods are wanted: until it is known what the first one got, there is one."""
    world = await serving()
    world.commit(fetched("2"))
    await world.until(lambda w: w.tried == "2")
    most = 0
    while pin(world) is None:
        await world.tick()
        most = max(most, len(world.pods("2")))
    assert most == 1
    assert pin(world)["data"] == {"digest": digest_of("two"), "resolved": "s3://models/fraud/2"}
    await world.until(lambda w: w.phase == "Succeeded" and w.routed == {"2": 100})
    assert len(world.ready("2")) == 4


async def test_the_status_says_which_model_each_version_has() -> None:
    """By its digest, and by what the reference stood for; of a version that has fetched nothing yet it says nothing."""
    world = await serving()
    world.commit(fetched("2"))
    await world.until(lambda w: w.tried == "2")
    assert "digest" not in world.status["canary"]
    await world.until(lambda w: w.weight > 0)
    told = [(world.status[role]["digest"], world.status[role]["resolved"]) for role in ("stable", "canary")]
    assert told == [(digest_of("one"), "s3://models/fraud/1"), (digest_of("two"), "s3://models/fraud/2")]


async def test_with_a_digest_in_the_spec_all_pods_start_at_once() -> None:
    """Each of them verifies its own bytes."""
    world = World()
    world.kubelet.store.holds = {"s3://models/fraud/1": "one"}
    world.models["1"] = Model()
    world.commit(fetched("1", digest=digest_of("one")))
    await world.until(lambda w: len(w.pods("1")) > 0)
    assert len(world.pods("1")) == 4
    await world.until(lambda w: w.phase == "Succeeded")


async def test_a_folder_that_is_overwritten_changes_no_revision() -> None:
    """A pod that comes later does not start, and says why; those that serve go on."""
    world = await serving()
    world.kubelet.store.holds["s3://models/fraud/1"] = "another"
    manifest = fetched("1")
    manifest["spec"]["scaling"] = {"minReplicas": 5}
    world.commit(manifest)
    await world.run(70)
    assert (len(world.pods("1")), len(world.ready("1"))) == (5, 4)
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "StableNotReady")
    assert digest_of("another") in degraded["message"]
    assert world.routed == {"1": 100}


async def test_a_moved_alias_is_looked_up_when_the_runtime_changes() -> None:
    """Until then a pod that is deleted comes back with the version that is on record."""
    world = World()
    champion, store = "mlflow://models/fraud@champion", world.kubelet.store
    store.holds = {"mlflow://models/fraud/7": "seven", "mlflow://models/fraud/8": "eight"}
    store.stands_for = {champion: "mlflow://models/fraud/7"}
    world.models["1"] = Model()
    world.commit(fetched("1", uri=champion))
    await world.until(lambda w: w.phase == "Succeeded")
    store.stands_for = {champion: "mlflow://models/fraud/8"}
    for pod in world.pods("1"):
        world.api.remove(POD, "ml", pod["metadata"]["name"])
    await world.until(lambda w: len(w.ready("1")) == 4)
    assert world.status["stable"]["resolved"] == "mlflow://models/fraud/7"
    assert len(world.api.all(CONTROLLER_REVISION)) == 1
    changed = fetched("1", uri=champion)
    changed["spec"]["runtime"] = {"image": "triton:2"}
    world.commit(changed)
    await world.until(lambda w: w.status["stable"].get("resolved") == "mlflow://models/fraud/8", limit=120)
    assert world.phase == "Succeeded"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param({"uri": "s3://models/fraud/7"}, "ArtifactNotFound", id="nothing there"),
        pytest.param({"digest": digest_of("three")}, "ArtifactDigestMismatch", id="other bytes than asked for"),
    ],
)
async def test_a_fetch_that_fails_is_told_by_its_own_reason_and_gets_no_traffic(model: Json, reason: str) -> None:
    """Within seconds, in the words of what fetches; at the end of the deadline the version is rejected for it."""
    world = await serving()
    world.commit(fetched("2", **model))
    await world.run(5)
    assert (world.tried, world.reason, world.weight) == ("2", reason, 0)
    await world.until(lambda w: w.phase == "Aborted", limit=90)
    assert world.routed["1"] == 100


async def test_a_pin_that_is_deleted_comes_back() -> None:
    """From the record of the revision: pods that come later need it."""
    world = await serving()
    told = pin(world)
    world.api.remove(CONFIG_MAP, "ml", f"{revision(world)}-artifact")
    await world.run(3)
    assert pin(world)["data"] == told["data"]


async def test_a_killed_operator_records_what_the_first_pod_has_fetched() -> None:
    """What was fetched stands in the pod's own status: nothing is fetched again for it."""
    world = await serving()
    world.commit(fetched("2"))
    await world.until(lambda w: len(w.pods("2")) == 1)
    world.restart()
    await world.until(lambda w: w.phase == "Succeeded" and w.routed == {"2": 100})
    record = world.api.find(CONTROLLER_REVISION, revision(world))
    assert digest_of("two") in record["metadata"]["annotations"]["serinus.dev/artifact"]


async def test_credentials_and_lineage_make_no_new_revision() -> None:
    """Another Secret is another key to the same model, and what is known of it makes it no other."""
    world = await serving()
    manifest = fetched("1")
    manifest["spec"]["model"] |= {"credentials": {"secretName": "bucket-2"}, "lineage": {"gitCommit": "9d1f"}}
    world.commit(manifest)
    await world.run(10)
    assert world.phase == "Succeeded"
    assert len(world.api.all(CONTROLLER_REVISION)) == 1


async def test_a_digest_of_what_is_not_fetched_is_refused() -> None:
    """A claim is mounted by the kubelet: nobody would verify it."""
    world = await serving()
    manifest = fraud("2")
    manifest["spec"]["model"]["digest"] = digest_of("two")
    world.commit(manifest)
    await world.run(3)
    assert world.condition("Stalled")["reason"] == "InvalidSpec"
    assert "spec.model.digest" in world.condition("Stalled")["message"]
