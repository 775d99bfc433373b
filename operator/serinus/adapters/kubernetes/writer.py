"""What the lease and the recorder need of the cluster; the real one is `client`."""

from __future__ import annotations

from typing import Protocol

from serinus.core.model.kinds import Json, Kind


class Writer(Protocol):
    """Reads, creates and merges single objects."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None: ...

    async def create(self, manifest: Json) -> Json: ...

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json: ...
