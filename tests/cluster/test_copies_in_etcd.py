"""The benchmark's copies of a ModelDeployment's objects, as the API server gives them."""

from __future__ import annotations

from benchmarks.etcd import Etcd
from benchmarks.manifests import PLAIN
from serinus.core.model.kinds import MODEL_DEPLOYMENT, SERVICE, Json
from serinus_local.control_plane import ControlPlane
from tests.support.cluster_api import ClusterApi

SPACE = "copies"
NAMES = ["copied-00001", "copied-00002"]


def service(owner: Json) -> Json:
    """A Service of a ModelDeployment: a kind that the API server stores as protobuf."""
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{metadata['name']}-ab", "namespace": SPACE, "ownerReferences": [reference]},
        "spec": {"clusterIP": "None", "ports": [{"port": 8000}], "selector": {"app": metadata["name"]}},
    }


async def test_a_copy_is_an_object_of_its_own_with_what_it_owns(plane: ControlPlane) -> None:
    """Name, uid, owner and selector are the copy's, the rest is the template's; and it can be removed again."""
    plane.kubectl("create", "namespace", SPACE)
    etcd = Etcd(f"http://127.0.0.1:{plane.ports['etcd']}")
    async with ClusterApi(plane) as api:
        manifest = PLAIN.manifest("copied-00000", "1")
        made = await api.apply({**manifest, "metadata": {"name": "copied-00000", "namespace": SPACE}})
        await api.apply(service(made))
        await etcd.copy(await etcd.take("copied-00000"), "copied-00000", NAMES)
        found = [await api.get(MODEL_DEPLOYMENT, SPACE, name) for name in NAMES]
        owned = [await api.get(SERVICE, SPACE, f"{name}-ab") for name in NAMES]
        for name, one, its in zip(NAMES, found, owned, strict=True):
            assert one is not None
            assert its is not None
            assert one["spec"] == {
                **made["spec"],
                "traffic": {**made["spec"]["traffic"], "hosts": [f"{name}.example.com"]},
            }
            assert its["metadata"]["ownerReferences"][0]["uid"] == one["metadata"]["uid"]
            assert its["spec"]["selector"] == {"app": name}
        uids = {one["metadata"]["uid"] for one in (made, *found, *owned) if one is not None}
        assert len(uids) == 5
        await etcd.remove("copied-")
        assert (await api.list(MODEL_DEPLOYMENT, SPACE))["items"] == []
