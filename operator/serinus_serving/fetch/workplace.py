"""The folder beside the destination in which a fetch works, and how what is whole gets into its place.

A fetch that was cut finds it again. Nothing in it is visible to the server: its name starts with a dot, and it is
removed once the model is in its place.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_serving.fetch.errors import ArtifactDiskFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LIBC = ctypes.CDLL(None, use_errno=True)
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE: https://man7.org/linux/man-pages/man2/fallocate.2.html"""


@dataclass(frozen=True)
class Workplace:
    """The folders of one fetch, all on the file system of the destination."""

    root: Path

    @property
    def journal(self) -> Path:
        """Which parts have arrived."""
        return self.root / "journal"

    @property
    def downloaded(self) -> Path:
        """Files as the source names them."""
        return self.root / "downloaded"

    @property
    def unpacked(self) -> Path:
        """What was in archives."""
        return self.root / "unpacked"

    @property
    def ready(self) -> Path:
        """The models as the server will see them, one folder each."""
        return self.root / "ready"

    @property
    def scratch(self) -> Path:
        """What a source needs to work."""
        return self.root / "scratch"

    def clear(self) -> None:
        """Make the folders; all that remains of an earlier fetch is what it downloaded."""
        for folder in (self.unpacked, self.ready, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self.downloaded.mkdir(exist_ok=True)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.root, ignore_errors=True)

    def free(self) -> int:
        """Count the bytes that are free where the model goes."""
        return shutil.disk_usage(self.root).free

    def place(self, destination: Path) -> None:
        """Rename what is ready into its place: the models beside it first, the model itself last.

        A folder that stands there is moved away just before, never written into.
        """
        names = sorted((folder.name for folder in self.ready.iterdir()), key=lambda name: name == destination.name)
        for name in names:
            target = destination.parent / name
            if target.exists():
                target.rename(self.scratch / f"replaced-{name}")
            (self.ready / name).rename(target)


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Say of a write for which there is no room that the volume is too small."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ArtifactDiskFull(f"no room is left at the destination: give the volume more ({error})") from error
        raise


def reserve(descriptor: int, size: int) -> None:
    """Have the file system find the room for a file of `size` bytes at once, where it can; raises OSError for no room.

    Parts that arrive side by side cost less CPU time then. What is free is looked at before: all of it would be taken.
    Not `os.posix_fallocate`: where the file system cannot, as NFS, the C library writes to every block instead.
    """
    try:
        failed = _LIBC.fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size))
    except AttributeError:  # a C library without it
        return
    if failed and ctypes.get_errno() in _FULL:
        raise OSError(ctypes.get_errno(), "no room is left")


@contextmanager
def workplace(destination: Path) -> Iterator[Workplace]:
    """Give the workplace of a destination to one fetch at a time; others wait. Raises OSError."""
    root = destination.parent / f".{destination.name}.fetch"
    while True:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if root.exists() and os.fstat(descriptor).st_ino == root.stat().st_ino:  # else it was removed meanwhile
                yield Workplace(root)
                return
        finally:
            os.close(descriptor)
