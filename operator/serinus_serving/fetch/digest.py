"""The digest of a model: sha256 over the list of its files that `sha256sum` prints, sorted by name.

Anyone can compute it (docs/artifact-digest.md): names and contents count; rights, times and empty folders do not.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def parse_digest(text: str) -> str:
    """Return a digest as it is written everywhere, `sha256:` and 64 lower-case hex digits; raises ValueError."""
    if not _DIGEST.match(text.lower()):
        raise ValueError(f"{text} is no digest: write sha256: and 64 hexadecimal digits")
    return text.lower()


def tree_digest(folder: Path, workers: int = 4) -> str:
    """Compute the digest of a folder of plain files, several files at once."""
    paths = sorted(_files(folder), key=os.fsencode)
    with ThreadPoolExecutor(workers) as pool:
        sums = pool.map(lambda path: _sha256(folder / path), paths)
        lines = [f"{each}  ./{path}\n".encode() for each, path in zip(sums, paths, strict=True)]
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


def _files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
