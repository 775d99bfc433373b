"""The Leases by which an install that watches some namespaces only keeps other installs out of them.

It may not list the Leases of all namespaces, so it holds one in each that it watches, under one name for all installs:
two of these exclude each other, and one that watches all namespaces sees them. That one takes each such Lease within
its next look, but it may have had no look since somebody took this one: before a Lease was ever led from, who has it
gives such an install the time to object. The record says so, not the memory of the pod that made it.

A namespace that is gone, or in which we have no right to that Lease, is left out: nothing in it is decided, and the
others are led without it. It is tried again each minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeAlias

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

OUTSIDE_SECONDS: Final = 60.0
"""Between two tries to have the Lease of a namespace that was left out."""

Leases: TypeAlias = tuple[LeaderLease, ...]

log = logging.getLogger(__name__)


class NamespaceLeases:
    """A Lease in each namespace that this install watches; all its pods hold them under one identity.

    `keep_out_of` is told, before anything is led, of all namespaces whose Lease cannot be had, and when that changes.
    """

    def __init__(
        self,
        cluster: Writer,
        clock: MonotonicClock,
        name: LeaseName,
        *,
        seconds: int,
        keep_out_of: Callable[[frozenset[str]], None] = lambda namespaces: None,
    ) -> None:
        self.said = ""
        self._clock = clock
        self._name = name
        self._leases = tuple(
            LeaderLease(cluster, clock, of_namespace(name, each), seconds=seconds, shared=True)
            for each in sorted(name.watched)
        )
        self._keep_out_of = keep_out_of
        self._held = self._leases
        """All but those of the namespaces that are left out."""

    async def may_lead(self) -> bool:
        """Take all that can be had, or none; those that nobody has led from are held for a while before."""
        held = await self._take(self._leases)
        if not (held and await self._are_objected_to_by_none(held)):
            return False
        self._held = held
        self._tell()
        self.said = ""
        return True

    async def _take(self, wanted: Leases) -> Leases:
        """Take them; gives those that can be had at all, and none where somebody else has one of these."""
        taken = await asyncio.gather(*(lease.try_once() for lease in wanted))
        missed = [lease for lease, is_ours in zip(wanted, taken, strict=True) if not is_ours]
        if len(missed) < len(wanted) and all(map(_cannot_be_had, missed)):
            return tuple(lease for lease in wanted if lease not in missed)
        await self.release()
        self._say(next((lease for lease in missed if not _cannot_be_had(lease)), missed[0]))
        return ()

    async def _are_objected_to_by_none(self, taken: Leases) -> bool:
        """Hold what was taken for as long as somebody may object, and say that we lead."""
        end = self._clock.monotonic() + OBJECTION_SECONDS
        while not all(lease.was_led for lease in taken) and self._clock.monotonic() < end:
            await self._clock.sleep(LOOK_SECONDS)
            if await self._take(taken) != taken:
                return False
        return all(await asyncio.gather(*(lease.claim() for lease in taken)))

    async def hold(self) -> None:
        """Renew all that are held, and try now and then to have the others; returns when one is lost."""
        tasks = [asyncio.create_task(lease.hold()) for lease in self._held]
        tasks += [asyncio.create_task(self._hold_late(lease)) for lease in self._outside()]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(*tasks)

    async def _hold_late(self, lease: LeaderLease) -> None:
        """Hold the Lease of a namespace that was left out, once it can be had; returns when it is lost again."""
        while not await self._had_late(lease):
            await self._clock.sleep(OUTSIDE_SECONDS)
        self._held = (*self._held, lease)
        self._tell()
        await lease.hold()

    async def _had_late(self, lease: LeaderLease) -> bool:
        """Try to have one; what nobody has led from is held for a while before, as at the start."""
        if not await lease.try_once():
            return False
        end = self._clock.monotonic() + OBJECTION_SECONDS
        while not lease.was_led and self._clock.monotonic() < end:
            await self._clock.sleep(LOOK_SECONDS)
            if not await lease.try_once():
                return False
        return await lease.claim()

    def _outside(self) -> Leases:
        return tuple(lease for lease in self._leases if lease not in self._held)

    def _tell(self) -> None:
        """Say in which namespaces nothing is to be decided."""
        outside = self._outside()
        for lease in outside:
            log.error("namespace %s is left out, and tried again each minute: %s", lease.name.namespace, _why(lease))
        self._keep_out_of(frozenset(lease.name.namespace for lease in outside))

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
        return min(lease.seconds_left() for lease in self._held)

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


def _cannot_be_had(lease: LeaderLease) -> bool:
    """Whether neither we nor waiting can change that: its namespace is gone, or we have no right to it."""
    return lease.has_no_namespace or bool(lease.refused)


def _why(lease: LeaderLease) -> str:
    return lease.refused or "it does not exist, or is being deleted"
