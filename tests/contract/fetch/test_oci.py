"""`oci://` by oras, from a real registry that asks for a user."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterator, Mapping

import pytest

from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.cutting import cut_line
from tests.support.servers.registry import INDEX, MANIFEST, PASSWORD, USER, Layer, OciServer, file_layer, oci_server
from tests.support.servers.tokens import TokenService, token_service

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 90_000}
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
UNPACK = {"org.opencontainers.image.title": "fraud", "io.deis.oras.content.unpack": "true"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OciServer]:
    with oci_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


def pushed(registry: OciServer, repository: str, tag: str = "v1", model: Mapping[str, bytes] = MODEL) -> str:
    """Push a model, a file a layer; return the manifest's digest."""
    return registry.push(repository, tag, [file_layer(path, content) for path, content in model.items()])


def packed(files: Mapping[str, bytes]) -> bytes:
    """Pack files as a layer of an image is."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(made.getvalue())


def test_a_tag_becomes_the_digest_of_its_manifest(registry: OciServer, fetches: Fetches) -> None:
    """The files are those of the layers' titles, and the tag is told as what does not move."""
    digest = pushed(registry, "models/fraud")
    outcome = fetches.run(f"oci://{registry.host}/models/fraud:v1", env=registry.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == f"oci://{registry.host}/models/fraud@{digest}"


def test_a_digest_is_fetched_after_its_tag_has_moved(registry: OciServer, fetches: Fetches) -> None:
    """What was resolved once stays what it was."""
    digest = pushed(registry, "models/moved", "latest")
    pushed(registry, "models/moved", "latest", {"model.onnx": b"new"})
    outcome = fetches.run(f"oci://{registry.host}/models/moved@{digest}", env=registry.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    newest = fetches.run(f"oci://{registry.host}/models/moved", name="newest", env=registry.environment)
    assert fetches.files("newest") == {"1/model.onnx": b"new"}, newest.said


@pytest.mark.parametrize("notes", [{}, UNPACK], ids=["a layer of an image", "a folder that oras packed"])
def test_a_packed_layer_is_unpacked(registry: OciServer, fetches: Fetches, notes: Mapping[str, str]) -> None:
    """An image of files alone is a model, too."""
    registry.push("models/packed", "v1", [Layer(packed(MODEL), IMAGE_LAYER, notes)])
    outcome = fetches.run(f"oci://{registry.host}/models/packed:v1", env=registry.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL


def test_a_layer_that_an_image_has_twice_is_taken_once(registry: OciServer, fetches: Fetches) -> None:
    """An empty one stands for each line of a Dockerfile that only sets something."""
    layers = [Layer(packed(files), IMAGE_LAYER, {}) for files in ({}, MODEL, {})]
    registry.push("models/repeating", "v1", layers)
    outcome = fetches.run(f"oci://{registry.host}/models/repeating:v1", env=registry.environment)
    assert (outcome.code, fetches.files()) == (0, MODEL), outcome.said


def test_a_layer_that_deletes_is_refused(registry: OciServer, fetches: Fetches) -> None:
    """What it deletes would be served, else."""
    layers = [Layer(packed(files), IMAGE_LAYER, {}) for files in (MODEL, {"1/.wh.model.onnx": b""})]
    registry.push("models/deleting", "v1", layers)
    outcome = fetches.run(f"oci://{registry.host}/models/deleting:v1", env=registry.environment)
    assert outcome.reason == "ArtifactUnsafe", outcome.said
    assert "deletes a file" in outcome.message["message"]


def test_an_index_leads_to_what_is_for_this_machine(registry: OciServer, fetches: Fetches) -> None:
    """The index itself is what the tag stands for."""
    digest = pushed(registry, "models/index", "amd64")
    entry = {"mediaType": MANIFEST, "digest": digest, "size": registry.blob_file(digest).stat().st_size}
    index = registry.push_manifest(
        "models/index", "v1", INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    )
    outcome = fetches.run(f"oci://{registry.host}/models/index:v1", env=registry.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"].endswith(f"@{index}")


def test_the_manifests_digest_is_a_digest_to_ask_for(registry: OciServer, fetches: Fetches) -> None:
    """spec.model.digest may be the one that the registry shows."""
    digest = pushed(registry, "models/digest")
    outcome = fetches.run(f"oci://{registry.host}/models/digest:v1", f"--digest={digest}", env=registry.environment)
    assert outcome.code == 0, outcome.said


def test_another_digest_is_refused(registry: OciServer, fetches: Fetches) -> None:
    """A tag that was moved to other bytes puts nothing into its place."""
    digest = pushed(registry, "models/overwritten")
    pushed(registry, "models/overwritten", model={"model.onnx": b"new"})
    asked = f"oci://{registry.host}/models/overwritten:v1"
    outcome = fetches.run(asked, f"--digest={digest}", env=registry.environment)
    assert outcome.reason == "ArtifactDigestMismatch"
    assert fetches.left() == []


@pytest.mark.parametrize("damaged", ["manifest", "layer"])
def test_what_was_damaged_in_the_registry_is_refused(registry: OciServer, fetches: Fetches, damaged: str) -> None:
    """The bytes of a manifest and of a layer are compared with the digests that name them."""
    repository = f"models/damaged-{damaged}"
    model = {"model.onnx": damaged.encode() * 1000}
    digest = pushed(registry, repository, model=model)
    manifest = registry.blob_file(digest)
    hurt = (
        manifest
        if damaged == "manifest"
        else registry.blob_file(json.loads(manifest.read_text())["layers"][0]["digest"])
    )
    content = hurt.read_bytes()
    hurt.write_bytes(
        content.replace(b'"schemaVersion": 2', b'"schemaVersion":  2') if hurt == manifest else content[::-1]
    )
    outcome = fetches.run(f"oci://{registry.host}/{repository}@{digest}", env=registry.environment)
    assert outcome.reason == "ArtifactDigestMismatch", outcome.said
    assert fetches.left() == []


@pytest.mark.parametrize(
    ("login", "code"),
    [
        pytest.param(None, 1, id="none"),
        pytest.param(f"{USER}:wrong-password", 1, id="wrong"),
        pytest.param(f"{USER}:{PASSWORD}", 0, id="right"),
    ],
)
def test_the_registry_asks_for_a_pull_secret(
    registry: OciServer, fetches: Fetches, login: str | None, code: int
) -> None:
    """Without one, or with a wrong one, the reason names the variable, and no password is shown."""
    pushed(registry, "models/private")
    auths = {registry.host: {"auth": base64.b64encode(login.encode()).decode()}} if login else {}
    given = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}
    outcome = fetches.run(f"oci://{registry.host}/models/private:v1", env=given)
    assert outcome.code == code, outcome.said
    assert "wrong-password" not in outcome.said
    if code:
        assert outcome.reason == "ArtifactDenied"
        assert "DOCKER_AUTH_CONFIG" in outcome.message["message"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OciServer, TokenService]]:
    """Run a registry that sends its clients to a token service on another port, with a model."""
    folder = tmp_path_factory.mktemp("hub")
    with (
        token_service(folder, f"{USER}:{PASSWORD}") as tokens,
        oci_server(folder, tokens=tokens, repository="models/fraud") as server,
    ):
        pushed(server, "models/fraud")
        yield server, tokens


def test_a_token_is_asked_for_where_the_registry_says(hub: tuple[OciServer, TokenService], fetches: Fetches) -> None:
    """As Docker Hub and ghcr.io do it."""
    server, tokens = hub
    allowed = (f"--allow-host={server.host}", f"--allow-host={tokens.host}")
    outcome = fetches.run(f"oci://{server.host}/models/fraud:v1", *allowed, env=server.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL


def test_the_login_goes_to_no_token_service_that_nobody_allowed(
    hub: tuple[OciServer, TokenService], fetches: Fetches
) -> None:
    """The registry could name any."""
    server, tokens = hub
    outcome = fetches.run(f"oci://{server.host}/models/fraud:v1", env=server.environment)
    assert outcome.reason == "ArtifactHostNotAllowed", outcome.said
    assert tokens.host in outcome.message["message"]


@pytest.mark.parametrize("given", [{}, {"ORAS_USER": USER, "ORAS_PASS": "wrong-password"}], ids=["none", "wrong"])
def test_no_token_without_the_right_login(
    hub: tuple[OciServer, TokenService], fetches: Fetches, given: dict[str, str]
) -> None:
    """The reason is told at once."""
    server, tokens = hub
    allowed = (f"--allow-host={server.host}", f"--allow-host={tokens.host}")
    outcome = fetches.run(f"oci://{server.host}/models/fraud:v1", *allowed, env=given)
    assert outcome.reason == "ArtifactDenied", outcome.said


@pytest.mark.parametrize("cut", random.Random(3).sample(range(2 * PART, 3 * PART), 2))
def test_a_killed_fetch_goes_on_where_it_was(registry: OciServer, fetches: Fetches, cut: int) -> None:
    """What had arrived of a layer is not asked for again."""
    content = random.Random(cut).randbytes(3 * PART)
    pushed(registry, f"models/cut-{cut}", model={"model.onnx": content})
    with cut_line(f"http://{registry.host}") as line:
        host = line.url.removeprefix("http://")
        login = {"ORAS_USER": USER, "ORAS_PASS": PASSWORD}
        line.bytes_until_cut = cut
        with fetches.start(f"oci://{host}/models/cut-{cut}:v1", "--parallel=1", env=login) as started:
            assert line.cut.wait(60)
            started.kill()
        line.bytes_until_cut, line.passed = None, 0
        outcome = fetches.run(f"oci://{host}/models/cut-{cut}:v1", env=login)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == {"1/model.onnx": content}
    assert line.passed < len(content) - cut + 2 * PART


@pytest.mark.parametrize(
    "rest", ["nothing:v1", "fraud:v9", f"fraud@sha256:{'0' * 64}"], ids=["repository", "tag", "digest"]
)
def test_what_is_not_there_is_named(registry: OciServer, fetches: Fetches, rest: str) -> None:
    """A repository, a tag and a digest that nobody pushed."""
    pushed(registry, "models/fraud")
    outcome = fetches.run(f"oci://{registry.host}/models/{rest}", env=registry.environment)
    assert outcome.reason == "ArtifactNotFound", outcome.said


def test_no_answer_is_told_in_seconds(fetches: Fetches) -> None:
    """A registry that is not there is a reason of its own."""
    assert fetches.run("oci://127.0.0.1:1/models/fraud:v1").reason == "ArtifactUnreachable"


@pytest.mark.parametrize(
    "uri", ["oci://example.com/Models/Fraud", "oci://user:secret@example.com/fraud", "oci://fraud"]
)
def test_a_uri_that_cannot_be_read_is_shown_how(fetches: Fetches, uri: str) -> None:
    """The sentence has the form that is wanted, and no password."""
    outcome = fetches.run(uri)
    assert outcome.reason == "ArtifactUriInvalid"
    assert "oci://HOST/REPOSITORY:TAG" in outcome.message["message"]
    assert "secret" not in outcome.said
