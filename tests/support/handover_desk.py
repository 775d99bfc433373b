"""A process that is given shards, whose passes and reads a test lets go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api import API_VERSION
from serinus.core.model.errors import ClusterError, Forbidden, Unavailable
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json, Kind
from serinus.core.model.shards import shard_of
from serinus.runtime.engine import Engine
from serinus.runtime.handover import Handover
from serinus.runtime.leading import Leading
from serinus.runtime.reconcile import PassResult
from serinus.runtime.way_back import Early
from tests.support.world.clock import VirtualClock

SHARDS = 2
NAMES = [f"model-{number}" for number in range(12)]
OURS = [name for name in NAMES if shard_of(Key("ml", name), SHARDS) == 1]
THEIRS = [name for name in NAMES if name not in OURS]


def stored(kind: Kind, version: int, name: str, **status: Any) -> Json:
    labels = {MODEL_DEPLOYMENT_LABEL: name}
    metadata = {"namespace": "ml", "name": name, "labels": labels, "resourceVersion": str(version)}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "status": status}


@dataclass
class Desk:
    """A process that is given shard 1 of two; what is stored is read when the test lets it."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    cache: ObjectCache = field(default_factory=ObjectCache)
    passes: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0
    unreadable: int = 0
    refused: frozenset[str] = frozenset()
    forbidden: set[str] = field(default_factory=set)
    may_read_one: asyncio.Event = field(default_factory=asyncio.Event)
    found: list[Json] = field(default_factory=list)
    """The Rollouts that are found before all is listed."""
    unfound: list[ClusterError] = field(default_factory=list)
    """What the API server says instead, one after the other."""

    def __post_init__(self) -> None:
        self.may_read.set()
        self.may_read_one.set()
        self.under_way.set()
        self.early = Early(self)
        self.early.known.set()
        self.leading = Leading(SHARDS)
        self.engine = Engine(
            self, self.cache, self.clock, reread=self, monotonic=self.clock.monotonic, leading=self.leading
        )
        self.cache._on_change = self.engine.changed
        self.handover = Handover(
            self.leading,
            self.engine,
            self.cache,
            reread=self,
            settled=self.settled,
            sleep=self.clock.sleep,
            opened=self.open_one,
            early=self.early,
        )
        for version, name in enumerate(NAMES, start=1):
            self.cache.store(stored(MODEL_DEPLOYMENT, version, name))

    async def reconcile(self, key: Key) -> PassResult | None:
        self.passes.append(key.name)
        await self.under_way.wait()
        return PassResult(None, live=False)

    def forget(self, key: Key) -> None:
        self.forgotten.append(key.name)

    async def __call__(self, key: Key) -> None:
        if key.name in self.forbidden:
            raise Forbidden(f"{key.name} is forbidden")
        await self.may_read_one.wait()
        self.read.append(key.name)

    async def live(self) -> frozenset[str]:
        if self.unfound:
            raise self.unfound.pop(0)
        for manifest in self.found:
            self.cache.put(manifest)
        return self.refused

    async def everything(self, kind: Kind) -> frozenset[str]:
        await self.may_read.wait()
        if self.unreadable:
            self.unreadable -= 1
            raise Unavailable("down")
        self.read.append(kind.plural)
        return self.refused

    async def settled(self) -> None:
        self.read.append("settled")

    def open_one(self) -> None:
        self.opened += 1

    async def rest(self) -> None:
        """Let everything be done that can be."""
        for _ in range(50):
            await asyncio.sleep(0)


@asynccontextmanager
async def at_work(made: Desk) -> AsyncIterator[Desk]:
    running = [asyncio.create_task(work) for work in (made.engine.run(), made.handover.run())]
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
