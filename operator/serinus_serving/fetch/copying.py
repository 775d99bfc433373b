"""Copies a folder of models and says what the copy is: its digest, computed from what was written.

Within the kernel, and where the file system can share blocks without a byte being moved. A link would be faster still,
and impossible: two volumes of a pod are two mounts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serinus_serving.fetch.digest import WORKERS, FollowedSum, tree_digest
from serinus_serving.fetch.source import PIECE, Span

_STEP = 16 << 20
"""What is copied before it is hashed, in bytes."""


class NoPlainFile(Exception):
    """A link or a device lies where only files and folders should."""


def copied(source: Path, target: Path) -> str:
    """Copy the files and folders below `source` into the folder `target`; return the digest of the copy.

    Rights other than that a file can be run are not kept. Raises NoPlainFile, OSError.
    """
    files = list(_made(source, target))
    with ThreadPoolExecutor(WORKERS) as pool:
        sums = pool.map(lambda path: _copied(source / path, target / path, pool), files)
        return tree_digest(target, dict(zip(files, sums, strict=True)))


def _made(source: Path, target: Path, below: str = "") -> Iterator[str]:
    """Make the folders of the copy; name the files, which are not there yet."""
    with os.scandir(source / below) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                (target / path).mkdir()
                yield from _made(source, target, f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                raise NoPlainFile(path)


def _copied(source: Path, target: Path, pool: ThreadPoolExecutor) -> str:
    """Copy a file, and hash what was copied while the rest of it is; return 64 hex digits."""
    read = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        about = os.fstat(read)
        written = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if about.st_mode & 0o100 else 0o644)
        try:
            followed = FollowedSum(target)
            for start in range(0, about.st_size, _STEP):
                part = Span(start, min(start + _STEP, about.st_size))
                _copy(read, written, part)
                followed.add(part)
                if about.st_size > _STEP:
                    pool.submit(followed.follow)
            return followed.finish()
        finally:
            os.close(written)
    finally:
        os.close(read)


def _copy(read: int, written: int, part: Span) -> None:
    at = part.start
    while at < part.end:
        try:
            count = os.copy_file_range(read, written, part.end - at, at, at)
        except OSError:  # not between these file systems: whatever is really wrong is told by the plain way
            count = os.pwrite(written, os.pread(read, min(PIECE, part.end - at), at), at)
        if not count:
            raise OSError("a file of it ends early")
        at += count
