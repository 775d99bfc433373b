"""Who may write: a coordination.k8s.io/v1 Lease, held by one process at a time and released when it ends.

Two clocks of two machines are never compared: a lease has run out when its record has not changed for its duration by
our own clock. The holder stops writing a margin earlier, by its own clock as well, counted from before its last
successful renewal was sent, and a write that is under way by then is abandoned: by us, and by the API server, which is
told how long it may take. So two writers never overlap, however slow an answer was.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.api import GROUP
from serinus.core.model.errors import ClusterError, Conflict
from serinus.core.model.kinds import LEASE, Json

MARGIN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
TRIES_A_LEASE: Final = 5
"""A renewal is begun, and given up, after this part of the lease: one that hangs must not cost it."""

LEASE_LABEL: Final = f"{GROUP}/lease"
NAMESPACES_ANNOTATION: Final = f"{GROUP}/namespaces"
LEADS_ANNOTATION: Final = f"{GROUP}/leads"
ALL_NAMESPACES: Final = "*"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseName:
    """Which lease, and as whom: an identity that comes back is taken for the same holder.

    `watched` are the namespaces that the holder looks after; none named is all of them.
    """

    namespace: str
    name: str
    identity: str
    watched: tuple[str, ...] = ()


class LeaderLease:
    """Acquires, renews and releases. `writes_allowed` is false from before anybody else may have it.

    `cluster` is not one that asks this very lease whether it may write.
    """

    def __init__(self, cluster: Writer, clock: MonotonicClock, name: LeaseName, *, seconds: int = 15) -> None:
        self._cluster = cluster
        self._clock = clock
        self.name = name
        self.other = ""
        """Who held it when it could not be taken."""
        self.was_created = False
        """Whether it was not there before."""
        self._seconds = seconds
        self._allowed_until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)

    def writes_allowed(self) -> bool:
        """Tell whether the lease is surely ours at this moment."""
        return self.seconds_left() > 0

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended."""
        return self._allowed_until - self._clock.monotonic()

    async def try_once(self) -> bool:
        """Take the lease if nobody else holds it."""
        return await self._try("acquired")

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while not await self._try("acquired"):
            await self._clock.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew the lease; returns when it is lost."""
        while True:
            await self._clock.sleep(self._seconds / TRIES_A_LEASE)
            if not await self._try("renewed") and not self.writes_allowed():
                log.error("the lease %s was lost", self.name.name)
                return

    async def claim(self) -> None:
        """Say that the holder leads: whoever claims the same namespaces later knows that it is too late."""
        there = await self._read()
        if there is not None and holder_of(there) == self.name.identity:
            await self._merge(there, {}, leads=True)

    async def seize(self, there: Json) -> None:
        """Take the lease as it was read from whoever holds it, and say that we lead; raises ClusterError."""
        started = self._clock.monotonic()
        await self._merge(there, self._record(there), leads=True)
        self._allowed_until = started + self._seconds - MARGIN_SECONDS

    async def release(self) -> None:
        """Give the lease up, so that a successor need not wait for it to run out."""
        if not self.writes_allowed():
            return
        self._allowed_until = float("-inf")
        try:
            there = await self._read()
            if there is not None and holder_of(there) == self.name.identity:
                await self._merge(there, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except ClusterError as error:
            log.warning("the lease could not be released: %s", error)

    async def _try(self, done: str) -> bool:
        """Take or renew the lease once; a failure is a no."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._seconds / TRIES_A_LEASE):
                taken = await self._take()
        except Conflict:
            taken = False
        except TimeoutError:
            log.warning("the lease could not be %s: no answer in time", done)
            return False
        except ClusterError as error:
            log.warning("the lease could not be %s: %s", done, error)
            return False
        if taken:
            self._allowed_until = started + self._seconds - MARGIN_SECONDS
        return taken

    async def _take(self) -> bool:
        there = await self._read()
        if there is None:
            await self._cluster.create(self._new())
            self.was_created = True
            return True
        if holder_of(there) not in ("", self.name.identity) and not self._has_run_out(there):
            self._allowed_until = float("-inf")
            self.other = holder_of(there)
            return False
        self.other = ""
        is_ours = holder_of(there) == self.name.identity
        await self._merge(there, self._record(there), leads=is_ours and says_it_leads(there))
        return True

    async def _read(self) -> Json | None:
        return await self._cluster.get(LEASE, self.name.namespace, self.name.name)

    async def _merge(self, there: Json, spec: Json, *, leads: bool = False) -> None:
        version = there["metadata"]["resourceVersion"]
        patch: Json = {"metadata": {"resourceVersion": version, **self._marks(leads)}, "spec": spec}
        await self._cluster.merge(LEASE, self.name.namespace, self.name.name, patch)

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
            },
        }


def says_it_leads(lease: Json) -> bool:
    return (lease["metadata"].get("annotations") or {}).get(LEADS_ANNOTATION) == "true"


def holder_of(lease: Json) -> str:
    return str(lease["spec"].get("holderIdentity") or "")
