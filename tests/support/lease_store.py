"""All Leases of a cluster, as the API server keeps them: conflicts, merge patches, and what is refused."""

from __future__ import annotations

import copy

from serinus.adapters.kubernetes.lease import LeaderLease
from serinus.core.model.errors import Conflict, Forbidden, Gone, Unavailable
from serinus.core.model.kinds import Json, Kind
from tests.support.merge_patch import merge_patched


class LeaseStore:
    """The port that leases are written by; `away` while it answers nobody."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Json] = {}
        self.forbidden = False
        self.unpatched = False
        self.away = False
        self._version = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._answer()
        return copy.deepcopy(self.stored.get((namespace, name)))

    async def create(self, manifest: Json) -> Json:
        self._answer()
        place = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if place in self.stored:
            raise Conflict("it exists")
        return self._store(place, copy.deepcopy(manifest))

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._answer()
        if self.unpatched:
            raise Forbidden("leases")
        live = self.stored.get((namespace, name))
        if live is None:
            raise Gone("there is none")
        version = live["metadata"]["resourceVersion"]
        if patch["metadata"].get("resourceVersion", version) != version:
            raise Conflict("it has changed")
        return self._store((namespace, name), merge_patched(live, patch))

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        self._answer()
        if self.forbidden:
            raise Forbidden("leases")
        labelled = (one for one in self.stored.values() if label_selector in (one["metadata"].get("labels") or {}))
        return [copy.deepcopy(one) for one in labelled]

    def holder(self, namespace: str, name: str) -> str:
        """Say who holds a Lease; nobody, too, where there is none."""
        there = self.stored.get((namespace, name))
        return "" if there is None else str(there["spec"].get("holderIdentity") or "")

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the API server is away")

    def _store(self, place: tuple[str, str], lease: Json) -> Json:
        self._version += 1
        lease["metadata"]["resourceVersion"] = str(self._version)
        self.stored[place] = lease
        return copy.deepcopy(lease)


async def acquired(lease: LeaderLease) -> None:
    """Wait until a lease is held."""
    while not await lease.try_once():
        await lease._clock.sleep(1.0)
