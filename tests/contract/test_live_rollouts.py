"""The Rollouts that have not settled are selected by the API server itself."""

from __future__ import annotations

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.api import API_VERSION
from serinus.core.model.errors import Invalid
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.rereading import UNSETTLED, Rereading
from tests.unit.core.rollout.given import plan

pytestmark = pytest.mark.apiserver


async def rolled(cluster: KubernetesCluster, namespace: str, name: str, status: Json) -> None:
    """Have a Rollout with a status."""
    metadata = {"name": name, "namespace": namespace}
    head = {"apiVersion": API_VERSION, "kind": ROLLOUT.name, "metadata": metadata}
    await cluster.create({**head, "spec": plan().spec.manifest()})
    if status:
        await cluster.apply_status({**head, "status": status})


async def test_only_what_has_not_settled_is_read(cluster: KubernetesCluster, namespace: str) -> None:
    """One without any status counts as such: an absent field is selected by no value."""
    await rolled(cluster, namespace, "new", {})
    await rolled(cluster, namespace, "live", {"phase": "Progressing", "weight": 10})
    await rolled(cluster, namespace, "shown", {"phase": "Reverted", "weight": 10})
    await rolled(cluster, namespace, "over", {"phase": "Succeeded", "settledAt": "2026-11-30T10:00:00Z"})
    cache = ObjectCache()
    await Rereading(cluster, cache, TrafficProviders(()), (namespace,)).live()
    assert {name for _, name in cache.versions(ROLLOUT)} == {"new", "live", "shown"}


async def test_a_field_that_cannot_be_selected_is_refused(cluster: KubernetesCluster, namespace: str) -> None:
    """So it is before Kubernetes 1.31, and with an older CRD: nobody is taken for live, or for none, by mistake."""
    with pytest.raises(Invalid, match="not supported"):
        await cluster.list(ROLLOUT, namespace, field_selector=UNSETTLED.replace("settledAt", "startedAt"))
