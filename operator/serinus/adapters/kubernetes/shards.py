"""The Leases of an install's shards, as one of its replicas sees them: which it leads, takes, and gives up.

Each second a replica renews what it holds, looks at the rest, and signs the list of those that are there. From who
holds what and who is there all work out the same shares: who has less takes what is free, who has more gives one up at
a time, once nothing of it is under way. What a replica loses it stops writing at once; the process goes on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final, Protocol

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.adapters.kubernetes.installs import Neighbours, end_tasks
from serinus.adapters.kubernetes.lease import SOON_SECONDS, TRIES_A_LEASE, LeaderLease, LeaseName
from serinus.adapters.kubernetes.roster import Roster
from serinus.core.model.errors import ClusterError
from serinus.core.model.shards import fair_shares

AGAIN_SECONDS: Final = 5.0
"""Between two claims of an install that has been refused."""
FINISH_SECONDS: Final = 5.0
"""What is under way in a shard that is given up has so long to end; else its Lease is left to run out."""
UNKNOWN: Final = "?"
"""The holder of a Lease that could not be read."""

log = logging.getLogger(__name__)


class Deciders(Protocol):
    """What is done with the shards that are led."""

    def begin(self, shard: int, tenure: ShardTenure) -> None:
        """Decide what belongs to a shard, from now on."""

    async def finish(self, shard: int) -> None:
        """Begin nothing more; returns when nothing is under way."""

    def end(self, shard: int) -> None:
        """Decide nothing of it any more."""


class ShardTenure:
    """One time of leading a shard; `left` says that it ended in good order."""

    def __init__(self, lease: LeaderLease, neighbours: Neighbours, clock: MonotonicClock) -> None:
        self.left = False
        self.ended = False
        self._clock = clock
        self._unsettled_until = -math.inf
        self._lease = lease
        self._neighbours = neighbours

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended."""
        return -math.inf if self.ended else min(self._lease.seconds_left(), self._neighbours.seconds_left())

    def unsettle(self) -> None:
        """Take in that a write was given up on its way: it may still arrive for as long as it was allowed to."""
        self._unsettled_until = max(self._unsettled_until, self._clock.monotonic() + self.seconds_left())

    @property
    def unsettled(self) -> bool:
        """Whether such a write may still arrive."""
        return self._clock.monotonic() < self._unsettled_until


class ShardLeases:
    """Leads a fair share of the shards; `deciders` are told of each that is gained, given up or lost."""

    def __init__(
        self,
        cluster: Writer,
        clock: MonotonicClock,
        name: LeaseName,
        *,
        seconds: int,
        neighbours: Neighbours,
        deciders: Deciders,
    ) -> None:
        self._clock = clock
        self._me = name.identity
        self._step = seconds / TRIES_A_LEASE
        self._neighbours = neighbours
        self._deciders = deciders
        self._leases = tuple(
            LeaderLease(cluster, clock, name.of_shard(shard), seconds=seconds) for shard in range(name.shards)
        )
        # Who has died must be off the list by the time that its Leases run out.
        self._roster = Roster(cluster, clock, name, seconds=seconds - self._step) if name.shards > 1 else None
        self._replicas = frozenset({self._me})
        self._held: set[int] = set()
        self._tenures: dict[int, ShardTenure] = {}
        self._holders: list[str] = [UNKNOWN] * name.shards
        self._taking: asyncio.Task[None] | None = None
        self._giving: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._rests_until = -math.inf
        self._leaving = False

    @property
    def said(self) -> str:
        """Which other install is in the way; nothing when there is none."""
        return self._neighbours.said

    def led(self) -> frozenset[int]:
        """Give the shards that this replica may write in at this moment."""
        return frozenset(shard for shard, tenure in self._tenures.items() if tenure.seconds_left() > 0)

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.look()
            spent = self._clock.monotonic() - started
            await self._clock.sleep(max(SOON_SECONDS, self._step - spent))

    async def look(self) -> None:
        """Renew what is ours, look at the rest, and begin to take or give up what is not as it should be."""
        await asyncio.gather(self._sign(), *(self._visit(shard) for shard in range(len(self._leases))))
        for begun in (self._taking, self._giving):
            if begun is not None and not begun.done():
                return
            if begun is not None:
                begun.result()
        self._taking = self._giving = None
        if not self._leaving:
            self._change()

    async def settled(self) -> None:
        """Wait until what was begun is done."""
        await asyncio.gather(*(begun for begun in (self._taking, self._giving) if begun is not None))

    async def leave(self) -> None:
        """Give everything up in good order; what cannot be is left to run out. Done once or twice."""
        known, self._leaving = self._leaving, True
        if self._roster is not None and not known:
            await self._sign_off(self._roster)
        if self._taking is not None:
            await end_tasks(self._taking)
        if self._giving is not None:
            await asyncio.wait([self._giving])
        await asyncio.gather(*(self._give_up(shard) for shard in list(self._tenures)))
        for shard in list(self._held):
            await self._let_go(shard)
        await self._keep_no_longer()

    async def _sign_off(self, roster: Roster) -> None:
        """Let the others have our share at once; without that they notice it a little later."""
        try:
            async with asyncio.timeout(self._step):
                await roster.leave()
        except (ClusterError, TimeoutError) as error:
            log.warning("the other replicas cannot be told that this one ends: %s", str(error) or "no answer in time")

    async def _sign(self) -> None:
        """Say that we are there, and see who is; while nobody answers, those of before are."""
        if self._roster is None or self._leaving:
            return
        try:
            async with asyncio.timeout(self._step):
                self._replicas = await self._roster.sign()
        except (ClusterError, TimeoutError) as error:
            log.warning("which replicas are there cannot be told: %s", str(error) or "no answer in time")

    async def _visit(self, shard: int) -> None:
        """Renew a shard's Lease, or see who holds it."""
        lease = self._leases[shard]
        if shard in self._held:
            if not await lease.renew() and not lease.writes_allowed():
                self._lose(shard)
            return
        try:
            async with asyncio.timeout(self._step):
                free = await lease.is_free()
            self._holders[shard] = "" if free else lease.other
        except (ClusterError, TimeoutError) as error:
            self._holders[shard] = UNKNOWN
            log.warning("the lease %s could not be read: %s", lease.name.name, str(error) or "no answer in time")

    def _lose(self, shard: int) -> None:
        """Write nothing more in a shard: its Lease is somebody else's, or may be."""
        log.error("the lease %s was lost", self._leases[shard].name.name)
        self._held.discard(shard)
        self._holders[shard] = UNKNOWN
        self._leases[shard].abandon()
        tenure = self._tenures.pop(shard, None)
        if tenure is not None:
            tenure.ended = True
            self._deciders.end(shard)
        if not self._tenures and self._keeping is not None:
            # Another pod of this install may count on what we kept others away by: it is left to run out.
            self._keeping.cancel()
            self._keeping = None
            self._neighbours.abandon()

    def _change(self) -> None:
        """Begin to take what we should have, or to give up what we should not."""
        holders = [self._me if shard in self._held else holder for shard, holder in enumerate(self._holders)]
        share = fair_shares(holders, self._replicas)[self._me]
        free = [shard for shard, holder in enumerate(holders) if not holder]
        if len(self._held) > share:
            self._giving = asyncio.create_task(self._give_up(max(self._held)))
        elif free and len(self._held) < share and self._may_take():
            self._taking = asyncio.create_task(self._take(free[: share - len(self._held)]))

    def _may_take(self) -> bool:
        """Whether nobody leads who divides this install otherwise, and we were not refused a moment ago."""
        others = (lease for shard, lease in enumerate(self._leases) if self._holders[shard] not in ("", UNKNOWN))
        alike = all(lease.others_shards == len(self._leases) for lease in others)
        return alike and self._clock.monotonic() >= self._rests_until

    async def _take(self, shards: list[int]) -> None:
        for shard in shards:
            lease = self._leases[shard]
            if not await lease.try_once():
                continue
            self._held.add(shard)
            if not await self._may_lead(lease):
                await self._let_go(shard)
                self._rests_until = self._clock.monotonic() + AGAIN_SECONDS
                return
            self._begin(shard)

    async def _may_lead(self, lease: LeaderLease) -> bool:
        """Ask whether another install leads, once a Lease of ours is there to be seen; and say that we do."""
        leads_already = bool(self.led())
        try:
            if not leads_already and not await self._neighbours.may_lead():
                return False
            await lease.claim()
        except (ClusterError, TimeoutError) as error:
            log.warning("which other installs there are cannot be told: %s", str(error) or "no answer in time")
            return False
        # What is led already keeps others away; if all of it was lost just now, it does not.
        return lease.writes_allowed() and (bool(self.led()) or not leads_already)

    def _begin(self, shard: int) -> None:
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_others_away())
        tenure = self._tenures[shard] = ShardTenure(self._leases[shard], self._neighbours, self._clock)
        self._deciders.begin(shard, tenure)

    async def _keep_others_away(self) -> None:
        await self._neighbours.hold()
        self._rests_until = self._clock.monotonic() + AGAIN_SECONDS
        self._keeping = None
        for shard in list(self._tenures):
            self._lose(shard)
        await self._neighbours.release()

    async def _give_up(self, shard: int) -> None:
        """Finish what is under way in a shard, and hand it on."""
        tenure = self._tenures.get(shard)
        if tenure is None:
            return
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._deciders.finish(shard)
            finished = True
        except TimeoutError:
            log.warning("what is under way in shard %d does not end: its lease is left to run out", shard)
            finished = False
        if tenure.ended:
            return
        in_order = finished and not tenure.unsettled and tenure.seconds_left() > 0
        tenure.left, tenure.ended = in_order, True
        del self._tenures[shard]
        self._deciders.end(shard)
        if in_order:
            await self._let_go(shard)
        else:
            self._held.discard(shard)
            self._leases[shard].abandon()

    async def _let_go(self, shard: int) -> None:
        """Release a Lease; where it is the last one, what keeps other installs away goes first."""
        self._held.discard(shard)
        self._holders[shard] = UNKNOWN
        if not self._tenures:
            await self._keep_no_longer()
        await self._leases[shard].release()

    async def _keep_no_longer(self) -> None:
        if self._keeping is not None:
            keeping, self._keeping = self._keeping, None
            await end_tasks(keeping)
        if not self._tenures:
            await self._neighbours.release()
