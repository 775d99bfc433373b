"""Keeps models for the pods that come later: on a claim or on the node, by their digest, within a bound.

    CACHE/<64 hex digits>/files/…      a model as it was laid out
    CACHE/<64 hex digits>/entry.json   what is known of it
    CACHE/.new-…, .old-…               being written, being removed
    CACHE/locks/…                      held by whoever fetches, copies or makes room

Nothing here is trusted: a model is verified while it is copied out, and one that is not what its name says is removed.
So locks are a comfort; where there can be none, or the one who held it is gone, at worst a model is fetched twice.
A cache that is full, read-only or broken is said to be so, and the fetch goes on without it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serinus_serving.fetch.copying import NoPlainFile, copied

_BLOCK = 4096
_ENTRY_BYTES = 64 << 10
PATIENCE_SECONDS = 600.0
"""For a pod that fetches the same model; then it is fetched here as well."""
_ROOM_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_STALE_SECONDS = 24 * 3600
_NAME = re.compile(r"^[0-9a-f]{64}(-[a-z-]+)?$")
_LOCKS, _ENTRY, _FILES, _ROOM = "locks", "entry.json", "files", "room"


@dataclass(frozen=True)
class CacheBounds:
    """`size` is what all models together may take, in bytes; `free_percent` of the volume is never taken by them."""

    size: int
    free_percent: int = 0


@dataclass(frozen=True)
class Entry:
    """What is known of a kept model.

    `reference` is what was asked for, `resolved` what that stood for. `alone`: the files are those of one model's own
    folder; else there is a folder a model. `bytes` are those of the files, `room` is what they take.
    """

    reference: str
    resolved: str
    alone: bool
    bytes: int
    lineage: Mapping[str, str] = field(default_factory=dict)
    room: int = 0


@dataclass(frozen=True)
class ModelCache:
    """A folder that several pods share."""

    root: Path
    bounds: CacheBounds
    say: Callable[[str], None]
    layout: str = "triton"
    """Whether files were laid out or kept as they are: the same files may be one model's folder, or several."""

    @contextmanager
    def turn(self, digest: str, *, shared: bool, patience: float = PATIENCE_SECONDS) -> Iterator[bool]:
        """Hold a model's lock, shared to copy it, alone to fetch or remove it; tells whether it was had in time."""
        with self._held(
            self._name(digest), shared=shared, patience=patience, told="another pod fetches the same model"
        ) as held:
            yield held

    def take(self, digest: str, target: Callable[[Entry], Path | None]) -> Entry | None:
        """Copy a model into the folder that `target` makes for it, if that has any use for it.

        None if it has not, and if the model is not kept or not as it should be.
        """
        kept = self.root / self._name(digest)
        entry = _read(kept)
        folder = target(entry) if entry is not None else None
        if entry is None or folder is None:
            return None
        try:
            found = copied(kept / _FILES, folder)
        except (OSError, NoPlainFile) as error:
            self.say(f"the cache cannot give {digest} ({error}): it is fetched")
            return None
        if found != digest:
            self.say(f"the cache holds {found} in place of {digest}: it is fetched")
            return None
        with suppress(OSError):  # who was used last goes last
            os.utime(kept)
        return entry

    def drop(self, digest: str) -> None:
        """Remove a model, if it is there; for whoever has its turn alone."""
        self._drop(self._name(digest))

    def _drop(self, name: str) -> None:
        if os.path.lexists(self.root / name):
            with suppress(OSError):
                gone = Path(tempfile.mkdtemp(prefix=".old-", dir=self.root))
                (self.root / name).rename(gone / name)
                shutil.rmtree(gone, ignore_errors=True)

    def keep(self, digest: str, files: Path, entry: Entry) -> None:
        """Keep a copy of a model if there is room for it; says what hinders, and raises nothing."""
        try:
            self._keep(digest, files, entry)
        except (OSError, NoPlainFile) as error:
            self.say(f"the cache does not keep it ({error}): check its volume, and who may write to it")

    def _name(self, digest: str) -> str:
        return digest.removeprefix("sha256:") + ("" if self.layout == "triton" else f"-{self.layout}")

    def _keep(self, digest: str, files: Path, entry: Entry) -> None:
        room = sum(_room(at) for at in files.rglob("*"))
        with self._held(_ROOM, shared=False, patience=_ROOM_SECONDS, told="another pod fills the cache") as alone:
            if not alone or _read(self.root / self._name(digest)) is not None:
                return
            _remove_unfinished(self.root)
            if not self._has_room(room, digest):
                self.say(
                    f"the cache does not keep it: it takes {room} bytes, and {self.bounds.size} are for all models"
                )
                return
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            try:
                self._fill(made, digest, files, {**asdict(entry), "room": room})
            finally:
                shutil.rmtree(made, ignore_errors=True)

    def _fill(self, made: Path, digest: str, files: Path, entry: Mapping[str, Any]) -> None:
        made.chmod(0o755)
        (made / _FILES).mkdir()
        if copied(files, made / _FILES) != digest:
            raise OSError("what was written to it is not what it should be")
        (made / _ENTRY).write_text(json.dumps(entry), encoding="utf-8")
        self.drop(digest)  # what is there cannot be read
        made.rename(self.root / self._name(digest))

    def _has_room(self, wanted: int, digest: str) -> bool:
        """Remove what was used least lately, and by nobody just now, until there is room."""
        if wanted > self.bounds.size:
            return False
        kept = sorted(_kept(self.root), key=lambda each: each[0])
        for _, room, name in [*kept, (0.0, 0, "")]:
            if self._fits(wanted):
                return True
            if name and name != self._name(digest):
                with self._held(name, shared=False, patience=0) as alone:
                    if alone:
                        self.say(f"the cache forgets {name}, which takes {room} bytes")
                        self._drop(name)
        return False

    def _fits(self, wanted: int) -> bool:
        taken = sum(room for _, room, _ in _kept(self.root))
        disk = shutil.disk_usage(self.root)
        free = disk.free - disk.total * self.bounds.free_percent // 100
        return taken + wanted <= self.bounds.size and wanted <= free

    @contextmanager
    def _held(self, name: str, *, shared: bool, patience: float, told: str = "") -> Iterator[bool]:
        """Hold a lock for a while, or say that it could not be had; where no lock can be made, nobody else has one."""
        try:
            (self.root / _LOCKS).mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / _LOCKS / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError:
            yield True
            return
        try:
            yield self._got(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience, told)
        finally:
            os.close(descriptor)

    def _got(self, descriptor: int, kind: int, patience: float, told: str) -> bool:
        until = _now() + patience
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if _now() >= until:
                    return False
                if told:
                    self.say(f"{told}: waiting for it")
                    told = ""
                time.sleep(_LOOK_SECONDS)
            except OSError:  # a file system without locks
                return True


def _read(kept: Path) -> Entry | None:
    """Read what is known of a kept model; None where there is none, or nothing that can be read."""
    try:
        with (kept / _ENTRY).open("rb") as opened:
            told = json.loads(opened.read(_ENTRY_BYTES))
        lineage = {str(key): str(value) for key, value in told["lineage"].items()}
        numbers = int(told["bytes"]), int(told["room"])
        return Entry(
            str(told["reference"]), str(told["resolved"]), bool(told["alone"]), numbers[0], lineage, numbers[1]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _kept(root: Path) -> Iterator[tuple[float, int, str]]:
    """List what is kept: when it was used last, the room that it takes in bytes, its name."""
    for folder in root.iterdir():
        if _NAME.match(folder.name):
            entry = _read(folder)
            with suppress(OSError):
                yield (folder.stat().st_mtime if entry else 0.0), (entry.room if entry else 0), folder.name


def _room(path: Path) -> int:
    """Tell what a file or a folder takes on its volume in bytes, about."""
    return -(-max(path.stat().st_size, 1) // _BLOCK) * _BLOCK


def _remove_unfinished(root: Path) -> None:
    """Remove what was being written or removed when its pod ended, for whoever makes room; and locks of nothing."""
    for folder in root.glob(".*-*"):
        shutil.rmtree(folder, ignore_errors=True)
    now = time.time()  # noqa: TID251 - the age of a file is wall time
    for lock in (root / _LOCKS).iterdir():
        with suppress(OSError):
            if not (root / lock.name).exists() and now - lock.stat().st_mtime > _STALE_SECONDS:
                lock.unlink()


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - a program of its own, which decides nothing by the time
