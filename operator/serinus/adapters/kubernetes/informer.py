"""Keeps the cache current: lists a kind once, then follows its changes for as long as the process lives.

Our own, because kopf's watches cost four times as much per object, end the process when the API server answers
something unexpected, and synthesise no deletion after a gap. Every failure is counted and retried.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final, Protocol

import aiohttp

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.answers import Expired
from serinus.adapters.kubernetes.connection import PAGE_SIZE, Connection, Request
from serinus.adapters.kubernetes.watch import Watched, read_page, watch
from serinus.core.model.errors import ClusterError, Forbidden, Gone, Unavailable
from serinus.core.model.kinds import Json, Kind

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 15.0
ABSENT_DELAY: Final = 30.0
"""Between two looks for a kind that the cluster does not know (yet): Istio may be installed after us."""
LOOKS_FOR_ABSENT: Final = 4
"""An API server that has just started does not know its CRDs for a moment: only then is absence believed.

One that says that it is ready knows them, and is believed at the look after that: a start must not wait for a kind that
most clusters do not have.
"""
READY_PATH: Final = "/readyz"
"""Answered by 200 once the CRDs are read (its check poststarthook/crd-informer-synced); anybody may ask."""

log = logging.getLogger(__name__)


class Sink(Protocol):
    """What an informer feeds; `ObjectCache` is one."""

    def store(self, manifest: Json) -> None: ...

    def forget(self, kind: Kind, namespace: str, name: str, resource_version: str | None = None) -> None: ...

    def retain(self, kind: Kind, places: set[tuple[str, str]], resource_version: str, namespace: str = "") -> None: ...


class Informer:
    """Follows one kind. `restarts` counts what ended otherwise than by the server's own time-out."""

    def __init__(
        self, connection: Connection, watched: Watched, sink: Sink, clock: MonotonicClock, *, page_size: int = PAGE_SIZE
    ) -> None:
        self.watched = watched
        self.synced = asyncio.Event()
        self.absent = False
        self.restarts = 0
        self._connection = connection
        self._sink = sink
        self._clock = clock
        self._page_size = page_size
        self._resource_version = ""
        self._heard_at = clock.monotonic()
        self._failures = 0
        self._believes_absence = False
        """Whether the server said that it is ready when it did not know the kind: its next word is believed."""

    def silence(self) -> float:
        """Give the seconds since the last event, bookmark or list."""
        return self._clock.monotonic() - self._heard_at

    async def run(self) -> None:
        """List and watch for ever; only a cancellation ends it."""
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                await self._follow()
            except Exception as error:
                if self._is_first_word_of_absence(error) and await self._server_is_ready():
                    self._believes_absence = True
                    continue
                await self._clock.sleep(self._delay_after(error))

    def _is_first_word_of_absence(self, error: Exception) -> bool:
        known = self.watched.optional or self.absent or self._failures or self._believes_absence
        return isinstance(error, Gone) and not known

    async def _server_is_ready(self) -> bool:
        """Ask whether the API server has started; no answer is a no."""
        try:
            async with self._connection.send(Request("GET", READY_PATH)) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _list(self) -> None:
        """Take in all pages; what the cache knows already costs nothing, what is missing from the list is forgotten."""
        places: set[tuple[str, str]] = set()
        token = ""
        while True:
            page = await read_page(self._connection, self.watched, token, self._page_size)
            for manifest in page.items:
                self._sink.store(manifest)
                places.add((manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]))
            self._hear()
            token = page.token
            if not token:
                break
            await asyncio.sleep(0)
        self._sink.retain(self.watched.kind, places, page.resource_version, self.watched.namespace)
        self._resource_version = page.resource_version
        self._failures = 0 if self.absent else self._failures
        self.absent = self._believes_absence = False
        self.synced.set()

    async def _follow(self) -> None:
        """Take in one watch until the server ends it; a stream that ends without a word is a failure."""
        heard = False
        async with aclosing(watch(self._connection, self.watched, self._resource_version)) as events:
            async for event in events:
                self._take(event["type"], event["object"])
                heard = True
        if not heard:
            raise Unavailable("the watch ended without an event")

    def _take(self, event: str, manifest: Json) -> None:
        metadata = manifest["metadata"]
        if event in ("ADDED", "MODIFIED"):
            self._sink.store(manifest)
        elif event == "DELETED":
            self._sink.forget(
                self.watched.kind, metadata.get("namespace", ""), metadata["name"], metadata["resourceVersion"]
            )
        self._resource_version = metadata["resourceVersion"]
        self._failures = 0
        self._hear()

    def _hear(self) -> None:
        self._heard_at = self._clock.monotonic()

    def _delay_after(self, error: Exception) -> float:
        """Note why a list or watch ended, decide whether to list anew, and give the time to wait."""
        again = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self._failures, 10))
        self._failures += 1
        forgiven = self.watched.optional or self.watched.recent
        if isinstance(error, Gone) or (forgiven and isinstance(error, Forbidden)):
            return self._delay_when_absent(again, error)
        self.restarts += 1
        plural = self.watched.kind.plural
        if isinstance(error, Expired):
            self._resource_version = ""
            return again if self._failures > 1 else 0.0
        if isinstance(error, (ClusterError, aiohttp.ClientError, OSError, TimeoutError)):
            log.warning("the watch of %s ended: %s", plural, error or type(error).__name__)
        else:
            self._resource_version = ""
            unforeseen = None if isinstance(error, ValueError) else error
            log.error("what was sent for %s cannot be read: %r", plural, error, exc_info=unforeseen)
        asked = error.retry_after if isinstance(error, Unavailable) else None
        return asked or again

    def _delay_when_absent(self, again: float, error: Exception) -> float:
        """Look again soon at first, then slowly; a kind that is surely absent has no objects, so it is synced."""
        self._resource_version = ""
        self._hear()
        is_sure = self.watched.optional or self._believes_absence or self._failures >= LOOKS_FOR_ABSENT
        if not is_sure:
            return again
        if not self.absent:
            if isinstance(error, Forbidden):
                log.error("%s cannot be watched, and count as absent: %s", self.watched.kind.plural, error)
            else:
                say = log.info if self.watched.optional else log.warning
                say("the cluster does not know %s: looking again later", self.watched.kind.plural)
        self.absent = True
        self.synced.set()
        return ABSENT_DELAY


class Informers:
    """All informers of a process, each in a task that is started again if it ends."""

    def __init__(self, connection: Connection, watched: Sequence[Watched], sink: Sink, clock: MonotonicClock) -> None:
        self._informers = tuple(Informer(connection, each, sink, clock) for each in watched)
        self._clock = clock

    async def synced(self, patience: float = math.inf) -> None:
        """Wait until every kind has been listed once, or is known to be absent.

        Raises Unavailable where nothing comes of one for so long (s): a list of very many may take minutes.
        """
        while waiting := [one for one in self._informers if not one.synced.is_set()]:
            if silent := _plurals(one for one in waiting if one.silence() >= patience):
                text = f"cannot list {', '.join(silent)} within {patience:.0f} s"
                raise Unavailable(f"{text}: check the API server and the operator's rights")
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_DELAY):
                    await waiting[0].synced.wait()

    def absent(self) -> tuple[str, ...]:
        """Name the kinds that the cluster does not know."""
        return _plurals(each for each in self._informers if each.absent)

    def silence(self) -> Mapping[str, float]:
        """Give the seconds since the last word, by kind; of several namespaces the longest."""
        found: dict[str, float] = {}
        for each in self._informers:
            plural = each.watched.kind.plural
            found[plural] = max(found.get(plural, 0.0), each.silence())
        return found

    def restarts(self) -> Mapping[str, int]:
        """Give how often a watch had to be started anew, by kind."""
        found: Counter[str] = Counter()
        for each in self._informers:
            found[each.watched.kind.plural] += each.restarts
        return found

    async def run(self, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """Run all of them until cancelled, after something else; a task that somebody else ended is started again."""
        if after is not None:
            await after()
        running = {self._start(informer): informer for informer in self._informers}
        try:
            while True:
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    informer = running.pop(task)
                    informer.restarts += 1
                    log.warning("the task that watches %s ended: started again", informer.watched.kind.plural)
                    running[self._start(informer)] = informer
                await self._clock.sleep(FIRST_DELAY)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @staticmethod
    def _start(informer: Informer) -> asyncio.Task[None]:
        return asyncio.create_task(informer.run(), name=f"informer {informer.watched.kind.plural}")


def _plurals(informers: Iterable[Informer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.watched.kind.plural for each in informers))
