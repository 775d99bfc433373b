"""The Authorization header: read from wherever the token is, cached for a minute, read again after a refusal.

Service account tokens are replaced on disk every hour and tokens of exec plugins expire, so neither may be read only
once; reading a file or running a plugin for every request would cost more than the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from serinus.adapters.clock import MonotonicClock
from serinus.core.model.errors import Unavailable

TOKEN_MAX_AGE = 60.0


class Authorization:
    """Gives the header's value. `read` may block: it runs in a thread, one call at a time; it raises OSError."""

    def __init__(
        self, read: Callable[[], str | None], clock: MonotonicClock, *, max_age: float = TOKEN_MAX_AGE
    ) -> None:
        self._read = read
        self._clock = clock
        self._max_age = max_age
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._read_at: float | None = None

    async def header(self, *, refused: str | None = None) -> str | None:
        """Give the value; `refused` is one that the server has just answered with 401."""
        if self._is_good(refused):
            return self._value
        async with self._lock:
            if not self._is_good(refused):
                await self._renew()
            return self._value

    def _is_good(self, refused: str | None) -> bool:
        if self._read_at is None or (refused is not None and refused == self._value):
            return False
        return self._clock.monotonic() - self._read_at < self._max_age

    async def _renew(self) -> None:
        try:
            self._value = await asyncio.to_thread(self._read)
        except OSError as error:
            if self._value is None:
                raise Unavailable(f"the credentials cannot be read: {error}") from error
        self._read_at = self._clock.monotonic()


def token_file(path: Path) -> Callable[[], str | None]:
    """Make a reader of a file that holds a bearer token."""
    return lambda: f"Bearer {path.read_text().strip()}"


def nothing() -> None:
    """Read no token: client certificates, or a server that asks for nothing."""
