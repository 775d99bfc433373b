"""Takes shards over and hands them on: from the lease of a shard to passes over its ModelDeployments, and back.

The caches may lag behind what the last leader has written, so both kinds are read anew once the lease is ours. That may
take seconds with ten thousand objects: what is shown to anybody is read one by one before, and decided at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Kind
from serinus.runtime.engine import Engine
from serinus.runtime.leading import Leading
from serinus.runtime.ports import Cache, Tenure

log = structlog.get_logger("serinus.shards")

EARLY: Final = 50
"""So many are read one by one before all are: of more, all are read sooner."""
AGAIN_SECONDS: Final = 1.0


class Rereads(Protocol):
    """Reads what is stored into the cache."""

    async def __call__(self, key: Key) -> None: ...

    async def everything(self, kind: Kind) -> None: ...


class Handover:
    """Opens and closes the shards that this process is given; `opened` is told when there is one more.

    `settled` waits for what is written beside the passes, and has been told to end.
    """

    def __init__(
        self,
        leading: Leading,
        engine: Engine,
        cache: Cache,
        *,
        reread: Rereads,
        settled: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        opened: Callable[[], None],
    ) -> None:
        self._leading = leading
        self._engine = engine
        self._cache = cache
        self._reread = reread
        self._settled = settled
        self._sleep = sleep
        self._opened = opened
        self._due: dict[int, Tenure] = {}
        self._asked = asyncio.Event()

    def begin(self, shard: int, tenure: Tenure) -> None:
        """Take a shard over, as soon as what is stored has been read."""
        self._due[shard] = tenure
        self._asked.set()

    async def finish(self, shard: int) -> None:
        """Begin nothing more in a shard; return when nothing of it is under way."""
        self._due.pop(shard, None)
        self._leading.finish(shard)
        await self._engine.finished(shard)
        self._engine.drop(self._keys(shard))
        await self._settled()

    def end(self, shard: int) -> None:
        """Decide nothing of a shard any more, and keep nothing of it."""
        self._due.pop(shard, None)
        self._leading.close(shard)
        self._engine.drop(self._keys(shard))

    async def run(self) -> None:
        """Take over what is due, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._take_over()
            except ClusterError as error:
                log.warning("what the shards hold cannot be read", why=str(error))
                await self._sleep(AGAIN_SECONDS)
                self._asked.set()

    async def _take_over(self) -> None:
        due = dict(self._due)
        await self._take_early(due)
        for kind in (ROLLOUT, MODEL_DEPLOYMENT):
            await self._reread.everything(kind)
            await self._take_early(due)
        for shard, tenure in due.items():
            # It may have been lost while everything was read, and even be ours again.
            if self._due.get(shard) is tenure:
                del self._due[shard]
                self._open(shard, tenure)

    async def _take_early(self, due: dict[int, Tenure]) -> None:
        """Decide at once what sends anybody to a canary: its revert must not wait for all that is idle."""
        shown = {key for key in self._engine.shown() if self._leading.shard_of(key) in due}
        early = [key for key in shown if self._leading.of(key) is None]
        if not early or len(shown) > EARLY:
            return
        for key in early:
            await self._reread(key)
        for shard, tenure in due.items():
            if self._due.get(shard) is tenure:
                self._leading.open(shard, tenure, only=shown)
        self._engine.find_live()

    def _open(self, shard: int, tenure: Tenure) -> None:
        self._leading.open(shard, tenure)
        self._engine.find_live()
        for key in self._keys(shard):
            self._engine.wake(key)
        log.info("leads", shard=shard, shards=self._leading.shards)
        self._opened()

    def _keys(self, shard: int) -> list[Key]:
        places = (Key(*place) for place in self._cache.versions(MODEL_DEPLOYMENT))
        return [key for key in places if self._leading.shard_of(key) == shard]
