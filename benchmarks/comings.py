"""ModelDeployments whose rollouts come and go: new versions, bad canaries, deleted ones and new ones in their place."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

from benchmarks.ground import Ground, names
from benchmarks.manifests import LIVE_WEIGHT, NAMESPACE, Mode, Policy
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.traffic.istio.routes import read_split
from tests.support.mirror import Change, Mirror
from tests.support.pods import Kubelets

STEPS: tuple[Json, ...] = ({"setWeight": LIVE_WEIGHT}, {"pause": {"duration": "3s"}})
POLICY = Policy(Mode.DEFAULT, "1s", STEPS)
ONE_BAD_IN = 3
ONE_NEW_IN = 10
ENDED = frozenset({"Succeeded", "Reverted", "Superseded", "Aborted"})
BEGIN_SECONDS = 240.0


class Comings:
    """So many ModelDeployments at any time."""

    def __init__(self, here: Ground, mirror: Mirror, count: int) -> None:
        self._here = here
        self._mirror = mirror
        self._fresh = (f"soak-{number:05d}" for number in itertools.count(count))
        self._names = list(names("soak", count))
        self._phases: dict[str, str] = {}
        self._spoilt: set[str] = set()
        self._called: dict[str, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        mirror.on_change = self._see

    @classmethod
    @asynccontextmanager
    async def of(cls, here: Ground, count: int) -> AsyncIterator[Comings]:
        """Watch them for the time of the block; their pods become ready."""
        mirror = Mirror(here.api, NAMESPACE, [ROLLOUT, VIRTUAL_SERVICE])
        comings = cls(here, mirror, count)
        async with Kubelets(here.api), mirror:
            yield comings
            await asyncio.gather(*comings._tasks, return_exceptions=True)

    async def begin(self) -> None:
        """Have a first version of each serve."""
        for name in self._names:
            await self._here.api.apply(POLICY.manifest(name, "1"))
        everybody = len(self._names)
        await self._mirror.until(lambda: self.ended()["Succeeded"] >= everybody, "all serve", limit=BEGIN_SECONDS)

    async def round(self, number: int, seconds: float) -> None:
        """Commit a new version to each, spread over the first half of a round."""
        for place, name in enumerate(self._names):
            if place % ONE_NEW_IN == number % ONE_NEW_IN:
                await self._here.api.delete(MODEL_DEPLOYMENT, NAMESPACE, name)
                self._names[place] = next(self._fresh)
            await self._here.api.apply(POLICY.manifest(self._names[place], str(number + 2)))
            await asyncio.sleep(seconds / 2 / len(self._names))

    def ended(self) -> Counter[str]:
        """Count the Rollouts that have ended, by phase."""
        return Counter(phase for phase in self._phases.values() if phase in ENDED)

    def _see(self, change: Change) -> None:
        if change.kind == ROLLOUT and change.event != "DELETED":
            self._rollout(change.name, change.manifest)
        if change.kind == VIRTUAL_SERVICE:
            self._route(change.manifest, gone=change.event == "DELETED")
        self._mirror.history.clear()

    def _rollout(self, name: str, manifest: Json) -> None:
        status = manifest.get("status") or {}
        self._phases[name] = str(status.get("phase", ""))
        is_bad = bool(manifest["spec"].get("from")) and crc32(name.encode()) % ONE_BAD_IN == 0
        if is_bad and status.get("weight") and name not in self._spoilt:
            self._spoilt.add(name)
            self._beside(self._here.prometheus.spoil([manifest["spec"]["to"]["revision"]]))

    def _route(self, manifest: Json, *, gone: bool) -> None:
        """Send requests where a route leads, and none where it does not."""
        split = None if gone else read_split(manifest)
        for service, weight in (dict(split.weights) if split else {}).items():
            if self._called.get(service, True) != (weight > 0):
                self._called[service] = weight > 0
                self._beside(self._here.prometheus.send([service], there=weight > 0))

    def _beside(self, work: Coroutine[Any, Any, object]) -> None:
        async def done() -> None:
            await work

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
