"""Replicas of one install over one store of Leases, each with a clock of its own, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from serinus.adapters.kubernetes.installs import end_tasks
from serinus.adapters.kubernetes.lease import LEASE_SECONDS
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.shards import ShardLeases, ShardTenure
from serinus.core.model.errors import Unavailable
from serinus.core.model.kinds import Json, Kind
from tests.support.lease_store import LeaseStore
from tests.support.world.clock import VirtualClock


@dataclass
class Way:
    """One replica's way to the API server; `cut` while there is none."""

    store: LeaseStore
    cut: bool = False

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._pass()
        return await self.store.get(kind, namespace, name)

    async def create(self, manifest: Json) -> Json:
        self._pass()
        return await self.store.create(manifest)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._pass()
        return await self.store.merge(kind, namespace, name, patch)

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        self._pass()
        return await self.store.list(kind, namespace, label_selector=label_selector)

    def _pass(self) -> None:
        if self.cut:
            raise Unavailable("the API server is away")


@dataclass
class Decided:
    """What a replica was told: the tenures that it was given, and what it has under way."""

    tenures: dict[int, ShardTenure] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    unheld: frozenset[str] = frozenset()
    """The namespaces that it was told to keep out of."""
    live: dict[int, int] = field(default_factory=dict)
    """Canaries that are shown, by shard."""
    at_rest: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.at_rest.set()

    def begin(self, shard: int, tenure: ShardTenure) -> None:
        self.begun.append(shard)
        self.tenures[shard] = tenure

    def keep_out_of(self, namespaces: frozenset[str]) -> None:
        self.unheld = namespaces

    async def finish(self, shard: int) -> None:
        await self.at_rest.wait()

    def end(self, shard: int) -> None:
        self.ended.append(shard)

    def shown(self, shard: int) -> int:
        return self.live.get(shard, 0)


class OwnClock(VirtualClock):
    """The clock of one process."""

    def skip(self, seconds: float) -> None:
        """Go on without waking anybody yet."""
        self.seconds += seconds
        self._passed += seconds


class Replica:
    """One process: it may be frozen, killed, or cut off."""

    def __init__(self, store: LeaseStore, name: LeaseName, *, ahead: float = 0.0) -> None:
        self.name = name
        self.clock = OwnClock()
        self.clock.skip(ahead)
        self.way = Way(store)
        self.decided = Decided()
        self.frozen = False
        self.ready = True
        self.leases = ShardLeases.of_install(
            self.way,
            self.clock,
            name,
            seconds=LEASE_SECONDS,
            deciders=self.decided,
            ready=lambda: self.ready,
        )

    def age(self, seconds: float) -> None:
        """Let its clock run; in a frozen process nobody is woken by that."""
        if self.frozen:
            self.clock.skip(seconds)
        else:
            self.clock.move(seconds)

    @property
    def may_write(self) -> set[int]:
        """The shards in which a write of any tenure that it was ever given would be sent now."""
        return {shard for shard, tenure in self.decided.tenures.items() if tenure.seconds_left() > 0}


class Replicas:
    """All of them; after each second none may be able to write where another can."""

    def __init__(self) -> None:
        self.store = LeaseStore()
        self.there: dict[str, Replica] = {}
        self.gone: list[Replica] = []

    def start(
        self, identity: str, *, shards: int = 4, install: str = "serinus", watched: tuple[str, ...] = ()
    ) -> Replica:
        """Start a replica; its clock has nothing to do with those of the others."""
        name = LeaseName("ops", install, identity, watched, shards)
        ahead = 1000.0 * (len(self.there) + len(self.gone))
        self.there[identity] = Replica(self.store, name, ahead=ahead)
        return self.there[identity]

    def kill(self, identity: str) -> Replica:
        """End a process; nothing is released."""
        replica = self.there.pop(identity)
        replica.frozen = replica.way.cut = True
        self.gone.append(replica)
        return replica

    async def stop(self, identity: str) -> None:
        """End a process in good order."""
        await self.there[identity].leases.leave()
        self.kill(identity)

    async def seconds(self, number: int = 1) -> None:
        """Let time pass: a frozen process does nothing in it."""
        for _ in range(number):
            for replica in (*self.there.values(), *self.gone):
                replica.age(1)
            awake = [replica for replica in self.there.values() if not replica.frozen]
            for replica in awake:
                await replica.leases.look()
                self.check()
            for _ in range(20):
                await asyncio.sleep(0)
            self.check()

    def check(self) -> None:
        """Raise AssertionError where two could write in one shard, of whatever install and division."""
        able = [(one.name.shards, shard) for one in (*self.there.values(), *self.gone) for shard in one.may_write]
        assert len(able) == len(set(able)), able
        assert len({shards for shards, _ in able}) <= 1, able

    @property
    def shares(self) -> dict[str, int]:
        """How many shards each leads."""
        return {identity: len(replica.leases.led()) for identity, replica in self.there.items()}

    async def close(self) -> None:
        """End what the processes were doing."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await end_tasks(*others)
