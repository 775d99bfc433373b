"""The client, against a real API server."""

from __future__ import annotations

import json

import pytest

from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.core.model.errors import Conflict, Gone, Invalid
from serinus.core.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, SERVICE, Json
from serinus_local.control_plane import ControlPlane

pytestmark = pytest.mark.apiserver


def service(namespace: str, name: str = "fraud", port: int = 8000, selector: str = "fraud", **metadata: object) -> Json:
    """Make a Service that anybody may change."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "fraud"}, **metadata},
        "spec": {"ports": [{"name": "http", "port": port}], "selector": {"app": selector}},
    }


async def test_an_apply_creates_and_then_changes_what_it_names(cluster: KubernetesCluster, namespace: str) -> None:
    """One call for both, and the answer is the object."""
    made = await cluster.apply(service(namespace), force=True)
    changed = await cluster.apply(service(namespace, port=9000), force=True)
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert [port["port"] for port in changed["spec"]["ports"]] == [9000]
    assert changed["metadata"]["managedFields"][0]["manager"] == "serinus"


async def test_a_field_that_an_apply_leaves_out_is_given_up(cluster: KubernetesCluster, namespace: str) -> None:
    """That is why each apply says all that we want."""
    await cluster.apply(service(namespace), force=True)
    bare = service(namespace)
    del bare["metadata"]["labels"]
    assert "labels" not in (await cluster.apply(bare, force=True))["metadata"]


async def test_an_apply_with_a_uid_does_not_make_a_deleted_object_again(
    cluster: KubernetesCluster, namespace: str
) -> None:
    """Somebody deleted it while we decided: that is a Conflict, to be looked at again."""
    made = await cluster.apply(service(namespace), force=True)
    uid = made["metadata"]["uid"]
    await cluster.delete(SERVICE, namespace, "fraud", uid=uid)
    with pytest.raises(Conflict):
        await cluster.apply(service(namespace, uid=uid), force=True)
    assert await cluster.get(SERVICE, namespace, "fraud") is None


async def test_an_apply_with_the_uid_of_another_object_is_a_conflict(
    cluster: KubernetesCluster, namespace: str
) -> None:
    """The name was taken by somebody else's object."""
    await cluster.apply(service(namespace), force=True)
    with pytest.raises(Conflict):
        await cluster.apply(service(namespace, uid="11111111-1111-1111-1111-111111111111"), force=True)


async def test_an_apply_decided_on_an_old_version_is_a_conflict(cluster: KubernetesCluster, namespace: str) -> None:
    """Status and route writes carry the resourceVersion that they were decided on."""
    made = await cluster.apply(service(namespace), force=True)
    old = made["metadata"]["resourceVersion"]
    await cluster.apply(service(namespace, port=9000), force=True)
    with pytest.raises(Conflict):
        await cluster.apply(service(namespace, port=9001, resourceVersion=old), force=True)


async def test_an_apply_without_force_does_not_take_a_field_from_another_manager(
    cluster: KubernetesCluster, namespace: str, plane: ControlPlane
) -> None:
    """What the user set stays until we know the object as ours."""
    theirs = service(namespace, port=9000)
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(theirs))
    with pytest.raises(Conflict, match="conflict with"):
        await cluster.apply(service(namespace, selector="ours"), force=False)


async def test_an_apply_with_a_version_alone_makes_a_deleted_object_again(
    cluster: KubernetesCluster, namespace: str
) -> None:
    """A trap of the API server: that is why every write to what may be gone carries the uid, too."""
    assert await cluster.apply(service(namespace, resourceVersion="5"), force=True)


async def test_what_the_api_server_refuses_is_invalid_and_says_why(cluster: KubernetesCluster, namespace: str) -> None:
    """A mistake in what we rendered is told in the API server's words."""
    with pytest.raises(Invalid, match=r"spec\.ports\[0\]\.port"):
        await cluster.apply(service(namespace, port=99999), force=True)


async def test_a_status_apply_leaves_the_spec_alone(cluster: KubernetesCluster, namespace: str) -> None:
    """Two endpoints, two owners."""
    await cluster.apply(service(namespace), force=True)
    condition = {
        "type": "Tried",
        "status": "True",
        "reason": "Test",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status: Json = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "fraud", "namespace": namespace},
        "status": {"conditions": [condition]},
    }
    answer = await cluster.apply_status(status)
    assert answer["status"]["conditions"] == [condition]
    assert answer["spec"]["ports"][0]["port"] == 8000


async def test_a_status_apply_to_what_is_not_there_is_gone(cluster: KubernetesCluster, namespace: str) -> None:
    """A status makes no object."""
    metadata = {"name": "nothing", "namespace": namespace}
    with pytest.raises(Gone):
        await cluster.apply_status({"apiVersion": "serinus.dev/v1alpha1", "kind": "Rollout", "metadata": metadata})


async def test_a_write_into_a_namespace_that_is_not_there_is_gone(cluster: KubernetesCluster) -> None:
    """The namespace was deleted with all that is in it."""
    with pytest.raises(Gone):
        await cluster.apply(service("nowhere-at-all"), force=True)


async def test_a_delete_takes_the_object_of_its_uid_only(cluster: KubernetesCluster, namespace: str) -> None:
    """One that is gone, or was made again by somebody, is no error and stays."""
    first = await cluster.apply(service(namespace), force=True)
    await cluster.delete(SERVICE, namespace, "fraud", uid=first["metadata"]["uid"])
    await cluster.delete(SERVICE, namespace, "fraud", uid=first["metadata"]["uid"])
    second = await cluster.apply(service(namespace), force=True)
    await cluster.delete(SERVICE, namespace, "fraud", uid=first["metadata"]["uid"])
    left = await cluster.get(SERVICE, namespace, "fraud")
    assert left is not None
    assert left["metadata"]["uid"] == second["metadata"]["uid"]


async def test_a_delete_takes_the_version_that_was_decided_on_only(cluster: KubernetesCluster, namespace: str) -> None:
    """Who has changed it since then may want it: that is a Conflict, to be looked at again."""
    first = await cluster.apply(service(namespace), force=True)
    changed = service(namespace)
    changed["metadata"]["annotations"] = {"wanted-by": "somebody"}
    second = await cluster.apply(changed, force=True)
    uid = first["metadata"]["uid"]
    with pytest.raises(Conflict):
        await cluster.delete(
            SERVICE, namespace, "fraud", uid=uid, resource_version=first["metadata"]["resourceVersion"]
        )
    assert await cluster.get(SERVICE, namespace, "fraud") is not None
    await cluster.delete(SERVICE, namespace, "fraud", uid=uid, resource_version=second["metadata"]["resourceVersion"])
    assert await cluster.get(SERVICE, namespace, "fraud") is None


async def test_a_second_create_is_a_conflict(cluster: KubernetesCluster, namespace: str) -> None:
    """Create is for what must not exist."""
    await cluster.create(service(namespace))
    with pytest.raises(Conflict):
        await cluster.create(service(namespace))


async def test_a_merge_with_an_old_resource_version_is_a_conflict(cluster: KubernetesCluster, namespace: str) -> None:
    """So a merge-patch can stand in for an update: the lease relies on it."""
    made = await cluster.create(service(namespace))
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"], "labels": {"x": "1"}}}
    await cluster.merge(SERVICE, namespace, "fraud", stale)
    with pytest.raises(Conflict):
        await cluster.merge(SERVICE, namespace, "fraud", stale)


async def test_a_list_gives_what_the_selectors_choose(cluster: KubernetesCluster, namespace: str) -> None:
    """By label and by field, with kinds filled in."""
    for name in ("a", "b"):
        await cluster.apply(service(namespace, name, labels={"which": name}), force=True)
    by_label = await cluster.list(SERVICE, namespace, label_selector="which=a")
    by_field = await cluster.list(SERVICE, namespace, field_selector="metadata.name=b")
    assert [(each["kind"], each["metadata"]["name"]) for each in by_label + by_field] == [
        ("Service", "a"),
        ("Service", "b"),
    ]
    assert await cluster.list(POD, namespace) == []


async def test_a_get_of_what_is_not_there_is_none(cluster: KubernetesCluster, namespace: str) -> None:
    """Absence is an answer."""
    assert await cluster.get(DEPLOYMENT, namespace, "nothing") is None
    assert await cluster.get(CONFIG_MAP, namespace, "nothing") is None
