"""What is refused before a byte is asked for, and what a full disk is called."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from serinus_serving.fetch import workplace as workplaces
from serinus_serving.fetch.errors import (
    ArtifactDigestMismatch,
    ArtifactDiskFull,
    ArtifactError,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ArtifactUnsafe,
)
from serinus_serving.fetch.journal import Journal
from serinus_serving.fetch.progress import Progress
from serinus_serving.fetch.source import Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.transfer import Limits, Transfer
from serinus_serving.fetch.workplace import Workplace, reserve, telling_full_disk


class Letters:
    """A source of files that hold one letter, which remembers what was asked for."""

    hosts = ()
    ranges = True
    less = 0
    """How many bytes are missing of each."""
    unknown = 1
    """How large files of unknown size are."""

    def __init__(self, *files: RemoteFile) -> None:
        self.files = files
        self.asked: list[str] = []

    def resolve(self) -> Artifact:
        return Artifact("letters://", self.files)

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        self.asked.append(file.path)
        size = (file.size or self.unknown) - self.less
        target.write_bytes(b"x" * size)
        arrived(size)


@dataclass(frozen=True)
class SmallPlace(Workplace):
    """A volume with 90 bytes left."""

    def free(self) -> int:
        return 90


def brought(folder: Path, source: Letters) -> None:
    """Bring all of it into the workplace within `folder`."""
    place = SmallPlace(folder / "place")
    place.root.mkdir()
    place.clear()
    transfer = Transfer(
        source,
        source.resolve(),
        place,
        journal=Journal(place.journal, "letters://"),
        progress=Progress(lambda line: None, lambda: 0.0),
        limits=Limits(workers=1, max_bytes=100),
    )
    transfer.run()


@pytest.mark.parametrize(
    ("files", "error"),
    [
        pytest.param([RemoteFile("a", 60), RemoteFile("b", 41)], ArtifactTooLarge, id="more than the maximum"),
        pytest.param([RemoteFile("a", 60), RemoteFile("b", 31)], ArtifactDiskFull, id="more than is free"),
        pytest.param([RemoteFile("a", -1)], ArtifactUnsafe, id="less than nothing"),
        pytest.param([RemoteFile("../../a", 1)], ArtifactUnsafe, id="a path that leaves"),
        pytest.param([RemoteFile("/tmp/serinus-evil", 1)], ArtifactUnsafe, id="an absolute path"),
        pytest.param([RemoteFile("./a", 1)], ArtifactUnsafe, id="a path that could be written in two ways"),
        pytest.param([RemoteFile("a", 1), RemoteFile("a/b", 1)], ArtifactUnsafe, id="a file as a folder"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, files: list[RemoteFile], error: type[ArtifactError]) -> None:
    """Names and sizes are known from the list: nothing is asked for, and nothing appears elsewhere."""
    source = Letters(*files)
    with pytest.raises(error):
        brought(tmp_path, source)
    assert (source.asked, [at.name for at in tmp_path.iterdir()]) == ([], ["place"])
    assert not Path("/tmp/serinus-evil").exists()


def test_what_fits_is_brought(tmp_path: Path) -> None:
    """To the last byte; an unknown size is counted when it is there."""
    brought(tmp_path, Letters(RemoteFile("a", 60), RemoteFile("b", 30), RemoteFile("c/d", None)))
    found = tmp_path / "place" / "downloaded"
    assert [(found / name).stat().st_size for name in ("a", "b", "c/d")] == [60, 30, 1]


def test_more_than_was_said_is_refused(tmp_path: Path) -> None:
    """A size that is unknown cannot be refused before."""
    source = Letters(RemoteFile("a", None))
    source.unknown = 101
    with pytest.raises(ArtifactTooLarge, match="100 bytes that are allowed"):
        brought(tmp_path, source)


def test_what_its_source_promised_is_verified(tmp_path: Path) -> None:
    """Some sources know each file's hash."""
    right, wrong = hashlib.sha256(b"x" * 60).hexdigest(), "0" * 64
    (tmp_path / "right").mkdir()
    brought(tmp_path / "right", Letters(RemoteFile("a", 60, sha256=right)))
    with pytest.raises(ArtifactDigestMismatch, match=f"a is sha256:{right}, and its source says sha256:{wrong}"):
        brought(tmp_path, Letters(RemoteFile("a", 60, sha256=wrong)))


def test_a_file_that_ends_early_is_no_whole_one(tmp_path: Path) -> None:
    """A source can be wrong about its end."""
    source = Letters(RemoteFile("a", 60))
    source.less = 1
    with pytest.raises(ArtifactUnreachable, match="59 bytes in place of 60"):
        brought(tmp_path, source)


def test_a_full_disk_is_told_as_one() -> None:
    """Whichever write finds no room."""
    with pytest.raises(ArtifactDiskFull, match="give the volume more"), telling_full_disk():
        Path("/dev/full").write_text("x")


def test_other_errors_of_a_disk_stay_what_they_are() -> None:
    """A bigger volume would not help."""
    with pytest.raises(IsADirectoryError), telling_full_disk():
        Path("/").write_text("x")


def test_room_for_a_large_file_is_found_at_once(tmp_path: Path) -> None:
    """Its size stays what it is."""
    with (tmp_path / "large").open("wb") as made:
        reserve(made.fileno(), 1 << 20)
        about = os.fstat(made.fileno())
    assert (about.st_size, about.st_blocks * 512 >= 1 << 20) == (0, True)


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, ArtifactDiskFull), (errno.EDQUOT, ArtifactDiskFull)])
def test_a_disk_without_room_for_it_is_said_to_be_full(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[ArtifactError]
) -> None:
    """Nobody fills a disk to see that: the C library's answer stands for it."""
    monkeypatch.setattr(workplaces, "_LIBC", Full(number))
    with pytest.raises(error), telling_full_disk():
        reserve(0, 1)


def test_a_file_system_that_cannot_find_it_at_once_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is found while the parts arrive."""
    monkeypatch.setattr(workplaces, "_LIBC", Full(errno.EOPNOTSUPP))
    reserve(0, 1)


class Full:
    """A C library whose fallocate fails."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fallocate(self, *_: object) -> int:
        ctypes.set_errno(self._number)
        return -1
