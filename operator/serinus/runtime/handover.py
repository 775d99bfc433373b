"""Takes shards over and hands them on: from the lease of a shard to passes over its ModelDeployments, and back.

The caches may lag behind what the last leader has written, so both kinds are read anew once the lease is ours. That may
take seconds with ten thousand objects: what is shown to anybody is read by itself beside that, and decided at once. So
it is while the cluster is not known yet, when passes do nothing but take weight away (`runtime/way_back.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

import structlog

from serinus.core.model.errors import ClusterError, Invalid
from serinus.core.model.identity import Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json, Kind
from serinus.runtime.engine import Engine
from serinus.runtime.leading import Leading
from serinus.runtime.ports import Cache, Tenure
from serinus.runtime.way_back import Early

log = structlog.get_logger("serinus.shards")

READS_AT_ONCE: Final = 8
"""So many of those that are shown to anybody are read at the same time: their writes need connections, too."""
AGAIN_SECONDS: Final = 1.0
LIVE_FIRST_SECONDS: Final = 5.0
"""Of others' shards nobody here judges the live ones, and of our own not before a lease is ours."""
LIVE_LOOK_SECONDS: Final = 0.05
FIRST_PASSES_SECONDS: Final = 30.0
FIRST_PASSES_LOOK_SECONDS: Final = 0.25
FIRST_WORD_SECONDS: Final = 30.0
FIRST_WORD_LOOK_SECONDS: Final = 0.5
UNREAD_SECONDS: Final = 60.0
"""Between two tries to read the namespaces that were left out."""


class Rereads(Protocol):
    """Reads what is stored into the cache; all raise ClusterError."""

    async def __call__(self, key: Key) -> None: ...

    async def live(self) -> Collection[str]:
        """Read the Rollouts that may send somebody to a canary; Invalid where the API server cannot select them.

        It gives and raises what `everything` does.
        """

    async def everything(self, kind: Kind) -> Collection[str]:
        """Read all objects of a kind; name the namespaces where that is forbidden. Where all are, that is raised."""


class Handover:
    """Opens and closes the shards that this process is given; `opened` is told when there is one more.

    `settled` waits for what is written beside the passes, and has been told to end. Until `early.known`
    says that the caches are filled only what is shown to anybody is looked at.
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
        early: Early,
    ) -> None:
        self._leading = leading
        self._engine = engine
        self._cache = cache
        self._reread = reread
        self._settled = settled
        self._sleep = sleep
        self._opened = opened
        self._known = early.known
        self._judged = early.judged
        self.hears = False
        """Whether kopf tells of what changes: before that no other replica should count on us."""
        self._found = False
        """Whether it was asked who is live."""
        self._due: dict[int, Tenure] = {}
        self._unheld = frozenset[str]()
        """What we were told last to keep out of."""
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()
        """Whether there may be more to be decided before all is read."""
        self._early: dict[Key, Tenure] = {}
        """What is being read by itself, and for which tenure."""
        self._slots = asyncio.Semaphore(READS_AT_ONCE)
        cache.follow(ROLLOUT, self._rolled)

    def begin(self, shard: int, tenure: Tenure) -> None:
        """Take a shard over, as soon as what is stored has been read."""
        self._due[shard] = tenure
        self._asked.set()
        self._changed.set()

    async def finish(self, shard: int) -> None:
        """Begin nothing more in a shard; return when nothing of it is under way."""
        self._due.pop(shard, None)
        self._leading.finish(shard)
        await self._engine.finished(shard)
        # That ends what is written beside the passes, too.
        self._drop(shard)
        await self._settled()

    def end(self, shard: int) -> None:
        """Decide nothing of a shard any more, and keep nothing of it."""
        self._due.pop(shard, None)
        self._leading.close(shard)
        self._drop(shard)

    def shown(self, shard: int) -> int:
        """Give the number of ModelDeployments in a shard that send anybody to a canary."""
        return sum(self._leading.shard_of(key) == shard for key in self._engine.shown())

    def keep_out_of(self, namespaces: frozenset[str]) -> None:
        """Decide nothing in these, from now on; in what is not among them any more once all has been read anew."""
        self._unheld = namespaces
        self._leading.unheld |= namespaces
        if self._leading.unheld != namespaces:
            self._asked.set()

    def know(self) -> None:
        """Take in that the caches are filled: what was looked at early is read again, and looked at in whole passes.

        Nobody has watched the ModelDeployments and Rollouts until now.
        """
        self._known.set()
        for shard in self._due:
            self._leading.close(shard)
        self._changed.set()

    async def live_first(self) -> None:
        """Wait until who is live has been judged, but not for long: lists of all would take all of this process."""
        for _ in range(round(LIVE_FIRST_SECONDS / LIVE_LOOK_SECONDS)):
            if self._found and self._engine.shown() <= self._judged:
                return
            await self._sleep(LIVE_LOOK_SECONDS)

    async def first_passes(self) -> None:
        """Wait until what is idle has had its first pass, but not for long: kopf, which tells of changes, first lists
        all of it once more, and that takes as much of this process as the passes do.
        """
        for _ in range(round(FIRST_PASSES_SECONDS / FIRST_PASSES_LOOK_SECONDS)):
            if not self._due and len(self._engine.queue) <= self._engine.queue.urgent:
                return
            await self._sleep(FIRST_PASSES_LOOK_SECONDS)

    async def first_word(self, heard: Callable[[], int]) -> None:
        """Wait until kopf has told of as much as there is, but not for long: some of it may be hidden from it."""
        for _ in range(round(FIRST_WORD_SECONDS / FIRST_WORD_LOOK_SECONDS)):
            if heard() >= sum(len(self._cache.versions(kind)) for kind in (MODEL_DEPLOYMENT, ROLLOUT)):
                break
            await self._sleep(FIRST_WORD_LOOK_SECONDS)
        self.hears = True

    async def run(self) -> None:
        """Take over what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._find_live())
            group.create_task(self._open_all())
            group.create_task(self._open_early(group))
            group.create_task(self._read_the_rest())

    async def _find_live(self) -> None:
        """Find what is shown to anybody before everything is listed, where the API server can be asked for that."""
        while not (self._found or self._known.is_set()):
            try:
                left_out = await self._reread.live()
                self._found = True
                if left_out:
                    log.warning("live rollouts wait until all is listed: they may not be read", of=sorted(left_out))
            except Invalid as error:
                log.info("live rollouts wait until all is listed: they cannot be selected", why=str(error))
                self._found = True
            except ClusterError as error:
                log.warning("live rollouts cannot be found", why=str(error))
                await self._sleep(AGAIN_SECONDS)

    async def _open_all(self) -> None:
        while True:
            await self._asked.wait()
            await self._known.wait()
            self._asked.clear()
            try:
                await self._take_over()
            except ClusterError as error:
                log.warning("what the shards hold cannot be read", why=str(error))
                await self._sleep(AGAIN_SECONDS)
                self._asked.set()

    async def _take_over(self) -> None:
        due, unheld = dict(self._due), self._unheld
        self._leave_out(await self._read_all())
        self._come_back(unheld | self._unheld)
        for shard, tenure in due.items():
            # It may have been lost while everything was read, and even be ours again.
            if self._due.get(shard) is tenure:
                del self._due[shard]
                self._open(shard, tenure)

    async def _read_all(self) -> frozenset[str]:
        """Read both kinds; give the namespaces in which we may not."""
        return frozenset[str]().union(*[await self._reread.everything(kind) for kind in (ROLLOUT, MODEL_DEPLOYMENT)])

    def _leave_out(self, unread: frozenset[str]) -> None:
        """Decide nothing in what may not be read: one such namespace must not hold up all others."""
        for namespace in sorted(unread - self._leading.left_out):
            log.error("a namespace may not be read, and is left out", namespace=namespace, again_in=UNREAD_SECONDS)
        readable, self._leading.left_out = self._leading.left_out - unread, unread
        self._wake_all_of(readable)

    def _come_back(self, unheld: frozenset[str]) -> None:
        """Decide again what is in namespaces that are ours again, and have been read since."""
        ours, self._leading.unheld = self._leading.unheld - unheld, unheld
        self._wake_all_of(ours)

    def _wake_all_of(self, namespaces: frozenset[str]) -> None:
        if not namespaces:
            return
        self._engine.find_live()
        for place in self._cache.versions(MODEL_DEPLOYMENT):
            if place[0] in namespaces:
                self._engine.wake(Key(*place))

    async def _read_the_rest(self) -> None:
        """Try again to read what was left out."""
        while True:
            await self._sleep(UNREAD_SECONDS)
            if not self._leading.left_out:
                continue
            try:
                self._leave_out(await self._read_all())
            except ClusterError as error:
                log.warning("what was left out cannot be read", why=str(error))

    def _rolled(self, namespace: str, name: str, rollout: Json | None) -> None:
        """Take in that a Rollout has changed: one that is heard of late may be shown to somebody."""
        if self._due:
            self._changed.set()

    async def _open_early(self, group: asyncio.TaskGroup) -> None:
        """Decide at once what sends anybody to a canary: its revert must not wait for all that is idle."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for key in self._engine.shown():
                tenure = self._due.get(self._leading.shard_of(key))
                known = self._leading.of(key) is not None or self._early.get(key) is tenure
                if tenure is not None and not known:
                    self._early[key] = tenure
                    group.create_task(self._admit(key, tenure))

    async def _admit(self, key: Key, tenure: Tenure) -> None:
        """Read one by itself and decide it, unless all are read sooner, or its shard is lost."""
        said = ""
        while self._is_early(key, tenure) and (why := await self._not_read(key)):
            if why != said:
                log.warning("what is shown cannot be read by itself", key=str(key), why=why)
            said = why
            await self._sleep(AGAIN_SECONDS)
        if self._is_early(key, tenure):
            self._leading.admit(key, tenure)
            self._engine.put_in_front(key)
        if self._early.get(key) is tenure:
            del self._early[key]

    async def _not_read(self, key: Key) -> str:
        """Read one, or say why that cannot be."""
        if not self._known.is_set():
            # Its first pass reads more of it than that.
            return ""
        async with self._slots:
            try:
                await self._reread(key)
            except ClusterError as error:
                return str(error) or type(error).__name__
        return ""

    def _is_early(self, key: Key, tenure: Tenure) -> bool:
        """Whether the shard of a ModelDeployment is still being read."""
        return self._due.get(self._leading.shard_of(key)) is tenure

    def _open(self, shard: int, tenure: Tenure) -> None:
        self._leading.open(shard, tenure)
        self._engine.find_live()
        for place in self._cache.versions(MODEL_DEPLOYMENT):
            if self._leading.shard_of(Key(*place)) == shard:
                self._engine.wake(Key(*place))
        log.info("leads", shard=shard, shards=self._leading.shards)
        self._opened()

    def _drop(self, shard: int) -> None:
        """Keep nothing of a shard, nor of what was deleted while it was finished with."""
        self._engine.drop(key for key in self._engine.remembered() if self._leading.shard_of(key) == shard)
