"""Names from outside are refused before anything is written."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.errors import ArtifactUnsafe
from serinus_serving.fetch.paths import check_tree, safe_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.onnx", "model.onnx"),
        ("./1/model.onnx", "1/model.onnx"),
        ("1/", "1"),
        ("..model/a..b", "..model/a..b"),
        ("größe/重み.bin", "größe/重み.bin"),
    ],
)
def test_a_plain_name_is_kept(path: str, expected: str) -> None:
    """Dots within names and letters of every language are no danger."""
    assert safe_path(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "../model.onnx",
        "1/../../model.onnx",
        "..",
        "/etc/passwd",
        "1//model.onnx",
        "1/./model.onnx",
        "",
        "1\\..\\..\\model.onnx",
        "model\x00.onnx",
        "model\n.onnx",
        "model\x1b[2J.onnx",
        "a" * 256,
        "/".join(["abcdefg"] * 200),
    ],
)
def test_every_other_name_is_refused(path: str) -> None:
    """Nothing leaves the folder, tricks the terminal, or means another file than it says."""
    with pytest.raises(ArtifactUnsafe):
        safe_path(path)


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_two_files_of_one_name_are_refused(paths: list[str]) -> None:
    """Whichever came last would win."""
    with pytest.raises(ArtifactUnsafe):
        check_tree(paths)
