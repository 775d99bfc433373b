"""Archives of strangers: what is plain is unpacked, what is not is refused before it does harm."""

from __future__ import annotations

import errno
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from serinus_serving.fetch import unpack as unpacking
from serinus_serving.fetch.errors import ArtifactError, ArtifactTooLarge, ArtifactUnsafe
from serinus_serving.fetch.source import ArchiveKind
from serinus_serving.fetch.unpack import Bounds, unpack

ROOM = Bounds(max_bytes=1 << 30, free=1 << 30)
Entry = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "around" / "target"
    made.mkdir(parents=True)
    return made


def entry(name: str, content: bytes = b"x", **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(at: Path, *entries: Entry, mode: str = "w:gz") -> Path:
    with tarfile.open(at, mode) as archive:  # type: ignore[call-overload]
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return at


def zipped(at: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(at, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return at


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


FILES = {"./config.pbtxt": b"c", "1/model.py": b"m" * 100, "1/run": b"#!"}


@pytest.mark.parametrize(
    ("kind", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("zip", "")], ids=["tar", "tar.gz", "zip"]
)
def test_plain_files_are_unpacked(tmp_path: Path, target: Path, kind: ArchiveKind, mode: str) -> None:
    """Contents and names are as they were packed, whatever the kind."""
    if kind == "zip":
        archive = zipped(tmp_path / "a", *FILES.items())
    else:
        archive = tar(
            tmp_path / "a", entry("./", b"", type=tarfile.DIRTYPE), *(entry(*f) for f in FILES.items()), mode=mode
        )
    unpack(archive, kind, target, ROOM)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == {name.removeprefix("./"): content for name, content in FILES.items()}


def test_a_program_can_still_be_run_and_nothing_else_is_kept_of_rights(tmp_path: Path, target: Path) -> None:
    """A backend's stub needs its bit; setuid is nobody's need."""
    unpack(tar(tmp_path / "a", entry("stub", mode=0o4700), entry("model", mode=0o600)), "tar.gz", target, ROOM)
    assert [stat.S_IMODE((target / name).stat().st_mode) for name in ("stub", "model")] == [0o755, 0o644]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry("../evil")], id="a path that leaves"),
        pytest.param([entry("/tmp/evil")], id="an absolute path"),
        pytest.param([entry("a/../../evil")], id="a path that leaves later"),
        pytest.param([entry("a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")], id="a symlink"),
        pytest.param(
            [entry("d", b"", type=tarfile.SYMTYPE, linkname=".."), entry("d/evil")], id="a way through a symlink"
        ),
        pytest.param([entry("a"), entry("b", b"", type=tarfile.LNKTYPE, linkname="a")], id="a hard link"),
        pytest.param([entry("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)], id="a device"),
        pytest.param([entry("a", b"", type=tarfile.FIFOTYPE)], id="a pipe"),
        pytest.param([entry("a"), entry("a")], id="a name twice"),
        pytest.param([entry("a"), entry("a/b")], id="a file as a folder"),
        pytest.param([entry("a\nb")], id="a control character"),
    ],
)
def test_a_tar_that_is_not_plain_is_refused(tmp_path: Path, target: Path, entries: list[Entry]) -> None:
    """Nothing appears outside of the folder."""
    with pytest.raises(ArtifactUnsafe):
        unpack(tar(tmp_path / "a", *entries), "tar.gz", target, ROOM)
    assert list(target.parent.iterdir()) == [target]
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([("../evil", b"")], id="a path that leaves"),
        pytest.param([("/tmp/evil", b"")], id="an absolute path"),
        pytest.param([("a\\..\\..\\evil", b"")], id="a backslash"),
        pytest.param([(linked("a"), b"/etc/passwd")], id="a symlink"),
        pytest.param([("a", b"1"), ("./a", b"2")], id="a name twice"),
    ],
)
def test_a_zip_that_is_not_plain_is_refused(
    tmp_path: Path, target: Path, files: list[tuple[str | zipfile.ZipInfo, bytes]]
) -> None:
    """Nothing appears outside of the folder."""
    with pytest.raises(ArtifactUnsafe):
        unpack(zipped(tmp_path / "a", *files), "zip", target, ROOM)
    assert list(target.parent.iterdir()) == [target]


def zip_bomb(at: Path) -> tuple[Path, ArchiveKind]:
    return zipped(at, ("a", bytes(80 << 20))), "zip"


def tar_bomb(at: Path) -> tuple[Path, ArchiveKind]:
    return tar(at, entry("a", bytes(80 << 20))), "tar.gz"


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("bomb", [zip_bomb, tar_bomb], ids=["zip", "tar.gz"])
def test_a_bomb_ends_at_the_ratio(
    tmp_path: Path, target: Path, bomb: Callable[[Path], tuple[Path, ArchiveKind]]
) -> None:
    """80 MiB of zeros in 80 kB is no model."""
    with pytest.raises(ArtifactTooLarge, match="200 times as large"):
        unpack(*bomb(tmp_path / "a"), target, ROOM)
    assert written(target) <= unpacking.SMALL + (1 << 20)


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        pytest.param(Bounds(1 << 20, 1 << 30), "raise --max-bytes", id="the maximum"),
        pytest.param(Bounds(1 << 30, 1 << 20), "are free: give the volume more room", id="what is free"),
    ],
)
@pytest.mark.parametrize("bomb", [zip_bomb, tar_bomb], ids=["zip", "tar.gz"])
def test_no_more_is_written_than_the_bounds(
    tmp_path: Path, target: Path, bomb: Callable[[Path], tuple[Path, ArchiveKind]], bounds: Bounds, sentence: str
) -> None:
    """It ends before the disk is full."""
    with pytest.raises(ArtifactTooLarge, match=sentence):
        unpack(*bomb(tmp_path / "a"), target, bounds)
    assert written(target) <= 1 << 20


def test_a_name_as_long_as_a_file_is_not_read(tmp_path: Path, target: Path) -> None:
    """tarfile keeps names in memory, and an archive of kilobytes can have one of gigabytes."""
    info = tarfile.TarInfo("a")
    info.pax_headers = {"path": "a" * (8 << 20)}
    with tarfile.open(tmp_path / "a", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(ArtifactTooLarge, match="a name of more than"):
        unpack(tmp_path / "a", "tar.gz", target, ROOM)


def test_too_many_entries_are_refused(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files have no bytes and fill a disk all the same."""
    monkeypatch.setattr(unpacking, "ENTRIES", 3)
    with pytest.raises(ArtifactTooLarge, match="more than 3 entries"):
        unpack(tar(tmp_path / "a", *(entry(str(n), b"") for n in range(4))), "tar.gz", target, ROOM)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_what_is_no_archive_is_refused(tmp_path: Path, target: Path, kind: ArchiveKind) -> None:
    """A login page that was saved as model.tar.gz is said to be none."""
    (tmp_path / "model.tar.gz").write_bytes(b"<html>" * 1000)
    with pytest.raises(ArtifactUnsafe, match=r"model.tar.gz is no archive that can be read"):
        unpack(tmp_path / "model.tar.gz", kind, target, ROOM)


def test_half_an_archive_is_refused(tmp_path: Path, target: Path) -> None:
    """Its end is missing, and so may be the model's."""
    whole = tar(tmp_path / "a", entry("model", bytes(range(256)) * 1000)).read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactUnsafe, match="no archive that can be read"):
        unpack(tmp_path / "half", "tar.gz", target, ROOM)


def packings() -> list[tuple[str, ArchiveKind, bytes]]:
    """Pack the same files in every way that we read."""
    packed: list[tuple[str, ArchiveKind, bytes]] = []
    files = {**FILES, "größe/é.txt": b"ab" * 300}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        packed.append((f"zip of the method {method}", "zip", made.getvalue()))
    for kind, mode in (("tar", "w"), ("tar.gz", "w:gz")):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode=mode, format=tarfile.PAX_FORMAT) as tarred:  # type: ignore[call-overload]
            for info, content in (entry(name, content, mtime=1.5) for name, content in files.items()):
                tarred.addfile(info, io.BytesIO(content))
        packed.append((kind, kind, made.getvalue()))  # type: ignore[arg-type]
    return packed


@pytest.mark.parametrize(("kind", "whole"), [pytest.param(kind, whole, id=name) for name, kind, whole in packings()])
def test_a_damaged_archive_is_told_as_one(tmp_path: Path, target: Path, kind: ArchiveKind, whole: bytes) -> None:
    """Whichever bytes are hurt: no library's own error reaches people, and the volume is not blamed."""
    chance = random.Random(5)
    refused = 0
    for number in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 5))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "a").write_bytes(damaged)
        (target / str(number)).mkdir()
        try:
            unpack(tmp_path / "a", kind, target / str(number), ROOM)
        except ArtifactError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_folder_that_cannot_be_written_is_no_damaged_archive(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch, kind: ArchiveKind
) -> None:
    """Who looks after the volume reads what the system says of it."""
    refused = OSError(errno.EROFS, "Read-only file system")

    def refuse(*_: object, **__: object) -> int:
        raise refused

    files = tmp_path / "a"
    archive = zipped(files, ("model", b"x")) if kind == "zip" else tar(files, entry("model"), mode="w")
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(OSError, match="Read-only file system"):
        unpack(archive, kind, target, ROOM)
