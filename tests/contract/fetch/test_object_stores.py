"""serinus-fetch from object stores: S3, Google Cloud Storage and Azure, each a real server."""

from __future__ import annotations

import asyncio
import io
import random
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from serinus_serving.fetch.digest import tree_digest
from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.scripted_server import answers, scripted_server
from tests.support.servers.azure import azure_server
from tests.support.servers.cutting import cut_line
from tests.support.servers.gcs import gcs_server
from tests.support.servers.s3 import S3Server, s3_server

FILES = {
    "config.pbtxt": b'name: "fraud"',
    "1/model.onnx": b"onnx" * 1000,
    "1/größe und x.bin": b"",
    "labels.txt": b"a\nb",
}
ALL_BUT_THE_GCS_EMULATOR = pytest.mark.parametrize("store", ["s3", "az"], indirect=True)
"""fake-gcs-server asks nobody for credentials, and answers 500 for a missing bucket, where Google says 404."""
LARGE = 3 * PART + 777


@dataclass(frozen=True)
class Store:
    """A new bucket of a server."""

    uri: str
    put: Callable[[str, bytes], None]
    environment: Mapping[str, str]
    denied: Mapping[str, str] = field(default_factory=dict)
    """The environment of somebody who may not read; empty when the server lets everybody."""


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_store(s3: S3Server) -> Store:
    folder = s3.bucket(f"models-{uuid.uuid4().hex[:6]}")

    def put(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    wrong = s3.environment | {"AWS_SECRET_ACCESS_KEY": "somebody-else"}
    return Store(f"s3://{folder.name}", put, s3.environment, wrong)


@pytest.fixture(scope="session")
def gs_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with gcs_server(tmp_path_factory.mktemp("gcs")) as server:
        server.bucket("models")
        environment = {"STORAGE_EMULATOR_HOST": server.endpoint}
        yield Store("gs://models", lambda name, content: server.put("models", name, content), environment)


@pytest.fixture(scope="session")
def az_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with azure_server(tmp_path_factory.mktemp("azure")) as server:
        server.container("models")
        wrong = dict(server.environment) | {"AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmc="}
        yield Store(
            "az://models", lambda name, content: server.put("models", quote(name), content), server.environment, wrong
        )


@pytest.fixture(params=["s3", "gs", "az"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def folder(store: Store) -> str:
    """Store a model in a folder that no other test uses; name the folder."""
    name = f"team a/{uuid.uuid4().hex[:6]}"
    for path, content in FILES.items():
        store.put(f"{name}/{path}", content)
    store.put(f"{name}-other/1/model.onnx", b"not of this folder")
    return name


def test_a_folder_is_fetched(fetches: Fetches, store: Store, folder: str) -> None:
    """All that is in it, and nothing of a folder whose name begins so."""
    ended = fetches.run(f"{store.uri}/{folder}", env=store.environment)
    assert (ended.code, fetches.files()) == (0, FILES), ended.said


def test_one_object_is_fetched(fetches: Fetches, store: Store, folder: str) -> None:
    """A URI can name a file; it gets its version folder."""
    ended = fetches.run(f"{store.uri}/{folder}/1/model.onnx", env=store.environment)
    assert (ended.code, fetches.files()) == (0, {"1/model.onnx": FILES["1/model.onnx"]}), ended.said


def test_an_archive_is_unpacked(fetches: Fetches, store: Store, folder: str) -> None:
    """From a store as from a web server."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for path, content in FILES.items():
            entry = tarfile.TarInfo(f"fraud/{path}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    store.put(f"{folder}/packed.tar.gz", made.getvalue())
    ended = fetches.run(f"{store.uri}/{folder}/packed.tar.gz", env=store.environment)
    assert (ended.code, fetches.files()) == (0, FILES), ended.said


def test_a_large_object_arrives_as_it_is(fetches: Fetches, store: Store, folder: str) -> None:
    """What the list calls the same file is the same to each of its parts."""
    content = random.Random(3).randbytes(LARGE)
    store.put(f"{folder}/large/model.onnx", content)
    ended = fetches.run(f"{store.uri}/{folder}/large", env=store.environment)
    assert (ended.code, fetches.files() == {"1/model.onnx": content}) == (0, True), ended.said


@pytest.mark.parametrize("path", ["none", "team", "{folder}/1/model"], ids=["nothing", "a folder's prefix", "a file's"])
def test_what_is_not_there_is_said(fetches: Fetches, store: Store, folder: str, path: str) -> None:
    """A name that others begin with is no model."""
    ended = fetches.run(f"{store.uri}/{path.format(folder=folder)}", env=store.environment)
    assert (ended.code, ended.reason) == (1, "ArtifactNotFound"), ended.said


@ALL_BUT_THE_GCS_EMULATOR
def test_a_bucket_that_is_not_there_is_said(fetches: Fetches, store: Store) -> None:
    """Its name may be mistyped."""
    scheme = store.uri.partition("://")[0]
    ended = fetches.run(f"{scheme}://not-there/fraud", env=store.environment)
    assert (ended.code, ended.reason) == (1, "ArtifactNotFound"), ended.said


@ALL_BUT_THE_GCS_EMULATOR
def test_who_may_not_read_is_denied(fetches: Fetches, store: Store, folder: str) -> None:
    """With what to check, and without the key."""
    ended = fetches.run(f"{store.uri}/{folder}", env=store.denied)
    assert (ended.code, ended.reason) == (1, "ArtifactDenied"), ended.said
    assert "spec.model.credentials" in ended.message["message"]
    assert not any(secret in ended.said for name, secret in store.denied.items() if name.endswith("KEY"))


def test_the_digest_is_verified(fetches: Fetches, store: Store, folder: str, tmp_path: Path) -> None:
    """It is that of the folder that was uploaded; changed bytes are refused."""
    digest = fetches.run(f"{store.uri}/{folder}", env=store.environment).message["digest"]
    for path, content in FILES.items():
        (tmp_path / "own" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / path).write_bytes(content)
    assert digest == tree_digest(tmp_path / "own")
    store.put(f"{folder}/1/model.onnx", b"overwritten")
    ended = fetches.run(f"{store.uri}/{folder}", "--digest", digest, env=store.environment, name="other")
    assert (ended.reason, fetches.files("other")) == ("ArtifactDigestMismatch", {})


def test_without_credentials_the_sentence_says_where_to_put_them(fetches: Fetches, s3: S3Server) -> None:
    """Not that some address of the cloud gave no answer."""
    ended = fetches.run(
        "s3://models/fraud", "--allow-host", "127.0.0.1",
        env={"AWS_ENDPOINT_URL": s3.endpoint, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert (ended.code, ended.reason) == (1, "ArtifactDenied"), ended.said
    assert "set spec.model.credentials, or a service account with workload identity" in ended.message["message"]


@pytest.mark.parametrize("cut", random.Random(5).sample(range(2 * PART, LARGE), 2))
def test_a_killed_fetch_goes_on_where_it_was(fetches: Fetches, s3: S3Server, s3_store: Store, cut: int) -> None:
    """What had arrived of an object is not asked for again."""
    content = random.Random(cut).randbytes(LARGE)
    s3_store.put(f"cut-{cut}/model.onnx", content)
    uri = f"{s3_store.uri}/cut-{cut}"
    with cut_line(s3.endpoint) as line:
        environment = dict(s3_store.environment) | {"AWS_ENDPOINT_URL": line.url}
        line.bytes_until_cut = cut
        with fetches.start(uri, "--parallel", "1", env=environment) as running:
            assert line.cut.wait(60)
            running.kill()
        line.bytes_until_cut, line.passed = None, 0
        ended = fetches.run(uri, env=environment)
    assert (ended.code, fetches.files() == {"1/model.onnx": content}) == (0, True), ended.said
    assert line.passed < LARGE - cut + 2 * PART


@pytest.mark.timeout(300)
def test_ten_thousand_small_files_are_fetched(fetches: Fetches, s3_store: Store) -> None:
    """Each of them, and the list is read to its end."""
    files = {f"1/{n % 100}/{n}.bin": str(n).encode() for n in range(10_000)} | {"config.pbtxt": b""}
    for path, content in files.items():
        s3_store.put(f"many/{path}", content)
    ended = fetches.run(f"{s3_store.uri}/many", "--parallel", "16", env=s3_store.environment)
    assert (ended.code, fetches.files() == files) == (0, True), ended.said


def test_folders_that_are_objects_are_no_files(fetches: Fetches, gs_store: Store) -> None:
    """Consoles of the clouds make empty objects to show folders."""
    for name in ("marked/", "marked/1/"):
        gs_store.put(name, b"")
    gs_store.put("marked/1/model.onnx", b"onnx")
    ended = fetches.run(f"{gs_store.uri}/marked", env=gs_store.environment)
    assert (ended.code, fetches.files()) == (0, {"1/model.onnx": b"onnx"}), ended.said


LISTED = """<ListBucketResult><Name>models</Name><IsTruncated>false</IsTruncated><Contents><Key>{key}</Key>
<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>4</Size></Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    "key", ["fraud/../../evil", "fraud/..", "fraud//etc/passwd", "fraud/a&#10;b", "fraud/a\\..\\b"]
)
async def test_names_that_leave_the_folder_are_refused(fetches: Fetches, key: str) -> None:
    """A store can call an object whatever it likes; a lookalike of S3 does so here, since the real ones refuse."""
    async with scripted_server() as server:
        server.will(answers(LISTED.format(key=key)))
        environment = {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        ended = await asyncio.to_thread(fetches.run, "s3://models/fraud", "--layout", "as-is", env=environment)
    assert (ended.code, ended.reason) == (1, "ArtifactUnsafe"), ended.said
    assert (fetches.files(), fetches.left()) == ({}, [])
