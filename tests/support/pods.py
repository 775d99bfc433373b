"""Makes pods what a kubelet would make of them, where there is no node: as users of envtest do.

kube-controller-manager makes the pods of a Deployment; nobody schedules them, and their status may be written all the
same.
"""

from __future__ import annotations

import asyncio
import itertools

from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import POD, Json
from serinus.core.plan.pods import VERSION_ANNOTATION
from tests.support.cluster_api import ClusterApi, RefusedWrite
from tests.support.mirror import Change, Mirror

GONE = (404, 409)


class Kubelets:
    """Every pod of ours becomes ready, `after` so many seconds, unless its version is in `failing`."""

    def __init__(self, api: ClusterApi, *, after: float = 0.0) -> None:
        self.failing: set[str] = set()
        self._api = api
        self._after = after
        self._numbers = itertools.count()
        self._mirror = Mirror(api, "", [POD], selector=MODEL_DEPLOYMENT_LABEL)
        self._mirror.on_change = self._see
        self._writes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Kubelets:
        await self._mirror.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._mirror.__aexit__()
        await asyncio.gather(*self._writes, return_exceptions=True)

    def _see(self, change: Change) -> None:
        pod = change.manifest
        if change.event == "DELETED" or pod["metadata"].get("deletionTimestamp") or has_status(pod):
            return
        if version_of(pod) in self.failing:
            return
        task = asyncio.create_task(self._write(pod))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write(self, pod: Json) -> None:
        await asyncio.sleep(self._after)
        metadata = pod["metadata"]
        number = next(self._numbers)
        address = (
            pod.get("status", {}).get("podIP") or f"10.{64 + number // 65025}.{number // 255 % 255}.{number % 255}"
        )
        status = _status(address)
        try:
            await self._api.patch(POD, metadata["namespace"], metadata["name"], {"status": status}, "status")
        except RefusedWrite as refused:
            if refused.status not in GONE:
                raise


def _status(address: str) -> Json:
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")],
    }


def has_status(pod: Json) -> bool:
    """Whether somebody has said of a pod how it is."""
    return any(one["type"] == "Ready" for one in pod.get("status", {}).get("conditions") or ())


def version_of(pod: Json) -> str:
    """Give the model's version that a pod serves."""
    return str((pod["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, ""))
