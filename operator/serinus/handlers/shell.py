"""Runs kopf in its own thread, and restarts it when it ends.

kopf ends completely on an unexpected answer to a watch and cancels every task of its event loop; in a loop of its own
it affects nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import kopf

from serinus.core.model.kinds import Json, Kind
from serinus.handlers.settings import settings
from serinus.handlers.watches import Login, Take, watching

RESTART_SECONDS = 1.0
STOP_SECONDS = 10.0
TAKEN_AT_ONCE: Final = 64

ENDED: Final = (Exception, asyncio.CancelledError)
"""What kopf may end with: it cancels every task of its loop, the one that runs it too."""

log = logging.getLogger(__name__)


class Shell:
    """kopf as a part that can be started, stopped and counted; without namespaces it watches all of them."""

    def __init__(
        self, take: Take, login: Login, *, monotonic: Callable[[], float], namespaces: Sequence[str] = ()
    ) -> None:
        self.restarts = 0
        self.heard = 0
        """How much was told and taken."""
        self._monotonic = monotonic
        self._heard_at = monotonic()
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._told = deque[tuple[Kind, str, Json]]()
        self._told_of = False
        """Whether the operator's loop has been told that something was."""
        self._login = login
        self._namespaces = tuple(namespaces)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    @property
    def dead(self) -> bool:
        """Whether nobody starts kopf again: its thread has ended unasked."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stop.is_set()

    def silence(self) -> float:
        """Give the seconds since kopf told of anything; where nothing happens it tells of nothing."""
        return self._monotonic() - self._heard_at

    async def stop(self) -> None:
        """End kopf, if it was started, and wait for its thread."""
        self._stop.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, STOP_SECONDS)

    def _supervise(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._operate())
            except ENDED as error:
                log.warning("kopf ended and is started again: %s", error or type(error).__name__)
            if not self._stop.is_set():
                self.restarts += 1
                self._stop.wait(RESTART_SECONDS)

    async def _operate(self) -> None:
        asyncio.get_running_loop().set_exception_handler(told)
        registry = watching(self._hand_over, self._login)
        await kopf.operator(
            registry=registry,
            settings=settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            stop_flag=self._stop,
        )

    def _hand_over(self, kind: Kind, event: str, manifest: Json) -> None:
        self._heard_at = self._monotonic()
        self._told.append((kind, event, manifest))
        if not self._told_of and not self._loop.is_closed():
            # To wake another loop costs more than to take an event: at a start there are two for each ModelDeployment.
            self._told_of = True
            self._loop.call_soon_threadsafe(self._take_some)

    def _take_some(self) -> None:
        """Take what kopf has told of, some at a time: other work has its turn between."""
        self._told_of = False
        try:
            for _ in range(min(TAKEN_AT_ONCE, len(self._told))):
                self.heard += 1
                self._take(*self._told.popleft())
        finally:
            if self._told and not self._told_of:
                self._told_of = True
                self._loop.call_soon(self._take_some)


def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waits for in kopf's loop, but for generators that fail to close as it ends.

    The loop closes all that are open at once, and kopf's watches wait inside one another: whichever is closed before
    the one around it makes that one fail. Nothing is lost, as nobody listens any more.
    """
    if "asyncgen" in context:
        log.debug("a watch of kopf did not close cleanly: %s", context.get("exception"))
        return
    loop.default_exception_handler(context)
