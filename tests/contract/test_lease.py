"""The lease, against a real API server."""

from __future__ import annotations

import asyncio
import json

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.lease import LeaderLease
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus_local.control_plane import ControlPlane
from tests.support.lease_store import acquired

pytestmark = pytest.mark.apiserver


async def test_one_of_two_holds_it_and_a_release_hands_it_on(
    cluster: KubernetesCluster, plane: ControlPlane, namespace: str
) -> None:
    """`kubectl get lease` shows the holder; the second follows as soon as the first lets go."""
    first, second = (
        LeaderLease(cluster, SystemClock(), LeaseName(namespace, "operator", who)) for who in ("first", "second")
    )
    await acquired(first)
    waiting = asyncio.create_task(acquired(second))
    assert holder(plane, namespace) == "first"
    assert first.writes_allowed()
    await first.release()
    await asyncio.wait_for(waiting, 10)
    assert (first.writes_allowed(), second.writes_allowed()) == (False, True)
    assert holder(plane, namespace) == "second"


def holder(plane: ControlPlane, namespace: str) -> str:
    """Read who holds the lease, as people do."""
    lease = json.loads(plane.kubectl("get", "lease", "operator", f"--namespace={namespace}", "-o", "json"))
    return str(lease["spec"]["holderIdentity"])
