"""ModelDeployments to measure with, and a clock on their routes: when did the canary's weight become zero?"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serinus.adapters.clock import SystemClock
from serinus.core.model.kinds import ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.traffic.istio.routes import read_split
from tests.support.cluster_api import ClusterApi
from tests.support.mirror import Change, Mirror
from tests.support.world.given import fraud

NAMESPACE = "bench"
STEPS: list[Json] = [{"setWeight": 10}, {"pause": {}}]
METRIC = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}, "minSamples": 5}
AT_ONCE = 16
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class _Tried:
    """The newest Rollout of the wanted version."""

    rollout: str
    revision: str
    attempt: int

    @classmethod
    def of(cls, manifest: Json) -> _Tried:
        spec = manifest["spec"]
        return cls(manifest["metadata"]["name"], spec["to"]["revision"], spec["attempt"])


class Fleet:
    """So many ModelDeployments of one namespace; a version is committed to all of them."""

    def __init__(self, api: ClusterApi, mirror: Mirror, size: int) -> None:
        self.names = tuple(f"model-{number:03d}" for number in range(size))
        self.taken_at: dict[str, float] = {}
        self._api = api
        self._mirror = mirror
        self._clock = SystemClock()
        self._version = ""
        self._tried: dict[str, _Tried] = {}
        self._weights: dict[str, dict[str, int]] = {}
        mirror.on_change = self._see

    async def commit(self, version: str) -> None:
        """Ask for a version, everywhere."""
        self._version = version
        self._tried.clear()
        await self._everywhere(lambda name: self._api.apply(_manifest(name, version)))

    async def retry(self, word: str) -> None:
        """Ask for another attempt with what was reverted, everywhere; its pods are still there."""
        patch = {"spec": {"retry": word}}
        await self._everywhere(lambda name: self._api.patch(ROLLOUT, NAMESPACE, self._tried[name].rollout, patch))

    async def _everywhere(self, do: Callable[[str], Awaitable[Json]]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with free:
                await do(name)

        await asyncio.gather(*(one(name) for name in self.names))

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
        return self._tried[name].revision

    def _weight(self, name: str) -> int | None:
        tried = self._tried.get(name)
        return self._weights.get(name, {}).get(tried.revision) if tried else None

    def _see(self, change: Change) -> None:
        if change.kind == ROLLOUT and change.event != "DELETED":
            self._try(_Tried.of(change.manifest), change.manifest["spec"])
        if change.kind == VIRTUAL_SERVICE:
            self._route(change.name, change.manifest)

    def _try(self, tried: _Tried, spec: Json) -> None:
        known = self._tried.get(spec["modelDeployment"])
        if spec["to"]["version"] == self._version and (known is None or known.attempt <= tried.attempt):
            self._tried[spec["modelDeployment"]] = tried

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
