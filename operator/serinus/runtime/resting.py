"""Lets ModelDeployments rest at which nothing goes on: what a pass can read again takes no room meanwhile.

Ten thousand idle objects are looked at once in minutes, each for a millisecond. So those that were looked at last are
kept as they are, as long as they are few, and of the others only what decides and stands nowhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from serinus.core.model.identity import Key
from serinus.core.model.kinds import CONTROLLER_REVISION, Json
from serinus.core.model.packing import Packed
from serinus.runtime.claims_by_api import ClaimsByApi
from serinus.runtime.members import Members
from serinus.runtime.memory import Memories
from serinus.runtime.ports import Cache

MOST_AWAKE: Final = 64
"""Idle ModelDeployments that are kept ready: what wakes one usually wakes it several times within a second."""


class Resting:
    """Knows who is awake: whoever has a rollout that goes on or a pass that runs, and the idle that were last to."""

    def __init__(
        self, cache: Cache, memories: Memories, claims: ClaimsByApi, members: Members, *, most: int = MOST_AWAKE
    ) -> None:
        self._cache = cache
        self._memories = memories
        self._claims = claims
        self._members = members
        self._most = most
        self._idle: OrderedDict[Key, None] = OrderedDict()

    @contextmanager
    def awake(self, key: Key) -> Iterator[None]:
        """Keep a ModelDeployment ready for a pass and the next; also where it fails, as all may do at once."""
        self._idle.pop(key, None)
        self._cache.unpack(key.namespace, key.name)
        try:
            yield
        finally:
            self._count(key)

    def _count(self, key: Key) -> None:
        """Count an idle one as the last that was looked at, and let those rest that are too many."""
        memory = self._memories.get(key)
        if memory is not None and memory.goes_on:
            return
        self._idle[key] = None
        while len(self._idle) > self._most:
            self._rest(self._idle.popitem(last=False)[0])

    def forget(self, key: Key) -> None:
        """Keep nothing ready of what is gone, or of what another process decides now."""
        self._idle.pop(key, None)
        self._rest(key)

    def _rest(self, key: Key) -> None:
        memory = self._memories.get(key)
        if memory is not None:
            memory.rest(self._packed)
        self._claims.rest(key)
        self._members.rest(key)
        self._cache.pack(key.namespace, key.name)

    def _packed(self, revision: Json) -> Packed | None:
        """Share what the cache keeps of a ControllerRevision, if it is still this very version."""
        metadata = revision["metadata"]
        place = CONTROLLER_REVISION, str(metadata["namespace"]), str(metadata["name"])
        same = str(self._cache.version(*place)) == metadata.get("resourceVersion")
        return self._cache.packed(*place) if same else None
