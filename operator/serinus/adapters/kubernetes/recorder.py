"""Events on objects, for `kubectl describe`: the port `Recorder`.

An Event must never delay or fail what it reports. `record` only puts it in a bounded queue; a separate task sends it,
and failures are counted and logged. The same message about the same object is one Event with a count, under a name that
can be derived again, so that a restart keeps counting.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.client import Writer
from serinus.core.model.errors import ClusterError, Conflict, Gone
from serinus.core.model.kinds import EVENT, Json

LINE_LENGTH: Final = 256
REMEMBERED: Final = 2048
LONGEST_MESSAGE: Final = 1024
PATIENCE: Final = 50
PAUSE_SECONDS: Final = 0.1
"""An Event lets pass what is more urgent, but not for ever."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Word:
    """One thing to tell, and when it was said."""

    about: Json
    reason: str
    message: str
    warning: bool
    at: float
    context: Context
    """That of whoever says it: it may be no longer for them to say by the time that it is sent."""

    @property
    def namespace(self) -> str:
        return str(self.about.get("namespace") or "default")

    @property
    def name(self) -> str:
        said = "\n".join((str(self.about.get("uid")), self.reason, self.message))
        return f"{str(self.about['name'])[:200]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"


class EventRecorder:
    """Sends Events from a line; `dropped` counts those that found it full, `failed` those that were refused."""

    def __init__(
        self, cluster: Writer, clock: MonotonicClock, *, instance: str, must_wait: Callable[[], bool] = lambda: False
    ) -> None:
        self.dropped = 0
        self.failed = 0
        self._must_wait = must_wait
        self._cluster = cluster
        self._clock = clock
        self._instance = instance
        self._line: asyncio.Queue[_Word] = asyncio.Queue(LINE_LENGTH)
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def record(self, about: Json, *, reason: str, message: str, warning: bool) -> None:
        """Line up an Event about an object reference (apiVersion, kind, namespace, name, uid); returns at once."""
        try:
            said = message[:LONGEST_MESSAGE]
            self._line.put_nowait(_Word(about, reason, said, warning, self._clock.now(), copy_context()))
        except asyncio.QueueFull:
            self.dropped += 1
            log.warning("an Event was dropped: %s of %s: %s", reason, about.get("name"), message)

    async def run(self) -> None:
        """Send what is in the line until cancelled."""
        while True:
            word = await self._line.get()
            try:
                await self._let_pass()
                await asyncio.create_task(self._send(word), context=word.context)
            except ClusterError as error:
                self.failed += 1
                log.warning("the Event %s of %s was not written: %s", word.reason, word.about.get("name"), error)
            finally:
                self._line.task_done()

    async def flush(self) -> None:
        """Wait until the line is empty; for a shutdown, under a time limit of the caller's."""
        await self._line.join()

    async def _let_pass(self) -> None:
        """Wait while weight may have to be taken away: in a storm of reverts each Event would delay one of them."""
        for _ in range(PATIENCE):
            if not self._must_wait():
                return
            await self._clock.sleep(PAUSE_SECONDS)

    async def _send(self, word: _Word) -> None:
        """Count an Event that is there already, else create it; whichever turns out wrong, the other is right."""
        place = (word.namespace, word.name)
        count = self._counts.get(place) or 0
        try:
            written = await (self._count(word, count + 1) if count else self._cluster.create(self._event(word)))
        except Gone:
            written = await self._cluster.create(self._event(word))
        except Conflict:
            there = await self._cluster.get(EVENT, *place)
            written = await self._count(word, int((there or {}).get("count") or 1) + 1)
        self._remember(place, int(written.get("count") or 1))

    async def _count(self, word: _Word, count: int) -> Json:
        patch = {"count": count, "lastTimestamp": _time(word.at)}
        return await self._cluster.merge(EVENT, word.namespace, word.name, patch)

    def _remember(self, place: tuple[str, str], count: int) -> None:
        self._counts[place] = count
        self._counts.move_to_end(place)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _event(self, word: _Word) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": word.name, "namespace": word.namespace},
            "involvedObject": word.about,
            "type": "Warning" if word.warning else "Normal",
            "reason": word.reason,
            "message": word.message,
            "count": 1,
            "firstTimestamp": _time(word.at),
            "lastTimestamp": _time(word.at),
            "source": {"component": "serinus"},
            "reportingComponent": "serinus.dev/operator",
            "reportingInstance": self._instance,
        }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
