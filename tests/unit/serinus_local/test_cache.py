"""What is kept is named after what it was made of, and made once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from serinus_local import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_digest_changes_with_contents_names_and_recipe(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("module one")
    first = cache.digest([file])
    renamed = file.rename(tmp_path / "go.sum")
    assert first != cache.digest([renamed])
    assert cache.digest([renamed]) != cache.digest([renamed], recipe="-trimpath")
    renamed.write_text("module two")
    assert cache.digest([renamed]) != first


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path) -> None:
    assert cache.folder("bin") == tmp_path / "cache" / "serinus" / "bin"


def test_what_no_run_has_used_for_a_month_makes_room() -> None:
    old, current, wanted = (cache.folder("bin", name) for name in ("old", "current", "wanted"))
    (old / "etcd").touch()
    os.utime(old, (0, 0))
    assert cache.used(wanted) == wanted
    assert sorted(wanted.parent.iterdir()) == [current, wanted]


def test_a_second_run_waits_for_the_lock_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()

    def second() -> None:
        with cache.locked("image"):
            entered.set()

    with cache.locked("image"):
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.2)
    other.join(5)
    assert entered.is_set()
    assert "image: waiting for another run that is building it" in capsys.readouterr().out
