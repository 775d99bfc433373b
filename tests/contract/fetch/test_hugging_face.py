"""`hf://` by the Hub's own client, against a small endpoint that speaks its API (`tests/support/servers/hub.py`)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.cutting import cut_line
from tests.support.servers.hub import TOKEN, Hub, hub

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 40}


@pytest.fixture(scope="module")
def served() -> Iterator[Hub]:
    with hub() as running:
        yield running


def test_a_branch_becomes_a_commit_and_its_files(served: Hub, fetches: Fetches) -> None:
    """What is fetched is the commit that the branch had, large files from where the Hub sends us, and it is told."""
    commit = served.commit("acme/fraud", MODEL)
    outcome = fetches.run("hf://acme/fraud@main", env={"HF_ENDPOINT": served.endpoint})
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == f"hf://acme/fraud@{commit}"


@pytest.mark.parametrize("revision", ["v1", "refs%2Fpr%2F1"])
def test_other_revisions_are_found(served: Hub, fetches: Fetches, revision: str) -> None:
    """A tag and a reference with slashes stand for their commits."""
    old = served.commit("acme/tagged", MODEL, revision.replace("%2F", "/"))
    served.commit("acme/tagged", {"model.onnx": b"new"})
    outcome = fetches.run(f"hf://acme/tagged@{revision}", env={"HF_ENDPOINT": served.endpoint})
    assert outcome.code == 0, outcome.said
    assert outcome.message["resolved"].endswith(old)
    assert fetches.files() == MODEL


def test_a_folder_of_a_repository_is_a_model(served: Hub, fetches: Fetches) -> None:
    """What lies beside the folder is not fetched."""
    served.commit("acme/several", {"onnx/model.onnx": b"onnx", "model.pt": b"torch"})
    outcome = fetches.run("hf://acme/several/onnx", env={"HF_ENDPOINT": served.endpoint})
    assert outcome.code == 0, outcome.said
    assert fetches.files() == {"1/model.onnx": b"onnx"}


def test_a_private_model_needs_the_token(served: Hub, fetches: Fetches) -> None:
    """The token of HF_TOKEN opens it; without one the reason says so."""
    served.commit("acme/private", MODEL)
    served.private.add("acme/private")
    given = {"HF_ENDPOINT": served.endpoint}
    refused = fetches.run("hf://acme/private", name="refused", env=given)
    assert refused.reason == "ArtifactDenied"
    assert "HF_TOKEN" in refused.message["message"]
    assert fetches.run("hf://acme/private", env=given | {"HF_TOKEN": TOKEN}).code == 0
    from_a_file = fetches.run("hf://acme/private", name="again", env=given | {"HF_TOKEN": f"{TOKEN}\n"})
    assert (from_a_file.code, TOKEN in from_a_file.said) == (0, False), from_a_file.said


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("hf://acme/nothing", "does not exist"),
        ("hf://acme/present@v9", "no revision v9"),
        ("hf://acme/present/elsewhere", "no elsewhere"),
    ],
    ids=["repository", "revision", "path"],
)
def test_what_is_not_there_is_named(served: Hub, fetches: Fetches, uri: str, words: str) -> None:
    """Repository, revision and path are told apart."""
    served.commit("acme/present", MODEL)
    outcome = fetches.run(uri, env={"HF_ENDPOINT": served.endpoint, "HF_TOKEN": TOKEN})
    assert outcome.reason == "ArtifactNotFound"
    assert words in outcome.message["message"]


def test_another_digest_is_refused(served: Hub, fetches: Fetches) -> None:
    """Nothing is put into its place when the bytes are not those that were asked for."""
    served.commit("acme/digest", MODEL)
    wrong = f"--digest=sha256:{'0' * 64}"
    outcome = fetches.run("hf://acme/digest", wrong, env={"HF_ENDPOINT": served.endpoint})
    assert outcome.reason == "ArtifactDigestMismatch"
    assert fetches.left() == []


def test_bytes_that_are_not_those_of_lfs_are_refused(served: Hub, fetches: Fetches) -> None:
    """The Hub tells the SHA-256 of a large file, and that is compared."""
    sha = served.commit("acme/damaged", MODEL)
    served.damaged[sha, "1/model.onnx"] = b"x" * len(MODEL["1/model.onnx"])
    outcome = fetches.run("hf://acme/damaged", env={"HF_ENDPOINT": served.endpoint})
    assert outcome.reason == "ArtifactDigestMismatch"


def test_no_answer_is_told_in_seconds(fetches: Fetches) -> None:
    """A Hub that is not there is a reason of its own."""
    outcome = fetches.run("hf://acme/fraud", env={"HF_ENDPOINT": "http://127.0.0.1:1"})
    assert outcome.reason == "ArtifactUnreachable"


def test_a_killed_fetch_goes_on_where_it_was(served: Hub, fetches: Fetches) -> None:
    """What had arrived of a file is not asked for again."""
    content = random.Random(7).randbytes(3 * PART)
    served.commit("acme/cut", {"model.onnx": content})
    with cut_line(served.endpoint) as line:
        line.bytes_until_cut = 2 * PART + 12_345
        with fetches.start("hf://acme/cut", "--parallel=1", env={"HF_ENDPOINT": line.url}) as started:
            assert line.cut.wait(60)
            started.kill()
        line.bytes_until_cut, line.passed = None, 0
        outcome = fetches.run("hf://acme/cut", env={"HF_ENDPOINT": line.url})
    assert outcome.code == 0, outcome.said
    assert fetches.files() == {"1/model.onnx": content}
    assert line.passed < 2 * PART
