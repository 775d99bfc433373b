"""The digest of a model: sha256 over the list of its files that `sha256sum` prints, sorted by name.

Anyone can compute it (docs/artifact-digest.md): names and contents count; rights, times and empty folders do not.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serinus_serving.fetch.source import PIECE, Span

WORKERS = 4
"""How many files are read at once to be hashed."""
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def parse_digest(text: str) -> str:
    """Return a digest as it is written everywhere, `sha256:` and 64 lower-case hex digits; raises ValueError."""
    if not _DIGEST.match(text.lower()):
        raise ValueError(f"{text} is no digest: write sha256: and 64 hexadecimal digits")
    return text.lower()


def tree_digest(folder: Path, known: Mapping[str, str] | None = None) -> str:
    """Compute the digest of a folder of plain files, several files at once.

    `known` are the SHA-256 of files, by their path in the folder, 64 hex digits each, that need not be read again.
    """
    paths = sorted(_files(folder), key=os.fsencode)
    with ThreadPoolExecutor(WORKERS) as pool:
        sums = pool.map(lambda path: (known or {}).get(path) or _sha256(folder / path), paths)
        lines = [f"{each}  ./{path}\n".encode() for each, path in zip(sums, paths, strict=True)]
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


def _files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class FollowedSum:
    """The SHA-256 of a file of which parts arrive in any order: what is there without a gap is read at once.

    So a large file is hashed when its last part arrives, and not only then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._parts: dict[int, int] = {}
        self._turn = threading.Lock()

    def add(self, part: Span) -> None:
        """Say that a part is there."""
        if part.size:
            self._parts[part.start] = part.end

    def follow(self) -> None:
        """Read on as far as there is no gap, unless somebody else does so just now."""
        if self._turn.acquire(blocking=False):
            try:
                self._read_on()
            finally:
                self._turn.release()

    def finish(self) -> str:
        """Read the rest, and return 64 hex digits; all parts must be there."""
        with self._turn:
            self._read_on()
            return self._hash.hexdigest()

    def _read_on(self) -> None:
        if self._hashed not in self._parts:
            return
        with self._path.open("rb") as opened:
            opened.seek(self._hashed)
            while (end := self._parts.get(self._hashed)) is not None:
                while self._hashed < end and (piece := opened.read(min(PIECE, end - self._hashed))):
                    self._hash.update(piece)
                    self._hashed += len(piece)
                if self._hashed < end:
                    return  # shorter than it should be, which is noticed elsewhere
