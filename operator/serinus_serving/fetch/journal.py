"""Remembers which parts of which files have arrived, so that a fetch that was cut goes on where it was.

What the kernel had not written yet is lost when the node goes down, while the journal may say that it is there: a
journal is good for the boot in which it was begun.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import IO

from serinus_serving.fetch.source import RemoteFile, Span

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_Key = tuple[str, str, int, int, int]


class Journal:
    """The parts that have arrived; one line each, written when the part is complete."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path = path
        self._header = {"uri": uri, "boot": _BOOT.read_text().strip() if _BOOT.exists() else ""}
        self._lock = threading.Lock()
        self._arrived = self._read()
        self._written: IO[str] | None = None

    def has(self, file: RemoteFile, part: Span) -> bool:
        """Tell whether a part of the file, as it is now, has arrived earlier."""
        return _key(file, part) in self._arrived

    def add(self, file: RemoteFile, part: Span) -> None:
        """Remember that a part has arrived; a file that cannot be told from a later one is not remembered."""
        if not file.identity:
            return
        with self._lock:
            if self._written is None:
                self._written = self._open()
            self._written.write(json.dumps(_key(file, part)) + "\n")
            self._written.flush()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            if self._written is not None:
                self._written.close()

    def _open(self) -> IO[str]:
        opened = self._path.open("a" if self._arrived else "w", encoding="utf-8")
        opened.write("\n" if self._arrived else json.dumps(self._header) + "\n")  # a last line may have been cut
        return opened

    def _read(self) -> set[_Key]:
        try:
            first, *lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return set()
        if _parsed(first) != self._header:
            return set()
        entries = (_parsed(line) for line in lines)
        return {tuple(entry) for entry in entries if isinstance(entry, list)}


def _key(file: RemoteFile, part: Span) -> _Key:
    return (file.path, file.identity, file.size or 0, part.start, part.end)


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
