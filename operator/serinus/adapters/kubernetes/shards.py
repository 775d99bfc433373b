"""The Leases of an install's shards, as one of its replicas sees them: which it leads, takes, and gives up.

What a replica holds it renews, each Lease by itself; each second it looks at the rest, and signs the list of those that
are there. From who holds what and who is there all work out the same shares: who has less takes what is free, who has
more gives one up at a time, once nothing of it is under way. What a replica loses it stops writing at once; the process
goes on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, Protocol

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.installs import LOOK_SECONDS, Lister, Neighbours, OtherInstalls, end_tasks
from serinus.adapters.kubernetes.lease import ANSWER_PART, SOON_SECONDS, TRIES_A_LEASE, LeaderLease
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.namespace_leases import NamespaceLeases
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

    def shown(self, shard: int) -> int:
        """Give the number of canaries in a shard that anybody is sent to."""

    def keep_out_of(self, namespaces: frozenset[str]) -> None:
        """Decide nothing in these, from now on."""


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
    """Leads a fair share of the shards; `deciders` are told of each that is gained, given up or lost.

    While it is not `ready` nobody counts on it: it is not on the list, and takes only what none of the others, who look
    each second, has taken.
    """

    def __init__(
        self,
        cluster: Lister,
        clock: MonotonicClock,
        name: LeaseName,
        *,
        seconds: int,
        neighbours: Neighbours,
        deciders: Deciders,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock = clock
        self._ready = ready
        self._free = frozenset[int]()
        """What nobody led at the last look."""
        self._me = name.identity
        self._patience = seconds * ANSWER_PART
        self._neighbours = neighbours
        self._deciders = deciders
        self._leases = tuple(
            LeaderLease(cluster, clock, name.of_shard(shard), seconds=seconds) for shard in range(name.shards)
        )
        # Who has died must be off the list by the time that its Leases run out.
        listed = seconds - seconds / TRIES_A_LEASE
        self._roster = Roster(cluster, clock, name, seconds=listed) if name.shards > 1 else None
        self._replicas = frozenset({self._me})
        self._unsigned = ""
        """Why the list could not be signed."""
        self._holding: dict[int, asyncio.Task[None]] = {}
        """What renews the Lease of each shard that is held."""
        self._tenures: dict[int, ShardTenure] = {}
        self._holders: list[str] = [UNKNOWN] * name.shards
        self._taking: asyncio.Task[None] | None = None
        self._giving: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._rests_until = -math.inf
        self._leaving = False

    @classmethod
    def of_install(
        cls,
        cluster: Lister,
        clock: MonotonicClock,
        name: LeaseName,
        *,
        seconds: int,
        deciders: Deciders,
        ready: Callable[[], bool],
    ) -> ShardLeases:
        """Make those of an install, and what keeps other installs out of the namespaces that it watches."""
        neighbours: Neighbours = OtherInstalls(cluster, clock, name, seconds=seconds)
        if name.watched:
            neighbours = NamespaceLeases(cluster, clock, name, seconds=seconds, keep_out_of=deciders.keep_out_of)
        return cls(cluster, clock, name, seconds=seconds, neighbours=neighbours, deciders=deciders, ready=ready)

    @property
    def said(self) -> str:
        """What is in the way: another install, or a Lease that we have no right to; nothing when there is none."""
        return self._neighbours.said or next((lease.refused for lease in self._leases if lease.refused), "")

    def led(self) -> frozenset[int]:
        """Give the shards that this replica may write in at this moment."""
        return frozenset(shard for shard, tenure in self._tenures.items() if tenure.seconds_left() > 0)

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.look()
            spent = self._clock.monotonic() - started
            await self._clock.sleep(max(SOON_SECONDS, LOOK_SECONDS - spent))

    async def look(self) -> None:
        """Look at what is not ours, and begin to take or give up what is not as it should be."""
        others = [shard for shard in range(len(self._leases)) if shard not in self._holding]
        await asyncio.gather(self._sign(), *map(self._visit, others))
        for begun in (self._taking, self._giving, *self._holding.values()):
            if begun is not None and begun.done():
                begun.result()
        if any(begun is not None and not begun.done() for begun in (self._taking, self._giving)):
            return
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
            taking, self._taking = self._taking, None
            await end_tasks(taking)
        if self._giving is not None:
            await asyncio.wait([self._giving])
        await asyncio.gather(*(self._give_up(shard) for shard in list(self._tenures)))
        for shard in list(self._holding):
            self._stop_holding(shard)
        await self._keep_no_longer()
        await asyncio.gather(*(lease.release() for lease in self._leases))

    async def _sign_off(self, roster: Roster) -> None:
        """Let the others have our share at once; without that they notice it a little later."""
        try:
            async with asyncio.timeout(self._patience):
                await roster.leave()
        except (ClusterError, TimeoutError) as error:
            log.warning("the other replicas cannot be told that this one ends: %s", str(error) or "no answer in time")

    async def _sign(self) -> None:
        """Say that we are there, and see who is; while nobody answers, those of before are."""
        if self._roster is None or self._leaving or not self._ready():
            return
        try:
            async with asyncio.timeout(self._patience):
                self._replicas = await self._roster.sign()
            self._unsigned = ""
        except (ClusterError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            if why != self._unsigned:
                log.warning("which replicas are there cannot be told: %s", why)
            self._unsigned = why

    async def _visit(self, shard: int) -> None:
        """See who holds a shard's Lease."""
        lease = self._leases[shard]
        free = await lease.look()
        if shard in self._holding:
            return
        self._holders[shard] = "" if free else lease.other or UNKNOWN
        if lease.other and lease.other_leads:
            # A replica of our own leads: what kept us out is gone.
            self._neighbours.said = ""

    async def _hold(self, shard: int) -> None:
        await self._leases[shard].hold()
        self._lose(shard)

    def _stop_holding(self, shard: int) -> None:
        """Renew a Lease no more."""
        holding = self._holding.pop(shard, None)
        if holding is not None and holding is not asyncio.current_task():
            holding.cancel()
        self._holders[shard] = UNKNOWN

    def _lose(self, shard: int) -> None:
        """Write nothing more in a shard: its Lease is somebody else's, or may be."""
        self._stop_holding(shard)
        self._leases[shard].abandon()
        self._end(shard)
        if not self._tenures and self._keeping is not None:
            # Another pod of this install may count on what we kept others away by: it is left to run out.
            self._keeping.cancel()
            self._keeping = None
            self._neighbours.abandon()

    def _change(self) -> None:
        """Begin to take what we should have, or to give up what we should not: where the fewest canaries are shown."""
        holders = [self._me if shard in self._holding else holder for shard, holder in enumerate(self._holders)]
        share = fair_shares(holders, self._replicas)[self._me]
        free = self._left([shard for shard, holder in enumerate(holders) if not holder])
        if len(self._holding) > share and self._tenures:
            quietest = min(self._tenures, key=lambda shard: (self._deciders.shown(shard), -shard))
            self._giving = asyncio.create_task(self._give_up(quietest))
        elif free and len(self._holding) < share and self._may_take():
            self._taking = asyncio.create_task(self._take(free[: share - len(self._holding)]))

    def _left(self, free: list[int]) -> list[int]:
        """Give what of that which nobody leads is ours to take: who is not ready leaves it to the others for one look.

        What a process of our own name has held is ours at once: it has ended.
        """
        before, self._free = self._free, frozenset(free)
        return [one for one in free if self._ready() or one in before or self._leases[one].was_ours]

    def _may_take(self) -> bool:
        """Whether nobody leads who divides this install otherwise, and we were not refused a moment ago."""
        others = (lease for shard, lease in enumerate(self._leases) if self._holders[shard] not in ("", UNKNOWN))
        alike = all(lease.others_shards == len(self._leases) for lease in others)
        return alike and self._clock.monotonic() >= self._rests_until

    async def _take(self, shards: list[int]) -> None:
        """Take them one after the other until one is led, which keeps other installs away, and the rest at once."""
        rest = list(shards)
        while rest and not self.led():
            if self._clock.monotonic() < self._rests_until:
                return
            await self._take_one(rest.pop(0))
        await asyncio.gather(*map(self._take_one, rest))

    async def _take_one(self, shard: int) -> None:
        lease = self._leases[shard]
        if not await lease.try_once():
            return
        self._holding[shard] = asyncio.create_task(self._hold(shard))
        if await self._may_lead(lease) and shard in self._holding:
            self._begin(shard)
            return
        await self._let_go(shard)
        self._rests_until = self._clock.monotonic() + AGAIN_SECONDS

    async def _may_lead(self, lease: LeaderLease) -> bool:
        """Ask whether another install leads, once a Lease of ours is there to be seen; and say that we do."""
        leads_already = bool(self.led())
        try:
            if not leads_already:
                if not await self._neighbours.may_lead():
                    return False
                # From now on, as what was taken for that has to be renewed.
                self._keeping = self._keeping or asyncio.create_task(self._keep_others_away())
        except (ClusterError, TimeoutError) as error:
            log.warning("which other installs there are cannot be told: %s", str(error) or "no answer in time")
            return False
        # What is led already keeps others away; if all of it was lost just now, it does not.
        return await lease.claim() and lease.writes_allowed() and (bool(self.led()) or not leads_already)

    def _begin(self, shard: int) -> None:
        tenure = self._tenures[shard] = ShardTenure(self._leases[shard], self._neighbours, self._clock)
        self._deciders.begin(shard, tenure)

    async def _keep_others_away(self) -> None:
        await self._neighbours.hold()
        log.error("what keeps other installs away was lost: this one gives up all that it leads")
        self._rests_until = self._clock.monotonic() + AGAIN_SECONDS
        self._keeping = None
        for shard in list(self._tenures):
            self._lose(shard)
        # What was sent a moment ago may still arrive: what is left of it runs out, as in every other loss.
        self._neighbours.abandon()

    async def _give_up(self, shard: int) -> None:
        """Finish what is under way in a shard, and hand it on."""
        tenure = self._tenures.get(shard)
        if tenure is None:
            return
        finished = await self._finished(shard)
        if tenure.ended:
            return
        if not finished or tenure.unsettled or tenure.seconds_left() <= 0:
            # Something may still arrive: what we hold runs out, that of namespaces, too.
            self._lose(shard)
            return
        tenure.left = True
        self._end(shard)
        await self._let_go(shard)

    async def _finished(self, shard: int) -> bool:
        """Begin nothing more in a shard, and tell whether what was under way has ended in time."""
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._deciders.finish(shard)
        except TimeoutError:
            log.warning("what is under way in shard %d does not end: its lease is left to run out", shard)
            return False
        return True

    def _end(self, shard: int) -> None:
        """End the tenure of a shard, if there is one: nothing is written under it any more."""
        tenure = self._tenures.pop(shard, None)
        if tenure is not None:
            tenure.ended = True
            self._deciders.end(shard)

    async def _let_go(self, shard: int) -> None:
        """Release a Lease; where it is the last one, what keeps other installs away goes first."""
        self._stop_holding(shard)
        if not self._tenures:
            await self._keep_no_longer()
        await self._leases[shard].release()

    async def _keep_no_longer(self) -> None:
        if self._keeping is not None:
            keeping, self._keeping = self._keeping, None
            await end_tasks(keeping)
        if not self._tenures:
            await self._neighbours.release()
