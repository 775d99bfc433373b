"""One line every few seconds: how much has arrived, of how much, and how fast."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

SECONDS = 5.0
_MEGABYTE = 1_000_000


class Progress:
    """Counts bytes from any thread, and says the count while it is entered."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float], seconds: float = SECONDS) -> None:
        self._say = say
        self._now = now
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._arrived = 0
        self._earlier = 0
        self._total: int | None = None
        self._started = now()

    @property
    def arrived(self) -> int:
        """Count the bytes that arrived, those of an earlier fetch not among them."""
        return self._arrived

    def expect(self, total: int | None, earlier: int) -> None:
        """Say how many bytes there are in all, and how many an earlier fetch has left."""
        self._total, self._earlier = total, earlier

    def add(self, count: int) -> None:
        """Count bytes; a negative number takes back what has to be asked for again."""
        with self._lock:
            self._arrived += count

    def line(self) -> str:
        """Write the line."""
        seconds = max(self._now() - self._started, 1e-9)
        have = self._earlier + self._arrived
        of = "" if self._total is None else f" of {_megabytes(self._total)} MB"
        share = f" ({have * 100 // self._total} %)" if self._total else ""
        resumed = f", {_megabytes(self._earlier)} MB of them earlier" if self._earlier else ""
        return f"fetched {_megabytes(have)}{of}{share} at {_megabytes(self._arrived / seconds)} MB/s{resumed}"

    def __enter__(self) -> Progress:
        self._teller = threading.Thread(target=self._tell, name="progress", daemon=True)
        self._teller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._teller.join()

    def _tell(self) -> None:
        while not self._ended.wait(self._seconds):
            self._say(self.line())


def _megabytes(count: float) -> str:
    return f"{count / _MEGABYTE:.1f}"
