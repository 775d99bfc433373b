"""`git+…://` by git itself, from a repository over file:// and over HTTP with a password."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.servers.cutting import cut_line
from tests.support.servers.repositories import PASSWORD, USER, Repository, git_server, repository

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 9000}
LOGIN = {"GIT_USERNAME": USER, "GIT_PASSWORD": PASSWORD}


@dataclass(frozen=True)
class Kept:
    """A repository with a model, tagged v1, and a newer one on main."""

    repository: Repository
    first: str
    second: str

    @property
    def uri(self) -> str:
        return f"git+file://{self.repository.root}//models/fraud"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    made = repository(tmp_path_factory.mktemp("git") / "models.git")
    first = made.commit({f"models/fraud/{path}": content for path, content in MODEL.items()}, tag="v1")
    made.commit({"models/fraudulent/1/model.onnx": b"another"})
    second = made.commit({"models/fraud/1/model.onnx": b"new"})
    return Kept(made, first, second)


@pytest.fixture(scope="module")
def served(kept: Kept) -> Iterator[str]:
    with git_server(kept.repository.root.parent) as host:
        yield host


def test_a_tag_becomes_the_commit_that_it_names(kept: Kept, fetches: Fetches) -> None:
    """An annotated tag is resolved to its commit, and the folder is as it was then."""
    outcome = fetches.run(f"{kept.uri}@v1")
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == f"{kept.uri}@{kept.first}"


@pytest.mark.parametrize("revision", ["", "@main"], ids=["default branch", "branch"])
def test_a_branch_becomes_its_newest_commit(kept: Kept, fetches: Fetches, revision: str) -> None:
    """Without a revision it is the default branch."""
    outcome = fetches.run(f"{kept.uri}{revision}")
    assert outcome.code == 0, outcome.said
    assert fetches.files()["1/model.onnx"] == b"new"
    assert outcome.message["resolved"] == f"{kept.uri}@{kept.second}"


def test_a_commit_that_no_branch_points_at_is_fetched(kept: Kept, fetches: Fetches) -> None:
    """What was resolved once can be fetched later on."""
    outcome = fetches.run(f"{kept.uri}@{kept.first}")
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL


def test_a_file_alone_is_a_model(kept: Kept, fetches: Fetches) -> None:
    """A path may name one file."""
    outcome = fetches.run(f"{kept.uri}/1/model.onnx@v1")
    assert outcome.code == 0, outcome.said
    assert fetches.files() == {"1/model.onnx": MODEL["1/model.onnx"]}


def test_http_with_a_password(served: str, kept: Kept, fetches: Fetches) -> None:
    """The password goes to the repository's host, and not into what is told."""
    uri = f"git+http://{served}/models.git//models/fraud"
    outcome = fetches.run(f"{uri}@v1", env=LOGIN)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == f"{uri}@{kept.first}"
    assert PASSWORD not in outcome.said


@pytest.mark.parametrize("after", [10, 1500, 3000], ids=["at the list", "at the negotiation", "at the pack"])
def test_a_cut_clone_is_made_again(served: str, fetches: Fetches, after: int) -> None:
    """Git gives whole commits only, so one that was cut is asked for anew, by the same fetch."""
    with cut_line(f"http://{served}") as line:
        line.bytes_until_cut = after
        uri = f"git+{line.url}/models.git//models/fraud@v1"
        with fetches.start(uri, env=LOGIN) as started:
            assert line.cut.wait(60)
            line.bytes_until_cut = None
            _, said = started.communicate()
    assert started.returncode == 0, said
    assert fetches.files() == MODEL


@pytest.mark.parametrize("login", [{}, LOGIN | {"GIT_PASSWORD": "wrong-password"}], ids=["none", "wrong"])
def test_http_without_the_password_is_denied(served: str, fetches: Fetches, login: dict[str, str]) -> None:
    """The reason names the variables that are missing or wrong."""
    outcome = fetches.run(f"git+http://{served}/models.git//models/fraud@v1", env=login)
    assert outcome.reason == "ArtifactDenied"
    assert "GIT_PASSWORD" in outcome.message["message"]


def test_a_host_that_nobody_allowed_is_not_asked(served: str, fetches: Fetches) -> None:
    """Git goes through the guard, too."""
    uri = f"git+http://{served}/models.git//models/fraud@v1"
    outcome = fetches.run(uri, "--allow-host=models.example.com", env=LOGIN)
    assert outcome.reason == "ArtifactHostNotAllowed"


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("//models/fraud@v9", "no branch or tag v9"),
        ("//models/other@v1", "no models/other"),
        (f"//models/fraud@{'0' * 40}", f"no commit {'0' * 40}"),
        ("-missing//models/fraud@v1", "does not exist"),
    ],
    ids=["revision", "path", "commit", "repository"],
)
def test_what_is_not_there_is_named(kept: Kept, fetches: Fetches, tail: str, words: str) -> None:
    """Repository, revision and path are told apart."""
    outcome = fetches.run(f"git+file://{kept.repository.root}{tail}")
    assert outcome.reason == "ArtifactNotFound"
    assert words in outcome.message["message"]


def test_another_digest_is_refused(kept: Kept, fetches: Fetches) -> None:
    """Nothing is put into its place when the bytes are not those that were asked for."""
    outcome = fetches.run(f"{kept.uri}@v1", f"--digest=sha256:{'0' * 64}")
    assert outcome.reason == "ArtifactDigestMismatch"
    assert fetches.left() == []


def test_a_link_in_the_repository_is_refused(tmp_path: Path, fetches: Fetches) -> None:
    """A link could show the server a file of its own machine."""
    made = repository(tmp_path / "models.git")
    made.commit({"fraud/config.pbtxt": b'name: "fraud"'})
    (made.root / "fraud/1").mkdir()
    (made.root / "fraud/1/model.onnx").symlink_to("/etc/hostname")
    made.commit({})
    outcome = fetches.run(f"git+file://{made.root}//fraud")
    assert outcome.reason == "ArtifactUnsafe"


def test_a_pointer_of_git_lfs_is_no_model(tmp_path: Path, fetches: Fetches) -> None:
    """Else a server would try to load three lines of text."""
    made = repository(tmp_path / "models.git")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
    made.commit({"fraud/1/model.onnx": pointer.encode()})
    outcome = fetches.run(f"git+file://{made.root}//fraud")
    assert outcome.reason == "ArtifactLayout"
    assert "Git LFS" in outcome.message["message"]


@pytest.mark.parametrize(
    "uri", ["git+https://user:secret@example.com/models//fraud", "git+https://example.com"], ids=["password", "no path"]
)
def test_a_uri_that_cannot_be_read_is_shown_how(fetches: Fetches, uri: str) -> None:
    """The sentence has the form that is wanted, and no password."""
    outcome = fetches.run(uri)
    assert outcome.reason == "ArtifactUriInvalid"
    assert "git+https://HOST/REPOSITORY//PATH@REVISION" in outcome.message["message"]
    assert "secret" not in outcome.said
