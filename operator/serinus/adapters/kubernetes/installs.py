"""Other installs of the operator whose namespaces overlap with ours: two would fight over every object, for ever.

Each install holds a Lease of its own, found by its label in all namespaces, that says which namespaces it watches. Who
has taken its Lease looks at all others before it leads, and leads only if there is no other: of two, whoever looks
second sees the first. Of several that have only just begun the first by name waits for the rest to give way.

One that watches some namespaces only may not list the Leases of all: it holds one more in each namespace that it
watches, under one name for all installs. So two of these exclude each other, and one that lists sees them. One that
watches all and leads takes each of these Leases that it finds, but from one that led before it: who comes later finds
it taken. Where the Lease was not there before, who makes it gives such a leader the time to find it.

Pods of one install that divide its work by another number of shards are kept apart in the same way: an upgrade that
changes the number waits until the last of the older pods has gone.
"""

from __future__ import annotations

import asyncio
import logging
import math
from enum import StrEnum
from typing import Final, Protocol

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.adapters.kubernetes.lease import (
    ALL_NAMESPACES,
    LEASE_LABEL,
    LEASE_SECONDS,
    NAMESPACES_ANNOTATION,
    LeaderLease,
    LeaseName,
    holder_of,
    install_of,
    says_it_leads,
    shards_of,
)
from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone
from serinus.core.model.kinds import LEASE, Json, Kind

LOOK_SECONDS: Final = 1.0
GUARD_SECONDS: Final = 2.0
"""Between two looks of one that leads in all namespaces."""
OBJECTION_SECONDS: Final = 3 * GUARD_SECONDS
"""For which a new Lease of a namespace is held before its holder leads."""
NAMESPACE_LEASE: Final = "serinus-install"

log = logging.getLogger(__name__)


class Neighbours(Protocol):
    """What keeps two installs apart; `said` names the one that is in the way."""

    said: str

    async def may_lead(self) -> bool:
        """Whether nobody else leads in our namespaces; asked after our own Lease was taken.

        Raises ClusterError and TimeoutError.
        """

    async def hold(self) -> None:
        """Keep others away; returns when that does not hold any more."""

    async def release(self) -> None:
        """Let others lead."""

    def abandon(self) -> None:
        """Hold nothing more, and let it run out: others of our install may still hold it."""

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended."""


class Lister(Writer, Protocol):
    """Lists objects of all namespaces, too."""

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]: ...


class Turn(StrEnum):
    """What an install does that has claimed its namespaces."""

    LEAD = "Lead"
    WAIT = "Wait"
    GIVE_WAY = "GiveWay"


class OtherInstalls:
    """Looks at the others' Leases, and takes those of single namespaces; `said` names the one that is in the way."""

    def __init__(
        self, cluster: Lister, clock: MonotonicClock, name: LeaseName, *, seconds: int = LEASE_SECONDS
    ) -> None:
        self.said = ""
        self._cluster = cluster
        self._clock = clock
        self._name = name
        self._seconds = seconds
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}
        self._taken: dict[str, LeaderLease] = {}
        self._warned: set[str] = set()

    async def may_lead(self) -> bool:
        """Look until it is clear who leads, after our own Lease was taken; raises ClusterError."""
        while (turn := await self.turn()) is Turn.WAIT:
            await self._clock.sleep(LOOK_SECONDS)
        return turn is Turn.LEAD and await self.keep_away()

    async def hold(self) -> None:
        """Keep away who comes later; returns when somebody leads all the same."""
        while True:
            await self._clock.sleep(GUARD_SECONDS)
            try:
                if not await self.keep_away():
                    return
            except ClusterError as error:
                self._warn(f"whether another install has come cannot be told: {error}")

    async def keep_away(self) -> bool:
        """Take, or renew, the Lease of each namespace that has one; False if its holder leads. Raises ClusterError."""
        for lease in await self._leases():
            if _place(lease)[1] != NAMESPACE_LEASE:
                continue
            if says_it_leads(lease) and self._is_in_the_way(lease):
                self._say(lease)
                return False
            await self._take(lease)
        return True

    async def _take(self, lease: Json) -> None:
        namespace = _place(lease)[0]
        name = _of_namespace(self._name, namespace)
        taken = self._taken.setdefault(namespace, LeaderLease(self._cluster, self._clock, name, seconds=self._seconds))
        try:
            await taken.seize(lease)
        except (Conflict, Gone):
            # Its holder was faster: the next look tells.
            return
        except Forbidden as error:
            self._warn(f"an install that watches namespace {namespace} alone cannot be kept away: {error}")

    async def release(self) -> None:
        """Give up what was taken beside our own Lease."""
        if self._name.shards == 1:
            for lease in self._taken.values():
                await lease.release()
        self.abandon()

    def abandon(self) -> None:
        """Take no more of them."""
        self._taken.clear()

    def seconds_left(self) -> float:
        """Give no end: what fences our writes is our own Lease."""
        return math.inf

    async def turn(self) -> Turn:
        """Look once; raises ClusterError."""
        others = [one for one in await self._leases() if self._is_in_the_way(one)]
        if not others:
            self.said = ""
            return Turn.LEAD
        first = min(others, key=lambda one: (not says_it_leads(one), _place(one)))
        self._say(first)
        return Turn.GIVE_WAY if says_it_leads(first) or self._goes_before(first) else Turn.WAIT

    def _goes_before(self, lease: Json) -> bool:
        """Whether the other goes first of two that have only just begun: by name, and of one install the less divided.

        That is what an older version does of itself, which is not divided at all.
        """
        if _install_holding(lease) == self._name.of_install:
            return shards_of(lease) < self._name.shards
        return _place(lease) < (self._name.namespace, self._name.name)

    async def _leases(self) -> list[Json]:
        try:
            return await self._cluster.list(LEASE, "", label_selector=LEASE_LABEL)
        except Forbidden as error:
            self._warn(f"whether another install watches the same namespaces cannot be told: {error}")
            return []

    def _warn(self, text: str) -> None:
        """Log once what is found anew at each look."""
        if text not in self._warned:
            log.warning("%s", text)
        self._warned.add(text)

    def _is_in_the_way(self, lease: Json) -> bool:
        ours = _partition_of(lease) == self._name.of_partition
        return not ours and bool(holder_of(lease)) and self._overlaps(lease) and self._is_alive(lease)

    def _overlaps(self, lease: Json) -> bool:
        theirs = _watched(lease)
        return not self._name.watched or ALL_NAMESPACES in theirs or not theirs.isdisjoint(self._name.watched)

    def _is_alive(self, lease: Json) -> bool:
        """Whether a record has moved within its duration, by our own clock; one that we see first is alive."""
        place, version, now = _place(lease), str(lease["metadata"]["resourceVersion"]), self._clock.monotonic()
        if self._seen.get(place, ("", 0.0))[0] != version:
            self._seen[place] = (version, now)
        return now - self._seen[place][1] < float(lease["spec"].get("leaseDurationSeconds") or LEASE_SECONDS)

    def _say(self, lease: Json) -> None:
        if _install_holding(lease) == self._name.of_install:
            _log_own(holder_of(lease), self._name)
            return
        text = _in_the_way(_place(lease), holder_of(lease), _watched(lease))
        if text != self.said:
            log.error("%s", text)
        self.said = text


class NamespaceLeases:
    """A Lease in each namespace that this install watches; all its pods hold them under one identity."""

    def __init__(self, cluster: Writer, clock: MonotonicClock, name: LeaseName, *, seconds: int) -> None:
        self.said = ""
        self._clock = clock
        self._name = name
        self._leases = tuple(
            LeaderLease(cluster, clock, _of_namespace(name, each), seconds=seconds) for each in name.watched
        )

    async def may_lead(self) -> bool:
        """Take all of them, or none; new ones are held for a while before, for one that leads in all namespaces."""
        if not await self._have_all():
            return False
        if any(lease.was_created for lease in self._leases):
            end = self._clock.monotonic() + OBJECTION_SECONDS
            while self._clock.monotonic() < end:
                await self._clock.sleep(LOOK_SECONDS)
                if not await self._have_all():
                    return False
        for lease in self._leases:
            await lease.claim()
            lease.was_created = False
        self.said = ""
        return True

    async def _have_all(self) -> bool:
        for lease in self._leases:
            if not await lease.try_once():
                await self.release()
                self._say(lease)
                return False
        return True

    async def hold(self) -> None:
        """Renew all of them; returns when one is lost."""
        tasks = [asyncio.create_task(lease.hold()) for lease in self._leases]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(*tasks)

    async def release(self) -> None:
        """Give up those that are held; where several pods lead, another one may count on them, and they run out."""
        if self._name.shards == 1:
            for lease in self._leases:
                await lease.release()
        self.abandon()

    def abandon(self) -> None:
        """Hold them no longer."""
        for lease in self._leases:
            lease.abandon()

    def seconds_left(self) -> float:
        return min(lease.seconds_left() for lease in self._leases)

    def _say(self, lease: LeaderLease) -> None:
        place = (lease.name.namespace, lease.name.name)
        if lease.other.partition("#")[0] == self._name.of_install:
            _log_own(lease.other, self._name)
            return
        if lease.other:
            text = _in_the_way(place, lease.other, set(lease.name.watched))
        else:
            text = f"the Lease {place[0]}/{place[1]} cannot be taken: this install does nothing until it can"
        if text != self.said:
            log.error("%s", text)
        self.said = text


async def end_tasks(*tasks: asyncio.Task[None]) -> None:
    """End tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _of_namespace(name: LeaseName, namespace: str) -> LeaseName:
    """Name the Lease of a namespace as it is held by an install, whichever of its pods it is."""
    return LeaseName(namespace, NAMESPACE_LEASE, name.of_partition, (namespace,), name.shards, name.of_install)


def _partition_of(lease: Json) -> str:
    """Name the install that holds a Lease, as it is divided; that of a namespace says so as its holder."""
    if _place(lease)[1] == NAMESPACE_LEASE:
        return holder_of(lease)
    shards = shards_of(lease)
    return install_of(lease) if shards == 1 else f"{install_of(lease)}#{shards}"


def _install_holding(lease: Json) -> str:
    """Name the install that holds a Lease."""
    return holder_of(lease).partition("#")[0] if _place(lease)[1] == NAMESPACE_LEASE else install_of(lease)


def _log_own(holder: str, name: LeaseName) -> None:
    log.info("waits for %s, which does not divide the work of this install by %d", holder, name.shards)


def _in_the_way(place: tuple[str, str], holder: str, watched: set[str]) -> str:
    scope = ", ".join(sorted(watched))
    return (
        f"another install of Serinus, with the Lease {place[0]}/{place[1]} ({holder}), watches "
        f"{'all namespaces' if scope == ALL_NAMESPACES else scope}: this one does nothing until that one is removed"
    )


def _watched(lease: Json) -> set[str]:
    annotations = lease["metadata"].get("annotations") or {}
    return set(str(annotations.get(NAMESPACES_ANNOTATION) or ALL_NAMESPACES).split(","))


def _place(lease: Json) -> tuple[str, str]:
    return str(lease["metadata"]["namespace"]), str(lease["metadata"]["name"])
