"""`dvc://` by DVC itself, from a repository over file:// and a remote in a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import http_server
from tests.support.servers.repositories import Repository, remote_config, repository

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 400}


@dataclass(frozen=True)
class Tracked:
    """A repository that tracks models/fraud: at the tag v1, and in a newer version on main."""

    repository: Repository
    remote: Path
    first: str

    @property
    def uri(self) -> str:
        return f"dvc://{self.repository.root}//models/fraud"

    def use_remote(self, url: str) -> None:
        self.repository.commit({".dvc/config": remote_config(url).encode()})


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    made = repository(tmp_path / "models.git")
    remote = tmp_path / "remote"
    made.track(remote, "models/fraud", MODEL)
    first = made.commit({}, tag="v1")
    made.track(remote, "models/fraud", MODEL | {"1/model.onnx": b"new"})
    made.commit({})
    return Tracked(made, remote, first)


def test_a_tag_becomes_a_commit_and_its_tracked_files(tracked: Tracked, fetches: Fetches) -> None:
    """The files are those that DVC tracks at the tag, from its remote."""
    outcome = fetches.run(f"{tracked.uri}@v1")
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == f"{tracked.uri}@{tracked.first}"
    assert outcome.message["lineage"]["dvcRev"] == tracked.first


def test_dvc_itself_wrote_the_same(tracked: Tracked, tmp_path: Path) -> None:
    """What the fixture writes by hand is what `dvc get` reads."""
    command = [sys.executable, "-m", "dvc", "get", str(tracked.repository.root), "models/fraud", "--rev=v1"]
    subprocess.run([*command, f"--out={tmp_path / 'got'}"], cwd=tmp_path, check=True, capture_output=True)
    assert {path: (tmp_path / "got" / path).read_bytes() for path in MODEL} == MODEL


def test_what_was_never_pushed_is_named(tracked: Tracked, fetches: Fetches) -> None:
    """A remote that lacks the files of a commit says what to run."""
    shutil.rmtree(tracked.remote)
    tracked.remote.mkdir()
    outcome = fetches.run(f"{tracked.uri}@v1")
    assert outcome.reason == "ArtifactNotFound"
    assert "dvc push" in outcome.message["message"]


def test_a_path_that_is_not_there_is_named(tracked: Tracked, fetches: Fetches) -> None:
    """The sentence has the path and the commit."""
    outcome = fetches.run(f"dvc://{tracked.repository.root}//models/other@v1")
    assert outcome.reason == "ArtifactNotFound"
    assert "models/other" in outcome.message["message"]


def test_a_damaged_file_of_the_remote_is_refused(tracked: Tracked, fetches: Fetches) -> None:
    """DVC tracks the sum of each file, and that is compared."""
    largest = max(tracked.remote.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    largest.write_bytes(b"x" * largest.stat().st_size)
    outcome = fetches.run(f"{tracked.uri}@v1")
    assert outcome.reason == "ArtifactDigestMismatch"
    assert fetches.left() == []


def test_a_remote_of_the_web_is_read(tracked: Tracked, fetches: Fetches) -> None:
    """A host of its own is allowed by its name."""
    with http_server(tracked.remote) as server:
        tracked.use_remote(server.url)
        outcome = fetches.run(tracked.uri, f"--allow-host={server.host}")
    assert outcome.code == 0, outcome.said
    assert fetches.files()["1/model.onnx"] == b"new"


def test_a_remote_that_may_not_be_read_is_denied(tracked: Tracked, fetches: Fetches) -> None:
    """The remote asks for a login that nobody gave."""
    with http_server(tracked.remote) as server:
        server.authorization = "Bearer nobody's"
        tracked.use_remote(server.url)
        outcome = fetches.run(tracked.uri, f"--allow-host={server.host}")
    assert outcome.reason == "ArtifactDenied"


def test_a_remote_on_a_host_that_nobody_allowed_is_not_asked(tracked: Tracked, fetches: Fetches) -> None:
    """The remote's host is the repository's choice, and is allowed by its own name only."""
    with http_server(tracked.remote) as server:
        tracked.use_remote(server.url)
        outcome = fetches.run(tracked.uri)
    assert outcome.reason == "ArtifactHostNotAllowed"
    assert server.host in outcome.message["message"]
    assert not server.asked


def test_a_remote_of_a_kind_that_is_not_installed_is_named(tracked: Tracked, fetches: Fetches) -> None:
    """DVC has a package for each storage, and the sentence says which one is missing."""
    tracked.use_remote("s3://models/dvc")
    outcome = fetches.run(tracked.uri)
    assert outcome.reason == "ArtifactSchemeNotInstalled"
    assert "s3" in outcome.message["message"]


def test_a_link_in_the_repository_is_refused(tracked: Tracked, fetches: Fetches) -> None:
    """A link could show the server a file of its own machine."""
    (tracked.repository.root / "models/linked/1").mkdir(parents=True)
    (tracked.repository.root / "models/linked/1/model.onnx").symlink_to("/etc/hostname")
    tracked.repository.commit({})
    outcome = fetches.run(f"dvc://{tracked.repository.root}//models/linked")
    assert outcome.reason == "ArtifactUnsafe", outcome.said
