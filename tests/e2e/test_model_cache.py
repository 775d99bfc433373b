"""A cache of models: a pod starts with what another one has fetched, and nobody is asked."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, wait_for_ready
from tests.e2e.stores import Bucket, bucket_on, configured, fetched

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]

CLAIM = f"model-cache-{given.NAMESPACE}"
GIBIBYTE = {"storage": "1Gi"}


def volume(folder: Path) -> given.Manifest:
    """A volume of the only node, and the claim that is bound to it."""
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
    spec: dict[str, Any] = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    bound = {"name": CLAIM, "namespace": given.NAMESPACE}
    persistent = {
        **spec,
        "capacity": GIBIBYTE,
        "local": {"path": str(folder)},
        "claimRef": bound,
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
    }
    claimed = {**spec, "resources": {"requests": GIBIBYTE}, "volumeName": CLAIM}
    items = [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": CLAIM}, "spec": persistent},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": bound, "spec": claimed},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


@contextmanager
def claim(cluster: Cluster) -> Iterator[given.Manifest]:
    """Give the namespace a claim: a folder of root's, which the kubelet opens for the pods' group."""
    folder = Path(tempfile.mkdtemp(prefix="serinus-claim-"))
    cluster.apply(json.dumps(volume(folder)))
    try:
        yield {"claim": CLAIM, "size": "100Mi"}
    finally:
        cluster.kubectl("delete", "pvc", CLAIM, "--wait=false")
        cluster.stack.kubectl("delete", "pv", CLAIM, "--wait=false")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def folder_of_the_node(cluster: Cluster) -> Iterator[given.Manifest]:
    """Give the node a folder that everybody may write to, in memory: its disk may be too full for a cache."""
    folder = Path(tempfile.mkdtemp(prefix="serinus-node-", dir="/dev/shm"))
    folder.chmod(0o1777)
    try:
        yield {"hostPath": str(folder), "size": "100Mi"}
        assert [at.name for at in folder.iterdir()] == [given.NAMESPACE]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=[claim, folder_of_the_node], ids=["a claim", "a folder of the node"])
def bucket(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[Bucket]:
    """Give a bucket whose keys are in the namespace, and an operator with a cache."""
    config = cluster.stack.operator.current.config
    with (
        request.param(cluster) as cache,
        bucket_on(cluster.stack, tmp_path) as found,
        configured(cluster.stack, config | {"modelCache": cache}),
    ):
        cluster.apply(json.dumps(found.secret()))
        yield found


def told(cluster: Cluster, name: str) -> list[given.Manifest]:
    """List what the fetches of a model's pods have told."""
    statuses = [one for pod in cluster.list("Pod", name).values() for one in pod["status"]["initContainerStatuses"]]
    return [json.loads(one["state"]["terminated"]["message"]) for one in statuses]


def test_a_second_pod_starts_without_the_store(cluster: Cluster, bucket: Bucket) -> None:
    """The first one has fetched it from there; both hold the same."""
    bucket.put("cached", 1)
    with served(cluster, "cached", first=fetched("cached", 1)) as asked:
        bucket.close()
        cluster.apply(fetched("cached", 1, replicas=2))
        wait_for_ready(cluster, "cached", 2)
        asked.wait_for("1", more=25)
        messages = told(cluster, "cached")
    assert sorted(message.get("cached", False) for message in messages) == [False, True]
    assert len({message["digest"] for message in messages}) == 1
    assert set(asked.tally.by_label) == {"1"}
