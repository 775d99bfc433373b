"""Objects that should not be there yet, and marks on those that are: a real API server, and that of the scenarios."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from serinus.adapters.kubernetes.client import NEVER_STORED, KubernetesCluster
from serinus.core.model.errors import Conflict, Gone
from serinus.core.model.kinds import CONFIG_MAP, MODEL_DEPLOYMENT, SERVICE, Json, kind_of
from serinus.runtime.ports import Cluster
from serinus_local.control_plane import ControlPlane
from tests.support.cluster_api import ClusterApi
from tests.support.world import fraud
from tests.support.world.api import InMemoryApi
from tests.support.world.clock import VirtualClock

pytestmark = pytest.mark.apiserver

Manifest = Callable[..., Json]


@pytest.fixture(params=["a real one", "the one in memory"])
def either(request: pytest.FixtureRequest, cluster: KubernetesCluster) -> Cluster:
    """The port, as the operator has it and as scenarios have it."""
    return cluster if request.param == "a real one" else InMemoryApi(VirtualClock())


@pytest.fixture
async def api(plane: ControlPlane) -> AsyncIterator[ClusterApi]:
    """Somebody else."""
    async with ClusterApi(plane) as api:
        yield api


def service(namespace: str, **labels: str) -> Json:
    """A Service of a built-in kind."""
    spec = {"ports": [{"name": "http", "port": 8000, "protocol": "TCP"}], "selector": {"app": "novel"}}
    metadata = {"name": "novel", "namespace": namespace, "labels": {"app": "novel", **labels}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def model_deployment(namespace: str, **labels: str) -> Json:
    """An object of a kind that a CRD defines."""
    manifest = fraud("1")
    return {**manifest, "metadata": {"name": "novel", "namespace": namespace, "labels": {"app": "novel", **labels}}}


OF_EACH_SORT = pytest.mark.parametrize("manifest", [service, model_deployment], ids=["built in", "custom"])


async def stored(cluster: Cluster, manifest: Json) -> Json:
    found = await cluster.get(kind_of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"])
    assert found is not None
    return found


@OF_EACH_SORT
async def test_what_is_not_there_is_made(either: Cluster, namespace: str, manifest: Manifest) -> None:
    """One request, and the answer is the object; the version that we named is nobody's."""
    made = await either.apply_new(manifest(namespace))
    assert made["metadata"]["uid"] == (await stored(either, made))["metadata"]["uid"]
    assert int(made["metadata"]["resourceVersion"]) >= int(NEVER_STORED)


@OF_EACH_SORT
@pytest.mark.parametrize("extra", [{}, {"more": "than before"}], ids=["the very same", "another wish"])
async def test_what_is_there_is_a_conflict_and_stays_as_it_is(
    either: Cluster, namespace: str, manifest: Manifest, extra: dict[str, str]
) -> None:
    """Also where we made it ourselves, and where an apply would change nothing."""
    await either.apply(manifest(namespace), force=False)
    before = await stored(either, manifest(namespace))
    with pytest.raises(Conflict):
        await either.apply_new(manifest(namespace, **extra))
    assert await stored(either, before) == before


@OF_EACH_SORT
async def test_what_somebody_else_made_is_a_conflict_and_stays_theirs(
    cluster: KubernetesCluster, api: ClusterApi, namespace: str, manifest: Manifest
) -> None:
    """Neither its fields nor their owners change."""
    theirs = await api.create(manifest(namespace))
    with pytest.raises(Conflict):
        await cluster.apply_new(manifest(namespace, ours="too"))
    assert await stored(cluster, theirs) == theirs


@OF_EACH_SORT
async def test_a_field_that_is_dropped_later_goes_away(
    cluster: KubernetesCluster, namespace: str, manifest: Manifest
) -> None:
    """What was made new is owned as an apply owns it: nothing else of ours holds on to the field."""
    made = await cluster.apply_new(manifest(namespace, dropped="later"))
    assert {(one["manager"], one["operation"]) for one in made["metadata"]["managedFields"]} == {("serinus", "Apply")}
    after = await cluster.apply(manifest(namespace), force=True)
    assert after["metadata"]["labels"] == {"app": "novel"}


async def test_a_namespace_that_is_not_there_is_gone(cluster: KubernetesCluster) -> None:
    """It is no conflict: nobody has the name."""
    with pytest.raises(Gone):
        await cluster.apply_new(service("nowhere-at-all"))


async def test_what_was_deleted_meanwhile_is_made_again(either: Cluster, namespace: str) -> None:
    """Its name is free."""
    first = await either.apply_new(service(namespace))
    await either.delete(SERVICE, namespace, "novel", uid=first["metadata"]["uid"])
    second = await either.apply_new(service(namespace))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def mark(uid: str, **annotations: str | None) -> Json:
    return {"metadata": {"uid": uid, "annotations": annotations}}


async def test_a_mark_is_put_on_beside_what_is_there(either: Cluster, namespace: str) -> None:
    """A merge patch of one annotation; with null it is taken off."""
    made = await either.apply_new(model_deployment(namespace))
    uid = made["metadata"]["uid"]
    await either.merge(MODEL_DEPLOYMENT, namespace, "novel", mark(uid, one="1", two="2"))
    marked = await either.merge(MODEL_DEPLOYMENT, namespace, "novel", mark(uid, one=None))
    assert marked["metadata"]["annotations"] == {"two": "2"}
    assert marked["spec"] == made["spec"]


async def test_a_mark_is_not_put_on_another_object_of_that_name(either: Cluster, namespace: str) -> None:
    """Its uid is a precondition; what is gone is gone."""
    made = await either.apply_new(service(namespace))
    with pytest.raises(Conflict):
        await either.merge(SERVICE, namespace, "novel", mark("11111111-1111-1111-1111-111111111111", a="b"))
    assert "annotations" not in (await stored(either, made))["metadata"]
    with pytest.raises(Gone):
        await either.merge(CONFIG_MAP, namespace, "nothing", mark(made["metadata"]["uid"], a="b"))


async def test_a_mark_outlives_an_apply_that_does_not_name_it(cluster: KubernetesCluster, namespace: str) -> None:
    """That is why only what is never taken off is put on so."""
    made = await cluster.apply_new(service(namespace))
    await cluster.merge(SERVICE, namespace, "novel", mark(made["metadata"]["uid"], kept="yes"))
    assert (await cluster.apply(service(namespace), force=True))["metadata"]["annotations"] == {"kept": "yes"}
