"""Passes before the rest of the cluster is known: they look and judge as always, and carry out nothing but a way back.

Who may write is decided by what is handed over: what looks has a cluster that takes no write, and what is written is
the Rollout's status, and its live routes with other weights.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.errors import ClusterError, Unavailable
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import Json, Kind
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.decide import decide
from serinus.core.rollout.decision import Decision, Note
from serinus.core.rollout.way_back import learnt, of_its_own, only_takes, way_back
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.children import Children, first_error
from serinus.runtime.memory import Memory, Wish
from serinus.runtime.observe import Observer
from serinus.runtime.ours import our_routes
from serinus.runtime.ports import Cache, Clock, Cluster
from serinus.runtime.recording import (
    PATIENCE_SECONDS,
    recording,
    refusals_to_tell,
    states_to_store,
    unanswered,
)
from serinus.runtime.sampling import watch_of
from serinus.runtime.storing import Stale, Statuses
from serinus.runtime.wish import Wishes

TRUSTED_SECONDS: Final = 2.0
"""What was read so long ago is read again before anything is taken: stable's pods may have gone meanwhile."""
UNKNOWN_YET: Final = "the cluster is not known yet"


@dataclass(frozen=True)
class Early:
    """How to read all of one ModelDeployment until the whole cluster is `known`, and whose metrics were judged."""

    read: Callable[[Key], Awaitable[None]]
    known: asyncio.Event = field(default_factory=asyncio.Event)
    judged: set[Key] = field(default_factory=set)


class ReadsAlone:
    """The port `Cluster`, which takes no write: each raises Unavailable."""

    def __init__(self, cluster: Cluster) -> None:
        self.get = cluster.get
        self.list = cluster.list
        self.pages = cluster.pages

    async def apply(self, manifest: Json, *, force: bool) -> Json:
        self._refuse()

    async def apply_new(self, manifest: Json) -> Json:
        self._refuse()

    async def apply_status(self, manifest: Json) -> Json:
        self._refuse()

    async def create(self, manifest: Json) -> Json:
        self._refuse()

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._refuse()

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise Unavailable(UNKNOWN_YET)


class _NoWishes(Wishes):
    """What a spec asks for is not asked: who finds out may have to write a ControllerRevision."""

    async def look(self, view: ModelDeploymentView, memory: Memory, kept: Sequence[Revision], now: float) -> Wish:
        return Wish()


@dataclass(frozen=True)
class WayBack:
    """What takes weight from a canary before all is known."""

    observer: Observer
    cache: Cache
    clock: Clock
    providers: TrafficProviders
    children: Children
    statuses: Statuses
    early: Early
    tell: Callable[[ModelDeploymentView, Note], Awaitable[None]]
    done: Callable[[ModelDeploymentView, Decision], None]
    _read_at: dict[Key, float] = field(default_factory=dict)

    @classmethod
    def beside(
        cls,
        observer: Observer,
        early: Early,
        *,
        children: Children,
        statuses: Statuses,
        tell: Callable[[ModelDeploymentView, Note], Awaitable[None]],
        done: Callable[[ModelDeploymentView, Decision], None],
    ) -> WayBack:
        """Look as an observer does, and write nothing by it."""
        reads = ReadsAlone(observer.cluster)
        careful = replace(observer, cluster=reads, wishes=_NoWishes(reads, observer.cache))
        return cls(careful, observer.cache, observer.clock, observer.providers, children, statuses, early, tell, done)

    async def prepare(self, key: Key) -> None:
        """Read all of a ModelDeployment, unless that was done once; raises ClusterError."""
        if key not in self._read_at:
            await self._read(key)

    async def round(self, view: ModelDeploymentView, memory: Memory) -> Decision:
        """Look, judge, and go back if that is due. Raises ClusterError, and Stale where all was read anew."""
        key = Key(view.namespace, view.name)
        seen = of_its_own(await self.observer.observe(view, memory))
        decision = decide(seen, self.clock.now()) if seen.freeze is None else Decision(view.status)
        back, said = way_back(seen, decision), learnt(seen, decision)
        if back is not None:
            await self._read_again(key)
            await self._go_back(view, seen, back, memory)
        elif said is not None:
            self.statuses.keep_in_memory(Owner(view.namespace, view.name, view.uid), said, memory)
        kept = Decision(view.status, states=(said,)) if said is not None else Decision(view.status)
        watched = self._watch(view, seen, back or kept)
        if back is not None or seen.look is not None or seen.freeze is not None or not watched:
            self.early.judged.add(key)
        return back or Decision(view.status, live=True)

    def forget(self, key: Key) -> None:
        """Drop what is known of a ModelDeployment, at which nobody will look."""
        self._read_at.pop(key, None)
        if not self.early.known.is_set():
            self.early.judged.add(key)

    def _watch(self, view: ModelDeploymentView, seen: Snapshot, decision: Decision) -> bool:
        """Tell whether there is anything to look at."""
        watch = watch_of(view, seen, decision)
        if watch is not None:
            self.observer.sampler.watch(watch)
        else:
            self.observer.sampler.forget(Key(view.namespace, view.name))
        return watch is not None

    async def _read_again(self, key: Key) -> None:
        """Read all of it once more, unless that was done a moment ago; raises Stale, as it may decide otherwise."""
        # It may have been forgotten since: its shard is another's by now, or it was made again.
        if self.clock.now() - self._read_at.get(key, -math.inf) >= TRUSTED_SECONDS:
            await self._read(key)
            raise Stale("it was read anew")

    async def _read(self, key: Key) -> None:
        await self.early.read(key)
        self._read_at[key] = self.clock.now()

    async def _go_back(self, view: ModelDeploymentView, seen: Snapshot, back: Decision, memory: Memory) -> None:
        """Record it, and take the weight out of the live routes."""
        owner, refused = Owner(view.namespace, view.name, view.uid), dict(memory.refusals)
        async with recording(self.statuses, owner, states_to_store(seen, back, memory), memory) as records:
            await records.wait(PATIENCE_SECONDS)
            errors = [error async for error in self._take(owner, back, memory)]
            await records.wait()
        for note in (*back.notes, *refusals_to_tell(seen, refused, memory)):
            await self.tell(view, note)
        self.done(view, back)
        error = first_error((*errors, *unanswered(memory)))
        if error is not None:
            raise error

    async def _take(self, owner: Owner, back: Decision, memory: Memory) -> AsyncIterator[ClusterError]:
        """Write other weights into the routes that are there, each whatever becomes of the others."""
        for provider in self.providers.each:
            for route in our_routes(self.cache, provider, owner).values():
                if back.split is None or not only_takes(back, provider.read(route)):
                    continue
                try:
                    wanted = provider.resplit(owner, route, back.split)
                    await self.children.ensure(owner, wanted, memory, insist=False)
                except ClusterError as error:
                    yield error
