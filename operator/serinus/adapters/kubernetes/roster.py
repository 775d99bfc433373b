"""Who shares the work: a Lease without a holder in which each replica of one install writes its own line.

A replica's line is an annotation of its own, so that nobody's write is refused for another's; the answer to the write
shows all lines. A replica is there while its line changes, by our own clock: times of two clocks are never compared.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.api import GROUP
from serinus.core.model.errors import Conflict, Gone
from serinus.core.model.kinds import LEASE, Json

LINE: Final = f"replica.{GROUP}/"


class Roster:
    """The replicas of one install that divide its work by the same number of shards."""

    def __init__(self, cluster: Writer, clock: MonotonicClock, name: LeaseName, *, seconds: float) -> None:
        self._cluster = cluster
        self._clock = clock
        self._name = name
        self._place = (name.namespace, f"{name.name}-replicas")
        self._key = line_of(name.identity)
        self._seconds = seconds
        self._seen: dict[str, tuple[str, float]] = {}
        self._signed = False

    async def sign(self) -> frozenset[str]:
        """Write our line anew, and give the identities of all that are there, our own too; raises ClusterError."""
        lines = await self._write({self._key: self._line(), **dict.fromkeys(self._gone())})
        self._signed, now = True, self._clock.monotonic()
        known = {key: self._seen.get(key, ("", now)) for key in lines}
        self._seen = {key: known[key] if known[key][0] == line else (line, now) for key, line in lines.items()}
        alive = (line for key, line in lines.items() if now - self._seen[key][1] < self._seconds)
        return frozenset({self._name.identity, *(who for who in map(self._reads, alive) if who)})

    async def leave(self) -> None:
        """Take our line out, if it was ever there; raises ClusterError."""
        if self._signed:
            await self._cluster.merge(LEASE, *self._place, {"metadata": {"annotations": {self._key: None}}})

    def _gone(self) -> list[str]:
        """Find the lines that have stood still for long: of pods that come back under no name that we know."""
        now = self._clock.monotonic()
        return [key for key, (_, at) in self._seen.items() if now - at > 2 * self._seconds and key != self._key]

    async def _write(self, lines: dict[str, str | None]) -> dict[str, str]:
        try:
            written = await self._cluster.merge(LEASE, *self._place, {"metadata": {"annotations": lines}})
        except Gone:
            try:
                written = await self._cluster.create(self._new(lines))
            except Conflict:
                written = await self._cluster.merge(LEASE, *self._place, {"metadata": {"annotations": lines}})
        annotations = written["metadata"].get("annotations") or {}
        return {str(key): str(line) for key, line in annotations.items() if key.startswith(LINE)}

    def _new(self, lines: dict[str, str | None]) -> Json:
        namespace, name = self._place
        annotations = {key: line for key, line in lines.items() if line is not None}
        metadata = {"name": name, "namespace": namespace, "annotations": annotations}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": {}}

    def _line(self) -> str:
        """Write who we are; the time is for people, and makes the line another one each time."""
        at = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return json.dumps({"identity": self._name.identity, "shards": self._name.shards, "at": at})

    def _reads(self, line: str) -> str:
        """Read whose line it is; empty where it is none of ours, or of another number of shards."""
        try:
            said: Any = json.loads(line)
        except ValueError:
            return ""
        same = isinstance(said, dict) and said.get("shards") == self._name.shards
        return str(said.get("identity") or "") if same else ""


def line_of(identity: str) -> str:
    """Name the annotation of a replica; the names of pods may be longer than an annotation's."""
    return LINE + hashlib.sha256(identity.encode()).hexdigest()[:16]
