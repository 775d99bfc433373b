"""Other installs of the operator whose namespaces overlap with ours: two would fight over every object, for ever.

Each install holds a Lease of its own, found by its label in all namespaces, that says which namespaces it watches. Who
has taken its Lease looks at all others before it leads, and leads only if there is no other: of two, whoever looks
second sees the first. Of several that have only just begun the first by name waits for the rest to give way.

One that watches some namespaces only may not list the Leases of all: it holds one more in each namespace that it
watches, under one name for all installs: see `namespace_leases`. One that watches all and leads takes each of these
Leases that it finds, but from one that led before it: who comes later finds it taken.

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
from serinus.adapters.kubernetes.lease import LEASE_SECONDS, LeaderLease
from serinus.adapters.kubernetes.lease_record import (
    ALL_NAMESPACES,
    LEASE_LABEL,
    Division,
    LeaseName,
    holder_of,
    install_of,
    place_of,
    says_it_leads,
    shards_of,
    version_of,
    watched_by,
)
from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone
from serinus.core.model.kinds import LEASE, Json, Kind

LOOK_SECONDS: Final = 1.0
GUARD_SECONDS: Final = 2.0
"""Between two looks of one that leads in all namespaces."""
LOOKS_AGAIN: Final = 3
"""So often the Leases of namespaces are listed anew where somebody else has written one just then."""
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
        self._kept: dict[str, str] = {}
        """The version of each of them that we have seen last."""
        self._warned: set[str] = set()

    async def may_lead(self) -> bool:
        """Look until it is clear who leads, after our own Lease was taken; raises ClusterError and TimeoutError."""
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
            except (ClusterError, TimeoutError) as error:
                why = str(error) or "no answer in time"
                self._warn(f"whether another install has come cannot be told: {why}")

    async def keep_away(self) -> bool:
        """Take, or renew, the Lease of each namespace that has one; False if its holder leads.

        Whoever was faster with one of them may lead by now: they are listed anew. Raises ClusterError and TimeoutError.
        """
        for _ in range(LOOKS_AGAIN):
            leases = [one for one in await self._leases() if place_of(one)[1] == NAMESPACE_LEASE]
            leading = next((one for one in leases if says_it_leads(one) and self._is_in_the_way(one)), None)
            if leading is not None:
                self._say(leading)
                return False
            if all(await asyncio.gather(*map(self._take, leases))):
                break
        return True

    async def _take(self, lease: Json) -> bool:
        """Take the Lease of a namespace, unless another pod of ours has renewed it; False if it has just changed."""
        namespace, version = place_of(lease)[0], version_of(lease)
        name = of_namespace(self._name, namespace)
        if holder_of(lease) == name.identity and self._kept.get(namespace, version) != version:
            self._kept[namespace] = version
            return True
        taken = self._taken.setdefault(namespace, LeaderLease(self._cluster, self._clock, name, seconds=self._seconds))
        try:
            self._kept[namespace] = await taken.seize(lease)
        except (Conflict, Gone):
            return False
        except Forbidden as error:
            self._warn(f"an install that watches namespace {namespace} alone cannot be kept away: {error}")
        return True

    async def release(self) -> None:
        """Give up what was taken beside our own Lease."""
        if self._name.shards == 1:
            await asyncio.gather(*(lease.release() for lease in self._taken.values()))
        self.abandon()

    def abandon(self) -> None:
        """Take no more of them."""
        self._taken.clear()
        self._kept.clear()

    def seconds_left(self) -> float:
        """Give no end: what fences our writes is our own Lease."""
        return math.inf

    async def turn(self) -> Turn:
        """Look once; raises ClusterError."""
        others = [one for one in await self._leases() if self._is_in_the_way(one)]
        if not others:
            self.said = ""
            return Turn.LEAD
        first = min(others, key=lambda one: (not says_it_leads(one), place_of(one)))
        self._say(first)
        return Turn.GIVE_WAY if says_it_leads(first) or self._goes_before(first) else Turn.WAIT

    def _goes_before(self, lease: Json) -> bool:
        """Whether the other goes first of two that have only just begun: by name, and of one install the less divided.

        That is what an older version does of itself, which is not divided at all.
        """
        if _install_holding(lease) == self._name.of_install:
            return shards_of(lease) < self._name.shards
        return place_of(lease) < self._name.place

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
        ours = _division_of(lease) == self._name.division
        return not ours and bool(holder_of(lease)) and self._overlaps(lease) and self._is_alive(lease)

    def _overlaps(self, lease: Json) -> bool:
        theirs = watched_by(lease)
        return not self._name.watched or ALL_NAMESPACES in theirs or not theirs.isdisjoint(self._name.watched)

    def _is_alive(self, lease: Json) -> bool:
        """Whether a record has moved within its duration, by our own clock; one that we see first is alive."""
        place, version, now = place_of(lease), version_of(lease), self._clock.monotonic()
        if self._seen.get(place, ("", 0.0))[0] != version:
            self._seen[place] = (version, now)
        return now - self._seen[place][1] < float(lease["spec"].get("leaseDurationSeconds") or LEASE_SECONDS)

    def _say(self, lease: Json) -> None:
        if _install_holding(lease) == self._name.of_install:
            log_own(holder_of(lease), self._name)
            return
        text = in_the_way(place_of(lease), holder_of(lease), watched_by(lease))
        if text != self.said:
            log.error("%s", text)
        self.said = text


async def end_tasks(*tasks: asyncio.Task[None]) -> None:
    """End tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def of_namespace(name: LeaseName, namespace: str) -> LeaseName:
    """Name the Lease of a namespace as it is held by an install, whichever of its pods it is."""
    return LeaseName(namespace, NAMESPACE_LEASE, str(name.division), (namespace,), name.shards, name.of_install)


def _division_of(lease: Json) -> Division:
    """Name the install that holds a Lease, as it is divided; that of a namespace says so as its holder."""
    if place_of(lease)[1] == NAMESPACE_LEASE:
        return Division.read(holder_of(lease))
    return Division(install_of(lease), shards_of(lease))


def _install_holding(lease: Json) -> str:
    """Name the install that holds a Lease."""
    return _division_of(lease).install


def log_own(holder: str, name: LeaseName) -> None:
    """Say that pods of the same install, which divide it otherwise, must go first."""
    log.info("waits for %s, which does not divide the work of this install by %d", holder, name.shards)


def in_the_way(place: tuple[str, str], holder: str, watched: set[str]) -> str:
    """Say which install leads where this one wants to."""
    scope = ", ".join(sorted(watched))
    return (
        f"another install of Serinus, with the Lease {place[0]}/{place[1]} ({holder}), watches "
        f"{'all namespaces' if scope == ALL_NAMESPACES else scope}: this one does nothing until that one is removed"
    )
