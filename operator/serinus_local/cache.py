"""Where built things are kept between runs: outside the repository, shared by all checkouts of one user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNUSED_SECONDS = 30 * 24 * 3600


def folder(*parts: str) -> Path:
    """Return a folder of the cache, making it when it is missing."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base.joinpath("serinus", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def used(entry: Path) -> Path:
    """Note that an entry of a folder of the cache is in use, and drop those beside it that were not for a month."""
    os.utime(entry)
    for other in entry.parent.iterdir():
        if _age_seconds(other) > UNUSED_SECONDS:
            shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)
    return entry


def _age_seconds(entry: Path) -> float:
    try:
        return time.time() - entry.stat().st_mtime  # noqa: TID251 - the age of a file is wall time
    except FileNotFoundError:
        return 0


def digest(files: Iterable[Path], *, recipe: str = "") -> str:
    """Name what these files and this recipe make: twelve hex digits."""
    seen = hashlib.sha256(recipe.encode())
    for file in sorted(files):
        seen.update(f"\0{file.name}\0".encode())
        seen.update(file.read_bytes())
    return seen.hexdigest()[:12]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name`, so that two checkouts do not make the same thing at once."""
    with (folder("locks") / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: waiting for another run that is building it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"[stack] {line}", flush=True)
