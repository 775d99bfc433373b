"""What people do by hand to derived objects in mid-rollout is put right, and the rollout goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e import given
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster
from tests.e2e.serving import at_half, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME = "hands"


@pytest.fixture(scope="module")
def halfway(cluster: Cluster) -> Iterator[Asking]:
    """Give a rollout that stays at half of the weight, under traffic, for all tests of this file."""
    with served(cluster, NAME, steps=given.UNTIL_PROMOTED) as asked:
        at_half(cluster, NAME)
        yield asked


def test_weights_edited_by_hand_are_corrected_within_seconds(cluster: Cluster, halfway: Asking) -> None:
    """All traffic put on the canary is back at half, an Event says so, and no request is lost."""
    route = cluster.get("VirtualService", NAME)
    for rule in route["spec"]["http"]:
        rule["route"][0]["weight"], rule["route"][1]["weight"] = 0, 100
    patch = json.dumps({"spec": {"http": route["spec"]["http"]}})
    failed = halfway.tally.failed
    cluster.kubectl("patch", "virtualservice", NAME, "--type=merge", f"--patch={patch}")
    cluster.wait("VirtualService", NAME, lambda found: halved(found[NAME]), what="half of the weight", limit=5)
    cluster.wait("Event", "", lambda found: any(corrected(one) for one in found.values()), what="the Event", by="")
    halfway.wait_for("1", more=5)
    assert halfway.tally.failed == failed


@pytest.mark.parametrize(
    "kind", ["DestinationRule", "ConfigMap", "ControllerRevision", "Service", "VirtualService", "Deployment"]
)
@pytest.mark.parametrize("arm", ["from", "to"])
def test_what_is_deleted_by_hand_comes_back_as_it_was(cluster: Cluster, halfway: Asking, kind: str, arm: str) -> None:
    """Each kind of derived object, of stable and of the canary; the weight stays where it was."""
    rollout = cluster.rollout(NAME, 2, lambda status: status.get("weight") == 50, what="half of the weight")
    name = NAME if kind == "VirtualService" else rollout["spec"][arm]["revision"]
    before = cluster.get(kind, name)
    # Pods are left alone: a canary without any fails requests and is rightly taken back.
    cluster.kubectl("delete", kind.lower(), name, "--wait=false", "--cascade=orphan")
    after = cluster.wait(
        kind, NAME, lambda found: name in found and uid(found[name]) != uid(before), what=f"{kind} {name}", limit=30
    )[name]
    assert essence(after) == essence(before)
    rollout = cluster.rollout(NAME, 2, lambda status: status.get("weight") == 50, what="half of the weight")
    for label in ("1", "2"):
        halfway.wait_for(label)
    assert rollout["status"]["phase"] in ("Paused", "Progressing")


def test_the_root_service_comes_back(cluster: Cluster, halfway: Asking) -> None:
    """Callers outside the mesh depend on it."""
    before = cluster.get("Service", NAME)
    cluster.kubectl("delete", "service", NAME)
    after = cluster.wait(
        "Service", NAME, lambda found: NAME in found and uid(found[NAME]) != uid(before), what="it", limit=15
    )[NAME]
    assert after["spec"]["selector"] == before["spec"]["selector"]


def test_a_rollout_whose_status_was_wiped_starts_again_from_weight_0(cluster: Cluster, halfway: Asking) -> None:
    """No record, no weight; then it walks again. The chart lets only the operator's own account do that."""
    rollout = cluster.rollout(NAME, 2, lambda status: status.get("weight") == 50, what="half of the weight")
    began = rollout["status"]["startedAt"]
    cluster.wipe_status("Rollout", rollout["metadata"]["name"])
    again = cluster.rollout(
        NAME, 2, lambda status: status.get("weight") == 50 and status["startedAt"] != began, what="to start again"
    )
    cluster.wait("VirtualService", NAME, lambda found: halved(found[NAME]), what="half of the weight", limit=5)
    assert again["metadata"]["uid"] == rollout["metadata"]["uid"]


def test_a_rollout_that_was_deleted_is_made_again(cluster: Cluster, halfway: Asking) -> None:
    """The spec still asks for its revision, and nothing has rejected it."""
    rollout = cluster.rollout(NAME, 2, lambda status: status.get("weight") == 50, what="half of the weight")
    cluster.kubectl("delete", "mro", rollout["metadata"]["name"], "--wait=false")
    cluster.wait(
        "Rollout",
        NAME,
        lambda found: any(
            uid(one) != uid(rollout) and one.get("status", {}).get("weight") == 50 for one in found.values()
        ),
        what="another Rollout at half of the weight",
    )


def test_after_all_this_the_version_is_still_promoted(cluster: Cluster, halfway: Asking) -> None:
    """Nothing that was put right stands in the way of the rollout's end."""
    rollout = cluster.rollout(NAME, 2, lambda status: status.get("weight") == 50, what="half of the weight")
    patch = '{"spec": {"promote": {"throughStep": 2}}}'
    cluster.kubectl("patch", "mro", rollout["metadata"]["name"], "--type=merge", f"--patch={patch}")
    cluster.rollout(NAME, 2, lambda status: status.get("phase") == "Succeeded", what="to succeed")


def corrected(event: given.Manifest) -> bool:
    """Tell whether an Event says that the route was put right."""
    return event["reason"] == "DriftCorrected" and f"VirtualService {NAME}" in event.get(
        "note", event.get("message", "")
    )


def halved(route: given.Manifest) -> bool:
    """Tell whether every rule of a route gives each revision half."""
    return all(entry["weight"] == 50 for rule in route["spec"]["http"] for entry in rule["route"])


def uid(manifest: given.Manifest) -> str:
    """Tell one object from another of its name."""
    value: str = manifest["metadata"]["uid"]
    return value


def essence(manifest: given.Manifest) -> given.Manifest:
    """Keep what we decide of an object: not what the API server gives it anew."""
    spec = {key: value for key, value in manifest.get("spec", {}).items() if key not in GIVEN_ANEW}
    data = manifest.get("data", {})
    if manifest["kind"] == "ControllerRevision":
        data = {key: data[key] for key in ("hash", "template")}
    metadata = manifest["metadata"]
    return {"spec": spec, "data": data, "labels": metadata["labels"], "owner": metadata["ownerReferences"]}


GIVEN_ANEW = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
