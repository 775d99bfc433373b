"""Brings the bytes: parts of files side by side, each tried again when it is cut, none asked for twice.

Memory stays bounded because a part is written piece by piece as it arrives: what is held is a piece a worker.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from serinus_serving.fetch.digest import FollowedSum
from serinus_serving.fetch.errors import (
    ArtifactDigestMismatch,
    ArtifactDiskFull,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ArtifactUnsafe,
)
from serinus_serving.fetch.journal import Journal
from serinus_serving.fetch.paths import check_tree, safe_path
from serinus_serving.fetch.progress import Progress
from serinus_serving.fetch.source import Artifact, RemoteFile, Source, Span
from serinus_serving.fetch.workplace import Workplace, reserve, telling_full_disk

PART = 16 << 20
"""The size of a part in bytes: what is asked for again at most."""
ATTEMPTS = 5
"""Without a byte in between; the pauses double from a quarter of a second."""


@dataclass(frozen=True)
class Limits:
    """`workers` is the number of parts on their way at once, `max_bytes` what an artifact may have."""

    workers: int
    max_bytes: int


def check(artifact: Artifact, limits: Limits) -> None:
    """Refuse names that may not be written, sizes that are none and more than the maximum, before anything comes."""
    for file in artifact.files:
        if safe_path(file.path) != file.path:
            raise ArtifactUnsafe(f"{file.path!r} is no plain path: rename the file")
        if file.size is not None and file.size < 0:
            raise ArtifactUnsafe(f"{file.path!r} has {file.size} bytes by its source's word: upload the model anew")
    check_tree(file.path for file in artifact.files)
    total = sum(file.size or 0 for file in artifact.files)
    if total > limits.max_bytes:
        raise ArtifactTooLarge(
            f"{artifact.resolved} has {total} bytes, and {limits.max_bytes} are allowed: raise --max-bytes"
        )


class Transfer:
    """One artifact on its way into a folder."""

    def __init__(
        self,
        source: Source,
        artifact: Artifact,
        workplace: Workplace,
        *,
        journal: Journal,
        progress: Progress,
        limits: Limits,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = source
        self._artifact = artifact
        self._folder = workplace.downloaded
        self._free = workplace.free()
        self._journal = journal
        self._progress = progress
        self._limits = limits
        self._gives_up = gives_up
        self._stopped = threading.Event()
        self._sums = {file.path: FollowedSum(self._folder / file.path) for file in artifact.files}

    def run(self) -> dict[str, str]:
        """Bring what is missing; return the SHA-256 of each file by path. Raises the first ArtifactError of all."""
        check(self._artifact, self._limits)
        _remove_others(self._folder, {file.path for file in self._artifact.files})
        for folder in {os.path.dirname(file.path) for file in self._artifact.files}:
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        missing = [piece for file in self._artifact.files for piece in self._missing(file)]
        self._expect(sum(part.size for _, part in missing if part is not None))
        for file in self._artifact.files:
            if file.size is not None and file.size > PART:
                with (self._folder / file.path).open("r+b") as made:
                    reserve(made.fileno(), file.size)
        with ThreadPoolExecutor(self._limits.workers) as pool:
            running = [pool.submit(self._bring, file, part) for file, part in missing]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
        for future in done:
            future.result()
        with ThreadPoolExecutor(self._limits.workers) as pool:
            return dict(pool.map(self._verified, self._artifact.files))

    def _expect(self, wanted: int) -> None:
        """Say how much there is, and refuse what has no room."""
        sizes = [file.size for file in self._artifact.files]
        total = sum(size or 0 for size in sizes)
        self._progress.expect(None if None in sizes else total, total - wanted)
        if wanted > self._free:
            raise ArtifactDiskFull(
                f"{self._artifact.resolved} needs {wanted} bytes more, and {self._free} are free at the destination: "
                f"give the volume more room"
            )

    def _missing(self, file: RemoteFile) -> Iterator[tuple[RemoteFile, Span | None]]:
        """Make the file and list the parts that have not arrived yet; a part of None is a file of unknown size."""
        path = self._folder / file.path
        begun = path.is_file()
        with path.open("ab") as made:
            made.truncate(file.size or 0)
        if file.size is None:
            yield file, None
            return
        step = PART if self._source.ranges else max(file.size, 1)
        for start in range(0, file.size, step):
            part = Span(start, min(start + step, file.size))
            if begun and self._journal.has(file, part):
                self._sums[file.path].add(part)
            else:
                yield file, part

    def _bring(self, file: RemoteFile, part: Span | None) -> None:
        """Bring one part, and after a cut the rest of it; gives up after as many attempts without a byte."""
        rest, failures = part, 0
        while True:
            counted = _Counted(self._progress, self._stopped, self._limits)
            try:
                with telling_full_disk():
                    self._ask(file, rest, counted)
                break
            except ArtifactUnreachable:
                if rest is not None and self._source.ranges:
                    failures = 1 if counted.bytes else failures + 1
                    rest = Span(rest.start + counted.bytes, rest.end)
                else:  # all over again
                    failures += 1
                    counted.take_back()
                    os.truncate(self._folder / file.path, file.size or 0)
                if failures >= ATTEMPTS or self._gives_up() or self._stopped.wait(0.25 * 2**failures):
                    raise
        if part is not None:
            self._journal.add(file, part)
            self._sums[file.path].add(part)
            self._sums[file.path].follow()

    def _ask(self, file: RemoteFile, part: Span | None, counted: _Counted) -> None:
        whole = part is None or part == Span(0, file.size or 0)
        self._source.download(file, None if whole else part, self._folder / file.path, counted.add)

    def _verified(self, file: RemoteFile) -> tuple[str, str]:
        """Compare a file with what the source promised; return its path and its SHA-256."""
        path = self._folder / file.path
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise ArtifactUnreachable(f"{file.path} has {size} bytes in place of {file.size}: fetch it again")
        if file.size is None:
            self._sums[file.path].add(Span(0, size))
        found = self._sums[file.path].finish()
        if file.sha256 not in (None, found):
            raise ArtifactDigestMismatch(f"{file.path} is sha256:{found}, and its source says sha256:{file.sha256}")
        return file.path, found


class _Counted:
    """The bytes of one attempt, which ends when another part has failed for good."""

    def __init__(self, progress: Progress, stopped: threading.Event, limits: Limits) -> None:
        self._progress = progress
        self._limits = limits
        self._stopped = stopped
        self.bytes = 0

    def add(self, count: int) -> None:
        self.bytes += count
        self._progress.add(count)
        if self._progress.arrived > self._limits.max_bytes:  # a source may not know sizes, or be wrong about them
            raise ArtifactTooLarge(
                f"more than the {self._limits.max_bytes} bytes that are allowed came: raise --max-bytes"
            )
        if self._stopped.is_set():
            raise ArtifactUnreachable("another part could not be fetched")

    def take_back(self) -> None:
        self._progress.add(-self.bytes)


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove what an earlier fetch left and the artifact no longer has."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in kept:
            path.unlink()
