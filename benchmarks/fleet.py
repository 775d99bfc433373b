"""ModelDeployments to measure with, and a clock on their routes: when did the canary's weight become zero?"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from benchmarks.manifests import NAMESPACE, Policy
from benchmarks.waits import within
from serinus.adapters.clock import SystemClock
from serinus.api.status import Verdict
from serinus.core.analysis.comparison import calibrated
from serinus.core.model.assessment import StoredEvidence
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.traffic.istio.routes import read_split
from tests.support.cluster_api import ClusterApi
from tests.support.mirror import Change, Mirror

AT_ONCE = 16
LOOK_SECONDS = 0.05
CHECKPOINT_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
PATIENCE_EACH_SECONDS = 0.3
"""Longer for more of them: an operator that does not keep up is to be measured, too."""


@dataclass(frozen=True)
class _Tried:
    """The newest Rollout of the wanted version."""

    rollout: str
    revision: str
    attempt: int
    phase: str
    weight: int
    stage_started: str
    verdict: str
    evidence: str

    @property
    def is_calibrated(self) -> bool:
        """Tell whether the stored evidence knows stable's past: what is shown may not be stored yet."""
        return bool(self.evidence) and calibrated(StoredEvidence(self.evidence))

    @classmethod
    def of(cls, manifest: Json) -> Self:
        spec, status = manifest["spec"], manifest.get("status") or {}
        return cls(
            manifest["metadata"]["name"],
            spec["to"]["revision"],
            spec["attempt"],
            status.get("phase", ""),
            status.get("weight", 0),
            status.get("stageStartedAt", ""),
            status.get("verdict", ""),
            (status.get("analysis") or {}).get("evidence", ""),
        )


class Fleet:
    """So many ModelDeployments of one namespace; a version is committed to all of them."""

    def __init__(
        self, api: ClusterApi, mirror: Mirror, policy: Policy, names: Sequence[str], *, version: str = ""
    ) -> None:
        self.names = tuple(names)
        self.taken_at: dict[str, float] = {}
        self._api = api
        self._mirror = mirror
        self._policy = policy
        self._clock = SystemClock()
        self._version = version
        self._tried: dict[str, _Tried] = {}
        self._weights: dict[str, dict[str, int]] = {}
        mirror.on_change = self._see

    async def commit(self, version: str) -> None:
        """Ask for a version, everywhere."""
        self._version = version
        self._tried.clear()
        await self._everywhere(self.names, lambda name: self._api.apply(self._policy.manifest(name, version)))

    async def retry(self, word: str, names: Sequence[str] = ()) -> None:
        """Ask for another attempt with what was reverted; its pods are still there."""
        await self._patch(names or self.names, {"retry": word})

    async def abort(self, name: str) -> None:
        """Take a canary's weight away, as a person would, and wait until it is gone."""
        self.taken_at.pop(name, None)
        await self._patch([name], {"abort": True})
        await self.until_taken([name])

    async def _patch(self, names: Sequence[str], spec: Json) -> None:
        patch = {"spec": spec}
        await self._everywhere(names, lambda name: self._api.patch(ROLLOUT, NAMESPACE, self.rollout(name), patch))

    async def _everywhere(self, names: Sequence[str], do: Callable[[str], Awaitable[Json]]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with free:
                await do(name)

        await asyncio.gather(*(one(name) for name in names))

    async def until_routed(self, weight: int, names: Sequence[str] = ()) -> None:
        """Wait until every route gives the version this weight, and its Rollout was seen to say so."""
        wanted = names or self.names

        def routed() -> bool:
            return all(self._is_routed(name, weight) for name in wanted)

        await self._mirror.until(routed, f"{weight}% to version {self._version} everywhere", limit=self._patience)

    async def each_routed(self, weight: int, names: Sequence[str]) -> AsyncIterator[set[str]]:
        """Give those whose routes give the version this weight, soon after they do, until all have been given."""
        left = set(names)
        async with within(self._patience, f"{weight}% to version {self._version} at each of {len(left)}"):
            while left:
                there = {name for name in left if self._is_routed(name, weight)}
                if there:
                    yield there
                left -= there
                await asyncio.sleep(LOOK_SECONDS)

    def _is_routed(self, name: str, weight: int) -> bool:
        return self._weight(name) == weight == self._tried[name].weight

    async def until_phase(self, phase: str) -> None:
        """Wait until the newest Rollout of the version is in a phase, everywhere."""

        def there() -> bool:
            return all(name in self._tried and self._tried[name].phase == phase for name in self.names)

        await self._mirror.until(there, f"{phase} everywhere", limit=self._patience)

    async def until_safe(self) -> None:
        """Wait until the version was found to be well, everywhere."""

        def is_safe() -> bool:
            return all(name in self._tried and self._tried[name].verdict == Verdict.SAFE for name in self.names)

        await self._mirror.until(is_safe, "Safe everywhere", limit=self._patience)

    async def until_calibrated(self) -> None:
        """Wait until what is stored has learnt from stable's past, everywhere: it would be learnt anew from there.

        Evidence is written once a minute, or at once when a spec is another: `paused: false` says what nothing says.
        """
        turns = itertools.cycle((False, None))
        async with within(self._patience, "the test knows the history of stable"):
            while not all(self._tried[name].is_calibrated for name in self.names):
                await self._patch(self.names, {"paused": next(turns)})
                await asyncio.sleep(CHECKPOINT_SECONDS)

    async def until_taken(self, names: Sequence[str]) -> dict[str, float]:
        """Wait until the version has weight 0 at all of these; give when each was seen, on the monotonic clock."""
        await self._mirror.until(lambda: self.taken_at.keys() >= set(names), "weight 0", limit=self._patience)
        return {name: self.taken_at[name] for name in names}

    def canary(self, name: str) -> str:
        """Give the revision, and so the Service, that is tried."""
        return self._tried[name].revision

    def rollout(self, name: str) -> str:
        """Give the newest Rollout of the version."""
        return self._tried[name].rollout

    def stage_started(self, name: str) -> float:
        """Tell when the canary got its weight (Unix time, s)."""
        return datetime.fromisoformat(self._tried[name].stage_started).timestamp()

    async def until_live(self) -> None:
        """Wait until the version has weight everywhere, and is nowhere all that serves."""

        def is_live() -> bool:
            return all(0 < (self._weight(name) or 0) < 100 for name in self.names)

        await self._mirror.until(is_live, "live everywhere", limit=self._patience)

    @property
    def _patience(self) -> float:
        return PATIENCE_SECONDS + PATIENCE_EACH_SECONDS * len(self.names)

    def _weight(self, name: str) -> int | None:
        tried = self._tried.get(name)
        return self._weights.get(name, {}).get(tried.revision) if tried else None

    def _see(self, change: Change) -> None:
        if change.kind == ROLLOUT and change.event != "DELETED":
            self._try(_Tried.of(change.manifest), change.manifest["spec"])
        if change.kind == VIRTUAL_SERVICE:
            self._route(change.name, change.manifest)
        self._mirror.history.clear()

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


@asynccontextmanager
async def fleet_of(
    api: ClusterApi, policy: Policy, names: Sequence[str], *, version: str = "", alone: bool = False
) -> AsyncIterator[Fleet]:
    """Watch a fleet for the time of the block, `alone` of all that is there; `version` is what was committed before."""
    selector = f"{MODEL_DEPLOYMENT_LABEL} in ({','.join(names)})" if alone else ""
    mirror = Mirror(api, NAMESPACE, [ROLLOUT, VIRTUAL_SERVICE], selector=selector)
    fleet = Fleet(api, mirror, policy, names, version=version)
    async with mirror:
        yield fleet
