"""The cache of models: what goes in comes out as it was or not at all, and its bound is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serinus_serving.fetch.cache import CacheBounds, Entry, ModelCache
from serinus_serving.fetch.digest import tree_digest

BLOCK = 4096
"""What a file or a folder of a byte takes."""
ROOM = 3 * BLOCK
"""What a model of these tests takes: a folder and two files."""


@dataclass
class Cached:
    """A cache with models of two small files each."""

    root: Path
    size: int = 10 * ROOM
    free_percent: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def cache(self) -> ModelCache:
        return ModelCache(self.root / "cache", CacheBounds(self.size, self.free_percent), self.said.append)

    def keep(self, name: str, files: Mapping[str, str] | None = None) -> str:
        """Keep a model that holds its own name; return its digest."""
        folder = self.root / f"model-{name}"
        for path, text in (files or {"config.pbtxt": name, "1/model.py": name}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        digest = tree_digest(folder)
        self.cache.keep(digest, folder, Entry("mlflow://models/m@prod", f"mlflow://models/m/{name}", True, 2))
        return digest

    def take(self, digest: str) -> tuple[Entry | None, Path]:
        """Take a model out; say where it would be."""
        target = self.root / f"taken-{len(list(self.root.glob('taken-*')))}"
        target.mkdir()
        return self.cache.take(digest, lambda _: target), target

    def has(self, digest: str) -> bool:
        """Tell whether a model is kept."""
        return (self.root / "cache" / digest.removeprefix("sha256:")).exists()

    def files(self, digest: str) -> Path:
        return self.root / "cache" / digest.removeprefix("sha256:") / "files"


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    return Cached(tmp_path)


def test_a_kept_model_comes_out_as_it_was(cached: Cached) -> None:
    """Folders that hold nothing and files that can be run with it, and what is known of it."""
    (cached.root / "model-a" / "empty").mkdir(parents=True)
    (cached.root / "model-a" / "tool").write_text("")
    (cached.root / "model-a" / "tool").chmod(0o755)
    digest = cached.keep("a")
    entry, found = cached.take(digest)
    assert entry is not None
    assert (entry.resolved, entry.bytes, tree_digest(found)) == ("mlflow://models/m/a", 2, digest)
    assert (found / "empty").is_dir()
    assert [os.access(found / name, os.X_OK) for name in ("tool", "config.pbtxt")] == [True, False]


def test_what_is_not_kept_is_not_found(cached: Cached) -> None:
    """And nobody is told that something is wrong."""
    assert (cached.take(f"sha256:{'a' * 64}")[0], cached.said) == (None, [])


def _add_link(files: Path) -> None:
    (files / "secret").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda files: (files / "config.pbtxt").write_text("x"), id="changed"),
        pytest.param(lambda files: (files / "config.pbtxt").unlink(), id="a file is gone"),
        pytest.param(lambda files: (files / "more").write_text(""), id="a file more"),
        pytest.param(_add_link, id="a link"),
        pytest.param(lambda files: (files.parent / "entry.json").write_text("{"), id="half an entry"),
        pytest.param(lambda files: (files.parent / "entry.json").write_text("[1]"), id="another entry"),
    ],
)
def test_what_is_not_as_it_was_is_not_given(cached: Cached, spoil: Callable[[Path], object]) -> None:
    """It is replaced when the model is kept again."""
    digest = cached.keep("a")
    spoil(cached.files(digest))
    assert cached.take(digest)[0] is None
    cached.cache.drop(digest)
    assert not cached.has(digest)
    cached.keep("a")
    assert cached.take(digest)[0] is not None


def test_an_entry_that_cannot_be_read_is_replaced(cached: Cached) -> None:
    """Nobody has to remove it by hand."""
    digest = cached.keep("a")
    (cached.files(digest).parent / "entry.json").unlink()
    cached.keep("a")
    assert cached.take(digest)[0] is not None


def test_what_was_used_least_lately_goes(cached: Cached) -> None:
    """A model that is taken out is used, too."""
    cached.size = 2 * ROOM
    first, second = cached.keep("a"), cached.keep("b")
    for age, digest in ((200, first), (100, second)):
        os.utime(cached.files(digest).parent, (1e9 - age, 1e9 - age))
    cached.take(first)
    third = cached.keep("c")
    assert [cached.has(each) for each in (first, second, third)] == [True, False, True]


def test_what_is_being_copied_stays(cached: Cached) -> None:
    """The new model is not kept then: nobody waits for room."""
    cached.size = ROOM
    first = cached.keep("a")
    with cached.cache.turn(first, shared=True):
        second = cached.keep("b")
    assert [cached.has(each) for each in (first, second)] == [True, False]
    cached.keep("b")
    assert [cached.has(each) for each in (first, second)] == [False, True]


def test_a_model_larger_than_the_cache_costs_the_others_nothing(cached: Cached) -> None:
    """It is said, and they stay."""
    cached.size = ROOM
    small = cached.keep("a")
    large = cached.keep("b", {f"{n}.bin": "" for n in range(4)})
    assert [cached.has(each) for each in (small, large)] == [True, False]
    assert f"it takes {4 * BLOCK} bytes, and {ROOM} are for all models" in cached.said[-1]


def test_room_for_others_on_the_volume_is_left(cached: Cached) -> None:
    """A node whose disk is full evicts its pods."""
    cached.free_percent = 99
    assert not cached.has(cached.keep("a"))


def test_what_was_being_written_when_a_pod_ended_is_removed(cached: Cached) -> None:
    """By whoever keeps the next model; what is not the cache's own stays."""
    for name in (".new-1/files", ".old-2/entry", "lost+found"):
        (cached.root / "cache" / name).mkdir(parents=True)
    digest = cached.keep("a").removeprefix("sha256:")
    assert {at.name for at in (cached.root / "cache").iterdir()} == {digest, "locks", "lost+found"}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda root: root.write_text(""), id="a file"),
        pytest.param(lambda root: root.symlink_to("/proc/1"), id="a folder where nobody can make one"),
    ],
)
def test_a_cache_that_cannot_be_written_is_said_to_be(cached: Cached, spoil: Callable[[Path], object]) -> None:
    """And nothing else happens."""
    spoil(cached.root / "cache")
    digest = cached.keep("a")
    assert cached.take(digest)[0] is None
    assert "check its volume, and who may write to it" in cached.said[0]


def test_a_turn_that_cannot_be_had_is_told(cached: Cached) -> None:
    """Who has waited long enough fetches, and removes nothing under the hands of others."""
    digest = cached.keep("a")
    turn = cached.cache.turn
    with turn(digest, shared=True) as reads, turn(digest, shared=False, patience=0) as alone:
        assert (reads, alone) == (True, False)
    with cached.cache.turn(digest, shared=False, patience=-1) as alone:
        assert alone


def test_a_cache_without_locks_is_read(cached: Cached) -> None:
    """One that is read-only can have none."""
    digest = cached.keep("a")
    for lock in (cached.root / "cache" / "locks").iterdir():
        lock.unlink()
    (cached.root / "cache" / "locks").rmdir()
    (cached.root / "cache" / "locks").write_text("")
    with cached.cache.turn(digest, shared=True):
        assert cached.take(digest)[0] is not None


def test_files_as_they_are_and_files_laid_out_are_not_mixed_up(cached: Cached) -> None:
    """The same files may be one model's folder for one server and several models for another."""
    digest = cached.keep("a")
    other = ModelCache(cached.root / "cache", CacheBounds(10 * ROOM), cached.said.append, layout="as-is")
    assert other.take(digest, lambda _: cached.root) is None
    other.keep(digest, cached.files(digest), Entry("", "as it is", True, 2))
    (cached.root / "as-is").mkdir()
    entry = other.take(digest, lambda _: cached.root / "as-is")
    assert entry is not None
    assert (entry.resolved, cached.take(digest)[0] is not None) == ("as it is", True)
