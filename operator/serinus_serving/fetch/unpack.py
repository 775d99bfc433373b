"""Unpacks an archive of somebody else's: plain files and folders, within bounds, and nothing outside of its folder."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from serinus_serving.fetch.errors import ArtifactError, ArtifactTooLarge, ArtifactUnsafe
from serinus_serving.fetch.paths import safe_path, shown
from serinus_serving.fetch.source import PIECE, ArchiveKind
from serinus_serving.fetch.workplace import telling_full_disk

RATIO = 200
"""What is unpacked may be this many times the archive's size; models are floats, which hardly shrink."""
SMALL = 64 << 20
"""Up to this many bytes nobody asks for the ratio."""
ENTRIES = 200_000
_HEADER_BYTES = 1 << 20
"""What may lie between two entries of a tar: their names; tarfile keeps it in memory."""
_EXECUTABLE = 0o111
_WHITEOUT = ".wh."
"""What was deleted would stay: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts"""


@dataclass(frozen=True)
class Bounds:
    """How many bytes may be unpacked: `max_bytes` as it was said, `free` as there is room."""

    max_bytes: int
    free: int


def unpack(archive: Path, kind: ArchiveKind, folder: Path, bounds: Bounds) -> None:
    """Unpack into an existing folder.

    Raises ArtifactUnsafe for links, devices, names that leave the folder or come twice and archives that cannot be
    read; ArtifactTooLarge, before the disk is full, for more than the bounds or the ratio; ArtifactDiskFull.
    """
    budget = _Budget(archive, bounds)
    with telling_full_disk(), _readable(archive):
        if kind == "zip":
            _unpack_zip(archive, folder, budget)
        elif kind == "tar":
            with archive.open("rb") as opened:
                _unpack_tar(opened, folder, budget)
        else:
            with gzip.open(archive) as opened:
                _unpack_tar(opened, folder, budget)


def _unpack_tar(opened: _Reads, folder: Path, budget: _Budget) -> None:
    metered = _Metered(opened)
    with tarfile.open(fileobj=cast(IO[bytes], metered), mode="r|") as entries:
        while (entry := metered.header(entries)) is not None:
            budget.entry()
            path = safe_path(entry.name) if entry.name not in (".", "./") else ""
            if path.rpartition("/")[2].startswith(_WHITEOUT):
                raise ArtifactUnsafe(
                    f"{shown(entry.name)} deletes a file of an earlier layer: push an image that never had it"
                )
            if entry.isreg():
                content = entries.extractfile(entry)
                assert content is not None
                _write(content, folder / path, executable=bool(entry.mode & _EXECUTABLE), budget=budget)
            elif not entry.isdir():
                raise ArtifactUnsafe(f"{shown(entry.name)} is a link or a device: pack the file that it points to")


def _unpack_zip(archive: Path, folder: Path, budget: _Budget) -> None:
    with zipfile.ZipFile(archive) as entries:
        for entry in entries.infolist():
            budget.entry()
            mode = entry.external_attr >> 16
            if entry.is_dir():
                continue
            path = safe_path(entry.filename)
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ArtifactUnsafe(f"{shown(entry.filename)} is a link or a device: pack the file that it points to")
            if entry.flag_bits & 1:
                raise ArtifactUnsafe(f"{shown(entry.filename)} is encrypted: pack the model without a password")
            with entries.open(entry) as content:
                _write(content, folder / path, executable=bool(mode & _EXECUTABLE), budget=budget)


def _write(content: IO[bytes], path: Path, *, executable: bool, budget: _Budget) -> None:
    """Write one file, which must not be there yet; of its rights it keeps that it can be run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as written:
            os.fchmod(descriptor, 0o755 if executable else 0o644)
            while piece := _piece(content):
                budget.spend(len(piece))
                written.write(piece)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArtifactUnsafe(f"{shown(path.name)} is there twice: pack each file once") from error
    except OSError as error:
        raise _NotWrittenError(error) from error


def _piece(content: IO[bytes]) -> bytes:
    """Read on in an archive, and tell what fails there from what fails where it is unpacked."""
    try:
        return content.read(PIECE)
    except OSError as error:
        raise _DamagedError(error) from error


class _DamagedError(Exception):
    """The archive's bytes are not what they were packed as."""


class _NotWrittenError(Exception):
    """A file of the archive could not be written."""

    def __init__(self, cause: OSError) -> None:
        self.cause = cause


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Budget:
    """Counts what comes out of an archive against what may."""

    def __init__(self, archive: Path, bounds: Bounds) -> None:
        self._packed = archive.stat().st_size
        self._bounds = bounds
        self._entries = 0
        self._bytes = 0

    def entry(self) -> None:
        self._entries += 1
        if self._entries > ENTRIES:
            raise ArtifactTooLarge(f"the archive has more than {ENTRIES} entries: pack fewer files")

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > max(SMALL, RATIO * self._packed):
            raise ArtifactTooLarge(f"the archive of {self._packed} bytes becomes more than {RATIO} times as large")
        if self._bytes > self._bounds.max_bytes:
            raise ArtifactTooLarge(
                f"the archive becomes more than the {self._bounds.max_bytes} bytes that are allowed: raise --max-bytes"
            )
        if self._bytes > self._bounds.free:
            raise ArtifactTooLarge(
                f"the archive becomes more than the {self._bounds.free} bytes that are free: give the volume more room"
            )


class _Metered:
    """Reads a tar, and only so much of it where only names should be."""

    def __init__(self, opened: _Reads) -> None:
        self._opened = opened
        self._header: int | None = 0

    def read(self, size: int, /) -> bytes:
        piece = self._opened.read(size)
        if self._header is not None:
            self._header += len(piece)
            if self._header > _HEADER_BYTES:
                raise ArtifactTooLarge(f"the archive has an entry with a name of more than {_HEADER_BYTES} bytes")
        return piece

    def header(self, entries: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Read what stands before the next entry's content."""
        self._header = 0
        entry = entries.next()
        self._header = None
        entries.members = []  # type: ignore[attr-defined]  # else each is kept until the end
        return entry


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Say of everything that libraries raise for damaged bytes that the archive is damaged: there is no list of it."""
    try:
        yield
    except ArtifactError:
        raise
    except _NotWrittenError as error:
        raise error.cause from error
    except Exception as error:
        said = str(error) or type(error).__name__
        raise ArtifactUnsafe(f"{archive.name} is no archive that can be read ({said}): pack it anew") from error
