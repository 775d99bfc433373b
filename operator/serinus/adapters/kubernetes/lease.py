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
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.adapters.kubernetes.lease_record import (
    LeaseName,
    holder_of,
    lease_marks,
    says_it_leads,
    shards_of,
    version_of,
)
from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone
from serinus.core.model.kinds import LEASE, Json

LEASE_SECONDS: Final = 5
MARGIN_SECONDS: Final = 2.0
SOON_SECONDS: Final = 0.1
"""After a renewal that failed."""
TRIES_A_LEASE: Final = 5
"""A renewal is begun after this part of the lease."""
ANSWER_PART: Final = 0.3
"""Of the lease, after which a request is given up: neither one that hangs nor one that is slow must cost it."""

log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class LeaderLease:
    """Takes, renews and releases. `writes_allowed` is false from before anybody else may have it.

    `cluster` is not one that asks this very lease whether it may write. A `shared` one is held by several processes
    under one identity: what one of them has renewed need not be renewed by the others.
    """

    def __init__(
        self,
        cluster: Writer,
        clock: MonotonicClock,
        name: LeaseName,
        *,
        seconds: int = LEASE_SECONDS,
        shared: bool = False,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self.name = name
        self.other = ""
        """Who held it when it was looked at last, and it was not ours."""
        self.others_shards = 1
        """By how many Leases that one divides its install."""
        self.other_leads = False
        """Whether that one says that it leads."""
        self.was_ours = False
        """Whether our own name stood in it when it was looked at last."""
        self.was_led = False
        """Whether who held it before us, under whatever name, has led: all who could object have seen it by then."""
        self.has_no_namespace = False
        """Whether it could not be made, when that was tried last, as its namespace is gone or is being deleted."""
        self._seconds = seconds
        self._shared = shared
        self._sent = float("-inf")
        """When the record was written that makes it ours, at the earliest."""
        self._known: tuple[str, float] = ("", 0.0)
        """The version of the record that we have heard of last, and when that was asked."""
        self._seen: tuple[str, float] = ("", 0.0)
        self._others_until = float("-inf")
        """Somebody else has it until then, even where it is gone."""
        self._ours: Json | None = None
        """The record as we have written it last: while nobody else does, a renewal need not read it."""
        self._unanswered = False
        """Whether it may be ours, as we have not heard what became of our taking it."""
        self._term = self._written_in = 0
        """What was begun in an earlier one is not sent any more, and its answer counts for nothing."""
        self._failed: dict[str, str] = {}
        """What was said of that which fails, by what it is."""
        self._refused: set[str] = set()
        """That of it for which we have no right."""
        self._writing = asyncio.Lock()

    @property
    def refused(self) -> str:
        """Why it can be neither read nor taken, where we have not the right to; nothing otherwise."""
        return next((text for done, text in self._failed.items() if done in self._refused), "")

    def writes_allowed(self) -> bool:
        """Tell whether the lease is surely ours at this moment."""
        return self.seconds_left() > 0

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended."""
        return self._sent + self._seconds - MARGIN_SECONDS - self._clock.monotonic()

    def holds(self) -> bool:
        """Tell whether nobody else can have it yet: it may be renewed, also where writes must wait for that."""
        return self._clock.monotonic() < self._sent + self._seconds

    async def look(self) -> bool:
        """Look whether nobody holds the lease, and note in `other` who does: nobody, too, where that is not known."""
        self.other = ""
        try:
            there = await self._read()
        except (ClusterError, TimeoutError) as error:
            self._warn("read", error)
            return False
        if self._is_others(there):
            self._failed.clear()
            return False
        # That it can be read does not say that it can be written.
        self._failed.pop("read", None)
        return True

    async def try_once(self) -> bool:
        """Take the lease if nobody else holds it."""
        self._unanswered = True
        return await self._try("acquired", self._take)

    async def renew(self) -> bool:
        """Renew the lease once; tell whether it was renewed. One that was lost is not taken again."""
        return self.holds() and await self._try("renewed", self._keep)

    async def claim(self) -> bool:
        """Say that the holder leads: whoever claims the same namespaces later knows that it is too late."""
        return self.holds() and await self._try("claimed", partial(self._keep, leads=True))

    async def hold(self) -> None:
        """Renew the lease; returns when it is lost. A renewal that fails is tried again soon."""
        renewed, begun = True, self._sent
        while True:
            now = self._clock.monotonic()
            rest = begun + self._seconds / TRIES_A_LEASE - now if renewed else 0.0
            await self._clock.sleep(max(0.0, min(max(SOON_SECONDS, rest), self._sent + self._seconds - now)))
            begun = self._clock.monotonic()
            renewed = await self.renew()
            if not renewed and not self.holds():
                log.error("the lease %s was lost", self.name.name)
                return

    async def seize(self, there: Json) -> str:
        """Take the lease as it was read from whoever holds it, say that we lead, and give the record's version.

        Raises ClusterError and TimeoutError.
        """
        async with self._writing:
            self._written_in = self._term
            await self._write(there, leads=True)
        return self._known[0]

    def abandon(self) -> None:
        """Write nothing more under the lease, and let it run out."""
        self._term += 1
        self._sent = float("-inf")
        self._ours = None
        self._unanswered = False

    async def release(self) -> None:
        """Give the lease up, so that a successor need not wait for it to run out.

        What is under way is waited for: it may be just what makes it ours.
        """
        if not (self.writes_allowed() or self._unanswered):
            return
        self.abandon()
        try:
            async with asyncio.timeout(self._seconds), self._writing:
                there = await self._read()
                if there is not None and holder_of(there) == self.name.identity:
                    await self._merge(there, {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
        except (ClusterError, TimeoutError) as error:
            log.warning("the lease %s could not be released: %s", self.name.name, str(error) or "no answer in time")

    async def _try(self, done: str, write: Callable[[], Awaitable[bool]]) -> bool:
        """Take or renew the lease once; a failure is a no.

        A request that was sent goes on where whoever waits for it is told to end: it may be carried out all the same,
        and a release waits until that is known.
        """
        return await asyncio.shield(asyncio.create_task(self._tried(done, write, self._term)))

    async def _tried(self, done: str, write: Callable[[], Awaitable[bool]], term: int) -> bool:
        async with self._writing:
            self._written_in = term
            try:
                good = await write()
            except Conflict:
                return False
            except (ClusterError, TimeoutError) as error:
                self._warn(done, error)
                return False
        self._failed.clear()
        return good

    def _warn(self, done: str, error: Exception) -> None:
        """Log once what is found anew at each try."""
        name = f"{self.name.namespace}/{self.name.name}"
        text = f"the lease {name} could not be {done}: {str(error) or 'no answer in time'}"
        self._refused.discard(done)
        if isinstance(error, Forbidden):
            text = f"{text}: let the operator's Role get, create and patch the Lease {name}"
            self._refused.add(done)
        if text != self._failed.get(done):
            log.warning("%s", text)
        self._failed[done] = text

    async def _take(self) -> bool:
        """Write our name into the record, unless somebody else's is there."""
        answered = True
        self.has_no_namespace = False
        try:
            there = await self._read()
            if self._is_others(there):
                self.abandon()
                return False
            self.was_led = there is not None and says_it_leads(there)
            is_ours = there is not None and holder_of(there) == self.name.identity
            answered = False
            taken = await self._write(there, leads=is_ours and self.was_led)
            answered = True
        except Conflict:
            answered = True
            raise
        finally:
            self._unanswered = not answered
        return taken

    async def _keep(self, *, leads: bool = False) -> bool:
        """Write our name again where it still is; what was given up or has run out meanwhile is not taken back."""
        if not self.holds():
            return False
        end, ours = self._sent + self._seconds, self._ours
        if ours is not None:
            # Somebody may have written it: another pod of ours, a hand, or we ourselves, unanswered.
            with suppress(Conflict):
                return await self._write(ours, leads=leads or says_it_leads(ours), end=end)
        asked = self._clock.monotonic()
        there = await self._read()
        if self._written_in != self._term:
            return False
        if there is None or holder_of(there) != self.name.identity:
            self.abandon()
            return False
        if self._shared and self._was_renewed_beside(there, asked) and not leads:
            return True
        return await self._write(there, leads=leads or says_it_leads(there), end=end)

    def _was_renewed_beside(self, there: Json, asked: float) -> bool:
        """Whether another process has renewed the record since we asked last, so that it lasts until we ask again.

        It was written after that question was sent: from then on it is held at least.
        """
        (version, since), self._known = self._known, (version_of(there), asked)
        now = self._clock.monotonic()
        next_answer = now + self._seconds / TRIES_A_LEASE + (now - asked)
        if version == version_of(there) or since + self._seconds - MARGIN_SECONDS <= next_answer:
            return False
        self._sent = max(self._sent, since)
        return True

    async def _write(self, there: Json | None, *, leads: bool, end: float = float("inf")) -> bool:
        """Write the record; what is answered too late, or in another term, counts for nothing."""
        if self._written_in != self._term:
            return False
        sent, self._ours = self._clock.monotonic(), None
        marks, spec = lease_marks(self.name, leads=leads), self._record(there)
        if there is None:
            answer = await self._create(self._new(marks, spec))
        else:
            answer = await self._merge(there, {"metadata": marks, "spec": spec})
        if self._written_in != self._term:
            return False
        if self._clock.monotonic() >= end:
            self.abandon()
            return False
        self._ours, self._sent, self._known = answer, sent, (version_of(answer), sent)
        return True

    async def _read(self) -> Json | None:
        return await self._in_time(self._cluster.get(LEASE, *self.name.place))

    async def _create(self, lease: Json) -> Json:
        try:
            return await self._in_time(self._cluster.create(lease))
        except Gone:
            self.has_no_namespace = True
            raise

    async def _merge(self, there: Json, patch: Json) -> Json:
        metadata = {**patch.get("metadata", {}), "resourceVersion": version_of(there)}
        return await self._in_time(self._cluster.merge(LEASE, *self.name.place, {**patch, "metadata": metadata}))

    async def _in_time(self, request: Awaitable[_Answer]) -> _Answer:
        async with asyncio.timeout(self._seconds * ANSWER_PART):
            return await request

    def _is_others(self, there: Json | None) -> bool:
        """Tell whether somebody else holds the lease, and note who."""
        now = self._clock.monotonic()
        if there is None:
            # Where it was deleted by hand, its holder need not have heard of that yet.
            self.was_ours = False
            return now < self._others_until
        holder = holder_of(there)
        self.was_ours = holder == self.name.identity
        self.other = "" if holder == self.name.identity or (holder and self._has_run_out(there)) else holder
        self.others_shards = shards_of(there)
        self.other_leads = bool(self.other) and says_it_leads(there)
        self._others_until = now + self._lasts(there) if self.other else float("-inf")
        return bool(self.other)

    def _has_run_out(self, there: Json) -> bool:
        """Tell whether the record has stood still for its duration, as seen by us."""
        version, now = version_of(there), self._clock.monotonic()
        if version != self._seen[0]:
            self._seen = (version, now)
        return now - self._seen[1] >= self._lasts(there)

    def _lasts(self, there: Json) -> float:
        return float(there["spec"].get("leaseDurationSeconds") or self._seconds)

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

    def _new(self, marks: Json, spec: Json) -> Json:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self.name.name, "namespace": self.name.namespace, **marks},
            "spec": spec,
        }
