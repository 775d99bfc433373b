"""No pod starts that could not be told what the first one of its revision has fetched."""

from __future__ import annotations

import copy
import json

from serinus.core.model.errors import Forbidden
from serinus.core.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, Json
from tests.scenarios.test_artifacts import fetched, pin, revision, serving
from tests.support.world import World
from tests.support.world.store import digest_of


def digests(world: World, version: str) -> set[str]:
    """The models that a version's ready pods hold."""
    ended = (pod["status"]["initContainerStatuses"][0]["state"]["terminated"] for pod in world.ready(version))
    return {json.loads(end["message"])["digest"] for end in ended}


def refuse(world: World, kind: str, words: str, annotation: str = "") -> None:
    """Let an admission policy refuse writes of a kind, or only those with an annotation."""

    def admit(manifest: Json) -> None:
        if manifest["kind"] == kind and annotation in str(manifest["metadata"].get("annotations")):
            raise Forbidden(words)

    world.api.admit = admit


def asking_for(pods: int) -> Json:
    """Version 1 with another number of pods."""
    manifest = fetched("1")
    manifest["spec"]["scaling"] = {"minReplicas": pods}
    return manifest


def replace_pin(world: World, *, ours: bool) -> None:
    """Put another pin in the place of the newest revision's, of nobody or of the same owner."""
    forged = copy.deepcopy(pin(world))
    assert forged is not None
    forged["data"] = {"digest": digest_of("evil"), "resolved": "s3://models/fraud/evil"}
    if not ours:
        forged["metadata"].pop("ownerReferences")
    world.kubelet.store.holds["s3://models/fraud/evil"] = "evil"
    world.api.remove(CONFIG_MAP, "ml", forged["metadata"]["name"])
    world.api.put(forged)


async def test_a_quota_of_config_maps_keeps_a_canary_at_one_pod() -> None:
    """In the words of the API server; it goes on when the ConfigMap can be written."""
    world = await serving()
    refuse(world, "ConfigMap", "exceeded quota: count/configmaps")
    world.commit(fetched("2"))
    await world.run(20)
    assert len(world.pods("2")) == 1
    assert world.reason == "ArtifactNotRecorded"
    assert "exceeded quota: count/configmaps" in world.rollout["status"]["message"]
    world.api.admit = lambda manifest: None
    await world.until(lambda w: w.phase == "Succeeded" and w.routed == {"2": 100})
    assert digests(world, "2") == {digest_of("two")}


async def test_a_digest_of_the_spec_needs_no_pin() -> None:
    """Each pod verifies its own bytes: what keeps the pin from being written keeps nobody waiting."""
    world = await serving()
    refuse(world, "ConfigMap", "exceeded quota: count/configmaps")
    world.commit(fetched("2", digest=digest_of("two")))
    await world.until(lambda w: len(w.ready("2")) > 1, limit=20)


async def test_stable_does_not_grow_while_its_pin_cannot_be_written() -> None:
    """`Degraded` says why before a pod is lost, and all is well when it can be written again."""
    world = await serving()
    world.api.refuse.add(CONFIG_MAP)
    world.api.remove(CONFIG_MAP, "ml", f"{revision(world)}-artifact")
    world.commit(asking_for(6))
    await world.run(10)
    assert len(world.pods("1")) == 4
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "ArtifactNotRecorded")
    assert "ConfigMap is refused" in degraded["message"]
    world.api.refuse.clear()
    await world.until(lambda w: len(w.ready("1")) == 6, limit=60)
    assert world.condition("Degraded")["status"] == "False"


async def test_stable_pods_with_other_bytes_are_told_of() -> None:
    """Nobody but the operator starts pods in place of lost ones: all that it can do is say it."""
    world = await serving()
    world.kubelet.store.holds["s3://models/fraud/1"] = "another"
    world.api.refuse.add(CONFIG_MAP)
    world.api.remove(CONFIG_MAP, "ml", f"{revision(world)}-artifact")
    lost = world.pods("1")[0]["metadata"]["name"]
    world.api.remove(POD, "ml", lost)
    await world.until(lambda w: len(w.ready("1")) == 4, limit=40)
    await world.run(2)
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "ArtifactChanged")
    assert lost in degraded["message"]


async def test_a_pin_that_somebody_has_replaced_is_written_anew() -> None:
    """It is immutable, so it is deleted first: pods that come later get what is on record."""
    world = await serving()
    told = pin(world)
    replace_pin(world, ours=True)
    world.commit(asking_for(6))
    await world.until(lambda w: len(w.ready("1")) == 6, limit=60)
    assert told is not None
    assert pin(world)["data"] == told["data"]
    assert digests(world, "1") == {digest_of("one")}


async def test_a_pin_of_somebody_else_is_a_conflict_and_no_pod_starts_with_it() -> None:
    """It is left alone until it is gone."""
    world = await serving()
    replace_pin(world, ours=False)
    world.commit(asking_for(6))
    await world.run(20)
    assert len(world.pods("1")) == 4
    assert (world.condition("Stalled")["reason"], world.condition("Degraded")["reason"]) == ("NameConflict",) * 2
    world.api.remove(CONFIG_MAP, "ml", f"{revision(world)}-artifact")
    await world.until(lambda w: len(w.ready("1")) == 6, limit=60)
    assert digests(world, "1") == {digest_of("one")}


async def test_a_pin_that_is_lost_on_the_way_back_is_written_before_stable_grows() -> None:
    """After the route: a revert waits for nothing."""
    world = await serving()
    stable = revision(world)
    world.commit(fetched("2"))
    await world.until(lambda w: w.weight > 0)
    world.models["2"].error_rate = 1.0

    def lose(verb: str, manifest: Json) -> None:
        if verb == "status" and manifest["kind"] == "Rollout" and manifest["status"].get("phase") == "Reverted":
            world.api.on_write = lambda verb, manifest: None
            world.api.writes.clear()
            world.api.remove(CONFIG_MAP, "ml", f"{stable}-artifact")
            world.api.edit(DEPLOYMENT, stable, lambda one: one["spec"].update(replicas=2))

    world.api.on_write = lose
    await world.until(lambda w: w.phase == "Reverted")
    written = [one for one in world.api.writes if one.startswith("apply") and "Rollout" not in one]
    told = [written.index(f"apply {one}") for one in (f"ConfigMap {stable}-artifact", f"Deployment {stable}")]
    assert 0 < told[0] < told[1]
    assert "VirtualService" in written[0]


async def test_a_record_that_is_refused_is_told_in_the_words_of_the_api_server() -> None:
    """Until it can be written there is one pod, and no traffic."""
    world, words = await serving(), "a policy forbids updates"
    refuse(world, "ControllerRevision", words, "serinus.dev/artifact")
    world.commit(fetched("2"))
    await world.run(20)
    assert (len(world.pods("2")), world.weight, world.reason) == (1, 0, "ArtifactNotRecorded")
    assert words in world.rollout["status"]["message"]
    world.api.admit = lambda manifest: None
    await world.until(lambda w: w.phase == "Succeeded" and w.routed == {"2": 100})
