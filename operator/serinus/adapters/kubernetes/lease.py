"""Who may write: a coordination.k8s.io/v1 Lease, held by one process at a time and released when it ends.

Two clocks of two machines are never compared: a lease has run out when its record has not changed for its duration by
our own clock. The holder stops writing a margin earlier, by its own clock as well, counted from before its last
successful renewal was sent, and a write that is under way by then is abandoned: by us, and by the API server, which is
told how long it may take. So two writers never overlap, however slow an answer was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.api import GROUP
from serinus.core.model.errors import ClusterError, Conflict
from serinus.core.model.kinds import LEASE, Json

LEASE_SECONDS: Final = 5
MARGIN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
SOON_SECONDS: Final = 0.1
"""After a renewal that failed: there is time for one or two more."""
TRIES_A_LEASE: Final = 5
"""A renewal is begun, and given up, after this part of the lease: one that hangs must not cost it."""

LEASE_LABEL: Final = f"{GROUP}/lease"
NAMESPACES_ANNOTATION: Final = f"{GROUP}/namespaces"
LEADS_ANNOTATION: Final = f"{GROUP}/leads"
INSTALL_ANNOTATION: Final = f"{GROUP}/install"
SHARDS_ANNOTATION: Final = f"{GROUP}/shards"
ALL_NAMESPACES: Final = "*"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseName:
    """Which lease, and as whom: an identity that comes back is taken for the same holder.

    `watched` are the namespaces that the holder looks after; none named is all of them. `install` is the place of the
    install's first Lease, where that is not this one, and `shards` the number of its Leases.
    """

    namespace: str
    name: str
    identity: str
    watched: tuple[str, ...] = ()
    shards: int = 1
    install: str = ""

    def of_shard(self, shard: int) -> LeaseName:
        """Name the Lease of a shard. The first has the name of the only one, of any version of Serinus."""
        if shard == 0:
            return self
        return replace(self, name=f"{self.name}-shard-{shard}", install=self.of_install)

    @property
    def of_install(self) -> str:
        """Name the install, whichever of its pods and Leases it is."""
        return self.install or f"{self.namespace}/{self.name}"

    @property
    def of_partition(self) -> str:
        """Name the install, as it is divided: two that divide one install otherwise must not lead at the same time."""
        return self.of_install if self.shards == 1 else f"{self.of_install}#{self.shards}"


class LeaderLease:
    """Acquires, renews and releases. `writes_allowed` is false from before anybody else may have it.

    `cluster` is not one that asks this very lease whether it may write.
    """

    def __init__(
        self, cluster: Writer, clock: MonotonicClock, name: LeaseName, *, seconds: int = LEASE_SECONDS
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self.name = name
        self.other = ""
        """Who held it when it was looked at last, and it was not ours."""
        self.others_shards = 1
        """By how many Leases that one divides its install."""
        self.was_created = False
        """Whether it was not there before."""
        self._seconds = seconds
        self._allowed_until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)
        self._ours: Json | None = None
        """The record as we have written it last: while nobody else does, a renewal need not read it."""
        self._writing = asyncio.Lock()

    def writes_allowed(self) -> bool:
        """Tell whether the lease is surely ours at this moment."""
        return self.seconds_left() > 0

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended."""
        return self._allowed_until - self._clock.monotonic()

    async def try_once(self) -> bool:
        """Take the lease if nobody else holds it."""
        return await self._try("acquired", self._take)

    async def renew(self) -> bool:
        """Renew the lease once; tell whether it was renewed. One that was lost is not taken again."""
        return self.writes_allowed() and await self._try("renewed", self._keep)

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while not await self.try_once():
            await self._clock.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew the lease; returns when it is lost."""
        renewed = True
        while True:
            await self._clock.sleep(self._seconds / TRIES_A_LEASE if renewed else SOON_SECONDS)
            renewed = await self.renew()
            if not renewed and not self.writes_allowed():
                log.error("the lease %s was lost", self.name.name)
                return

    async def is_free(self) -> bool:
        """Look whether somebody holds the lease, and who that is; raises ClusterError."""
        there = await self._read()
        return there is None or not self._is_others(there)

    async def claim(self) -> None:
        """Say that the holder leads: whoever claims the same namespaces later knows that it is too late.

        Raises ClusterError and TimeoutError.
        """
        async with asyncio.timeout(self._seconds / TRIES_A_LEASE), self._writing:
            there = await self._read()
            if there is not None and holder_of(there) == self.name.identity:
                self._ours = await self._merge(there, {}, leads=True)

    async def seize(self, there: Json) -> None:
        """Take the lease as it was read from whoever holds it, and say that we lead; raises ClusterError."""
        started = self._clock.monotonic()
        self._ours = await self._merge(there, self._record(there), leads=True)
        self._allowed_until = started + self._seconds - MARGIN_SECONDS

    def abandon(self) -> None:
        """Write nothing more under the lease, and let it run out."""
        self._allowed_until = float("-inf")
        self._ours = None

    async def release(self) -> None:
        """Give the lease up, so that a successor need not wait for it to run out."""
        if not self.writes_allowed():
            return
        self.abandon()
        try:
            async with asyncio.timeout(self._seconds), self._writing:
                self.abandon()
                there = await self._read()
                if there is not None and holder_of(there) == self.name.identity:
                    await self._merge(there, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except (ClusterError, TimeoutError) as error:
            log.warning("the lease %s could not be released: %s", self.name.name, str(error) or "no answer in time")

    async def _try(self, done: str, write: Callable[[], Awaitable[bool]]) -> bool:
        """Take or renew the lease once; a failure is a no."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._seconds / TRIES_A_LEASE), self._writing:
                taken = await write()
        except Conflict:
            taken = False
        except TimeoutError:
            log.warning("the lease %s could not be %s: no answer in time", self.name.name, done)
            return False
        except ClusterError as error:
            log.warning("the lease %s could not be %s: %s", self.name.name, done, error)
            return False
        if taken:
            self._allowed_until = started + self._seconds - MARGIN_SECONDS
        return taken

    async def _take(self) -> bool:
        """Write our name into the record, unless somebody else's is there."""
        there = await self._read()
        if there is None:
            self._ours = await self._cluster.create(self._new())
            self.was_created = True
            return True
        if self._is_others(there):
            self.abandon()
            return False
        is_ours = holder_of(there) == self.name.identity
        self._ours = await self._merge(there, self._record(there), leads=is_ours and says_it_leads(there))
        return True

    async def _keep(self) -> bool:
        """Write our name again where it still is; what was given up meanwhile is not taken back."""
        if not self.writes_allowed():
            return False
        if self._ours is not None and await self._taken_again(self._ours):
            return True
        there = await self._read()
        if there is None or holder_of(there) != self.name.identity:
            self.abandon()
            return False
        self._ours = await self._merge(there, self._record(there), leads=says_it_leads(there))
        return True

    async def _taken_again(self, ours: Json) -> bool:
        """Renew the record that is known; False when somebody has written it, or our own write went unanswered."""
        self._ours = None
        try:
            self._ours = await self._merge(ours, self._record(ours), leads=says_it_leads(ours))
        except Conflict:
            return False
        return True

    async def _read(self) -> Json | None:
        return await self._cluster.get(LEASE, self.name.namespace, self.name.name)

    async def _merge(self, there: Json, spec: Json, *, leads: bool = False) -> Json:
        version = there["metadata"]["resourceVersion"]
        patch: Json = {"metadata": {"resourceVersion": version, **self._marks(leads)}, "spec": spec}
        return await self._cluster.merge(LEASE, self.name.namespace, self.name.name, patch)

    def _is_others(self, there: Json) -> bool:
        """Tell whether somebody else holds the lease, and note who."""
        holder = holder_of(there)
        self.other = "" if holder == self.name.identity or (holder and self._has_run_out(there)) else holder
        self.others_shards = shards_of(there)
        return bool(self.other)

    def _has_run_out(self, there: Json) -> bool:
        """Tell whether the record has stood still for its duration, as seen by us."""
        version, now = str(there["metadata"]["resourceVersion"]), self._clock.monotonic()
        if version != self._seen[0]:
            self._seen = (version, now)
        return now - self._seen[1] >= float(there["spec"].get("leaseDurationSeconds") or self._seconds)

    def _record(self, there: Json | None) -> Json:
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        record: dict[str, Any] = {
            "holderIdentity": self.name.identity,
            "leaseDurationSeconds": self._seconds,
            "renewTime": now,
        }
        if there is None or holder_of(there) != self.name.identity:
            transitions = 0 if there is None else int(there["spec"].get("leaseTransitions") or 0) + 1
            record |= {"acquireTime": now, "leaseTransitions": transitions}
        return record

    def _new(self) -> Json:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self.name.name, "namespace": self.name.namespace, **self._marks(False)},
            "spec": self._record(None),
        }

    def _marks(self, leads: bool) -> Json:
        """What other installs find it by, and what they want to know of it."""
        return {
            "labels": {LEASE_LABEL: "operator"},
            "annotations": {
                NAMESPACES_ANNOTATION: ",".join(self.name.watched) or ALL_NAMESPACES,
                LEADS_ANNOTATION: "true" if leads else "false",
                INSTALL_ANNOTATION: self.name.of_install,
                SHARDS_ANNOTATION: f"{self.name.shards} {self.name.identity}",
            },
        }


def says_it_leads(lease: Json) -> bool:
    return (lease["metadata"].get("annotations") or {}).get(LEADS_ANNOTATION) == "true"


def holder_of(lease: Json) -> str:
    return str(lease["spec"].get("holderIdentity") or "")


def install_of(lease: Json) -> str:
    """Name the install that a Lease is of; one of an older version has no other Lease."""
    place = f"{lease['metadata']['namespace']}/{lease['metadata']['name']}"
    return str((lease["metadata"].get("annotations") or {}).get(INSTALL_ANNOTATION) or place)


def shards_of(lease: Json) -> int:
    """Read by how many Leases the holder divides its install.

    An older version knows of one, and leaves standing what the holder before it has written.
    """
    written = str((lease["metadata"].get("annotations") or {}).get(SHARDS_ANNOTATION) or "")
    number, _, holder = written.partition(" ")
    return int(number) if number.isdigit() and holder == holder_of(lease) else 1
