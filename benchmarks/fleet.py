"""ModelDeployments to measure with, and a clock on their routes: when did the canary's weight become zero?"""

from __future__ import annotations

import asyncio
import copy

from tests.support.cluster_api import ClusterApi
from tests.support.mirror import Change, Mirror
from tests.support.world.given import fraud

from serinus.adapters.clock import SystemClock
from serinus.core.model.kinds import ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.traffic.istio import read_split

NAMESPACE = "bench"
STEPS = [{"setWeight": 10}, {"pause": {}}]
METRIC = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}, "minSamples": 5}
AT_ONCE = 16
PATIENCE_SECONDS = 120.0


class Fleet:
    """So many ModelDeployments of one namespace; a version is committed to all of them."""

    def __init__(self, api: ClusterApi, mirror: Mirror, size: int) -> None:
        self.names = tuple(f"model-{number:03d}" for number in range(size))
        self.taken_at: dict[str, float] = {}
        self._api = api
        self._mirror = mirror
        self._clock = SystemClock()
        self._version = ""
        self._tried: dict[str, str] = {}
        self._weights: dict[str, dict[str, int]] = {}
        mirror.on_change = self._see

    async def commit(self, version: str) -> None:
        """Ask for a version, everywhere."""
        self._version = version
        self._tried.clear()
        free = asyncio.Semaphore(AT_ONCE)

        async def apply(name: str) -> None:
            async with free:
                await self._api.apply(_manifest(name, version))

        await asyncio.gather(*(apply(name) for name in self.names))

    async def until_routed(self, weight: int) -> None:
        """Wait until every route gives the version this weight."""

        def routed() -> bool:
            return all(self._weight(name) == weight for name in self.names)

        what = f"{weight}% to version {self._version} everywhere"
        await self._mirror.until(routed, what, limit=PATIENCE_SECONDS)

    async def until_taken(self) -> dict[str, float]:
        """Wait until the version has weight 0 everywhere; give when each was seen, on the monotonic clock."""
        everywhere = len(self.names)
        await self._mirror.until(lambda: len(self.taken_at) == everywhere, "weight 0", limit=PATIENCE_SECONDS)
        return self.taken_at

    def canary(self, name: str) -> str:
        """Give the revision, and so the Service, that is tried."""
        return self._tried[name]

    def _weight(self, name: str) -> int | None:
        return self._weights.get(name, {}).get(self._tried.get(name, ""))

    def _see(self, change: Change) -> None:
        if change.kind == ROLLOUT and change.event != "DELETED":
            spec = change.manifest["spec"]
            if spec["to"]["version"] == self._version:
                self._tried[spec["modelDeployment"]] = spec["to"]["revision"]
        if change.kind == VIRTUAL_SERVICE:
            self._route(change.name, change.manifest)

    def _route(self, name: str, manifest: Json) -> None:
        split = read_split(manifest)
        before = self._weight(name)
        self._weights[name] = dict(split.weights) if split else {}
        if before and not self._weight(name):
            self.taken_at.setdefault(name, self._clock.monotonic())


def _manifest(name: str, version: str) -> Json:
    manifest = copy.deepcopy(fraud(version, steps=STEPS, analysis={"metrics": [METRIC]}))
    manifest["metadata"] = {"name": name, "namespace": NAMESPACE}
    manifest["spec"] |= {"scaling": {"minReplicas": 1}, "guard": {"duration": "0s"}, "revisionHistoryLimit": 2}
    manifest["spec"]["traffic"]["hosts"] = [f"{name}.example.com"]
    return manifest
