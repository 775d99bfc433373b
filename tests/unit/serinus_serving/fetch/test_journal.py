"""What has arrived is remembered, and only what can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

from serinus_serving.fetch.journal import Journal
from serinus_serving.fetch.source import RemoteFile, Span

FILE = RemoteFile("1/model.onnx", 100, "etag")
PART = Span(0, 50)
URI = "s3://models/fraud"


def kept(path: Path) -> Path:
    journal = Journal(path, URI)
    journal.add(FILE, PART)
    journal.close()
    return path


def test_a_part_is_remembered(tmp_path: Path) -> None:
    """By the next fetch of the same; another part is not there."""
    journal = Journal(kept(tmp_path / "journal"), URI)
    assert journal.has(FILE, PART)
    assert not journal.has(FILE, Span(50, 100))


def test_an_overwritten_file_has_not_arrived(tmp_path: Path) -> None:
    """Its identity or its size is another."""
    journal = Journal(kept(tmp_path / "journal"), URI)
    assert not journal.has(RemoteFile(FILE.path, 100, "other"), PART)
    assert not journal.has(RemoteFile(FILE.path, 101, "etag"), PART)


def test_another_artifact_begins_anew(tmp_path: Path) -> None:
    """Its files only have the same names."""
    assert not Journal(kept(tmp_path / "journal"), "s3://models/other").has(FILE, PART)


def test_what_was_written_before_a_reboot_is_not_trusted(tmp_path: Path) -> None:
    """The journal may be on disk and the bytes not."""
    path = kept(tmp_path / "journal")
    header, *parts = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(header) | {"boot": "before"}), *parts]))
    assert not Journal(path, URI).has(FILE, PART)


def test_a_file_that_cannot_be_told_from_a_later_one_is_not_remembered(tmp_path: Path) -> None:
    """Without an identity nobody would notice that it was overwritten."""
    nameless = RemoteFile("model.onnx", 100)
    journal = Journal(tmp_path / "journal", URI)
    journal.add(nameless, PART)
    journal.close()
    assert not Journal(tmp_path / "journal", URI).has(nameless, PART)


def test_a_line_that_was_cut_spoils_no_other(tmp_path: Path) -> None:
    """The process may end while it writes one, and the next one goes on behind it."""
    path = kept(tmp_path / "journal")
    path.write_text(path.read_text() + '["1/mod')
    journal = Journal(path, URI)
    journal.add(FILE, Span(50, 100))
    journal.close()
    found = Journal(path, URI)
    assert found.has(FILE, PART)
    assert found.has(FILE, Span(50, 100))
