"""The digest is what the documentation says, to the byte."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
from pathlib import Path

import pytest

from serinus_serving.fetch.digest import FollowedSum, parse_digest, tree_digest
from serinus_serving.fetch.source import Span

PAGE = Path(__file__).parents[4] / "docs" / "artifact-digest.md"
FILES = {
    "config.pbtxt": b'name: "fraud"\n',
    "1/model.onnx": bytes(range(256)) * 5000,
    "1/model.onnx.data": b"",
    "1/ein name.txt": b"with a space",
    "1-b/x": b"sorts before 1/ by bytes",
    "Z.txt": b"sorts before a",
    "größe.bin": b"not ASCII",
    ".hidden": b"counts",
}


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_the_documented_command_gives_the_same(tmp_path: Path) -> None:
    """Anyone can compute it with what every Linux has."""
    (command,) = re.findall(r"```sh\n(cd .*?)\n```", PAGE.read_text(), re.DOTALL)
    folder = written(tmp_path / "fraud", FILES)
    said = subprocess.run(["bash", "-ec", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"sha256:{said.stdout.split()[0]}" == tree_digest(folder)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"1/model.onnx": b"other"}, id="content"),
        pytest.param({"1/more": b""}, id="one file more"),
    ],
)
def test_another_model_has_another_digest(tmp_path: Path, change: dict[str, bytes]) -> None:
    """Names and contents count."""
    one = tree_digest(written(tmp_path / "one", FILES))
    assert tree_digest(written(tmp_path / "other", FILES | change)) != one


def test_a_renamed_file_makes_another_model(tmp_path: Path) -> None:
    """The same bytes under another name are not the same model."""
    assert tree_digest(written(tmp_path / "one", {"a": b"1"})) != tree_digest(written(tmp_path / "two", {"b": b"1"}))


def test_rights_times_and_empty_folders_do_not_count(tmp_path: Path) -> None:
    """What stores cannot keep makes no difference."""
    one = tree_digest(written(tmp_path / "one", FILES))
    other = written(tmp_path / "other", FILES)
    (other / "empty").mkdir()
    (other / "Z.txt").chmod(0o755)
    assert tree_digest(other) == one


@pytest.mark.parametrize(
    "text", ["", "sha256:", "md5:" + "0" * 32, "sha256:" + "0" * 63, "0" * 64, "sha256:" + "g" * 64]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """A digest that could never match is said at once."""
    with pytest.raises(ValueError, match="is no digest: write sha256:"):
        parse_digest(text)


def test_parts_in_any_order_make_the_same_sum(tmp_path: Path) -> None:
    """What arrives first is not always the beginning."""
    content = random.Random(4).randbytes(3 << 20)
    path = tmp_path / "model"
    with path.open("wb") as opened:
        opened.truncate(len(content))
    followed = FollowedSum(path)
    for start in (1 << 20, 0, 2 << 20):
        with path.open("r+b") as opened:
            opened.seek(start)
            opened.write(content[start : start + (1 << 20)])
        followed.add(Span(start, start + (1 << 20)))
        followed.follow()
    assert followed.finish() == hashlib.sha256(content).hexdigest()


def test_an_empty_file_has_a_sum(tmp_path: Path) -> None:
    """It has no part."""
    (tmp_path / "empty").touch()
    followed = FollowedSum(tmp_path / "empty")
    followed.add(Span(0, 0))
    assert followed.finish() == hashlib.sha256(b"").hexdigest()


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    """By the path that a file has in the folder."""
    folder = written(tmp_path / "fraud", FILES)
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
    assert tree_digest(folder, sums) == tree_digest(folder)
    assert tree_digest(folder, sums | {"Z.txt": "0" * 64}) != tree_digest(folder)
