"""Events, against a real API server."""

from __future__ import annotations

import asyncio
import json

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.recorder import EventRecorder
from serinus_local.control_plane import ControlPlane

pytestmark = pytest.mark.apiserver


async def test_kubectl_shows_one_event_with_its_count(
    cluster: KubernetesCluster, plane: ControlPlane, namespace: str
) -> None:
    """What was said twice is there once, on the object it is about."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud", "namespace": namespace}}
    service["spec"] = {"ports": [{"port": 1}]}  # type: ignore[assignment]
    made = await cluster.create(service)
    about = {"apiVersion": "v1", "kind": "Service", "namespace": namespace, "name": "fraud"}
    about["uid"] = made["metadata"]["uid"]
    recorder = EventRecorder(cluster, SystemClock(), instance="test")
    running = asyncio.create_task(recorder.run())
    for _ in range(2):
        await recorder.record(about, reason="Reverted", message="error rate 20 % is above 5 %", warning=True)
    await asyncio.wait_for(recorder.flush(), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    # The API server tells of the Service's address too, now and then.
    ours = (f"--namespace={namespace}", "--field-selector=reason=Reverted")
    events = json.loads(plane.kubectl("get", "events", *ours, "-o", "json"))["items"]
    assert [(each["reason"], each["type"], each["count"]) for each in events] == [("Reverted", "Warning", 2)]
    assert "error rate 20 %" in plane.kubectl("describe", "service", "fraud", f"--namespace={namespace}")
