"""The Leases by which an install that watches some namespaces only keeps other installs out of them.

It may not list the Leases of all namespaces, so it holds one in each that it watches, under one name for all installs:
two of these exclude each other, and one that watches all namespaces sees them. That one takes each such Lease within
its next look, but it may have had no look since somebody took this one: before a Lease was ever led from, who has it
gives such an install the time to object. The record says so, not the memory of the pod that made it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.adapters.kubernetes.installs import (
    GUARD_SECONDS,
    LOOK_SECONDS,
    end_tasks,
    in_the_way,
    log_own,
    of_namespace,
)
from serinus.adapters.kubernetes.lease import LeaderLease
from serinus.adapters.kubernetes.lease_record import Division, LeaseName

OBJECTION_SECONDS: Final = 3 * GUARD_SECONDS
"""For which a Lease that nobody has led from is held before its holder leads."""

log = logging.getLogger(__name__)


class NamespaceLeases:
    """A Lease in each namespace that this install watches; all its pods hold them under one identity."""

    def __init__(self, cluster: Writer, clock: MonotonicClock, name: LeaseName, *, seconds: int) -> None:
        self.said = ""
        self._clock = clock
        self._name = name
        self._leases = tuple(
            LeaderLease(cluster, clock, of_namespace(name, each), seconds=seconds, shared=True)
            for each in sorted(name.watched)
        )

    async def may_lead(self) -> bool:
        """Take all of them, or none; those that nobody has led from are held for a while before."""
        if not await self._have_all():
            return False
        end = self._clock.monotonic() + OBJECTION_SECONDS
        while not all(lease.was_led for lease in self._leases) and self._clock.monotonic() < end:
            await self._clock.sleep(LOOK_SECONDS)
            if not await self._have_all():
                return False
        if not all(await asyncio.gather(*(lease.claim() for lease in self._leases))):
            return False
        self.said = ""
        return True

    async def _have_all(self) -> bool:
        taken = await asyncio.gather(*(lease.try_once() for lease in self._leases))
        if all(taken):
            return True
        await self.release()
        self._say(self._leases[taken.index(False)])
        return False

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
            await asyncio.gather(*(lease.release() for lease in self._leases))
        self.abandon()

    def abandon(self) -> None:
        """Hold them no longer."""
        for lease in self._leases:
            lease.abandon()

    def seconds_left(self) -> float:
        return min(lease.seconds_left() for lease in self._leases)

    def _say(self, lease: LeaderLease) -> None:
        if Division.read(lease.other).install == self._name.of_install:
            log_own(lease.other, self._name)
            return
        place = lease.name.place
        if lease.other:
            text = in_the_way(place, lease.other, set(lease.name.watched))
        else:
            untaken = f"the Lease {place[0]}/{place[1]} cannot be taken: this install does nothing until it can"
            text = lease.refused or untaken
        if text != self.said:
            log.error("%s", text)
        self.said = text
