"""serinus-fetch from a plain web server: one file, or an archive, whole or not at all."""

from __future__ import annotations

import io
import random
import re
import signal
import tarfile
import zipfile
from pathlib import Path

import pytest

from serinus_serving.fetch.digest import tree_digest
from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import HttpServer

MODEL = b"onnx" * 1000
LARGE = 5 * PART + 12345
TELLS_ITS_MEMORY = """
import os, sys
leave = os._exit
def tell(code):
    sys.stderr.write(open("/proc/self/status").read())
    sys.stderr.flush()
    leave(code)
os._exit = tell
from serinus_serving.fetch.cli import main
main()
"""
"""The program, and what it needed at most: what the kernel tells a parent counts the parent's own memory as well."""
OTHER_DIGEST = "sha256:" + "0" * 64


def store(web: HttpServer, content: bytes = MODEL, name: str = "model.onnx") -> str:
    """Store a file, and return its address."""
    (web.root / name).write_bytes(content)
    return f"{web.url}/{name}"


def large(seed: int = 1) -> bytes:
    """Make a file of several parts."""
    return random.Random(seed).randbytes(LARGE)


def packed(kind: str) -> bytes:
    """Pack a model with its folder."""
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("fraud/1/model.onnx", MODEL)
    else:
        with tarfile.open(fileobj=made, mode="w:gz") as tar:
            entry = tarfile.TarInfo("fraud/1/model.onnx")
            entry.size = len(MODEL)
            tar.addfile(entry, io.BytesIO(MODEL))
    return made.getvalue()


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without"])
@pytest.mark.parametrize("content", [MODEL, b""], ids=["some bytes", "empty"])
def test_a_bare_model_gets_its_folder(fetches: Fetches, web: HttpServer, ranges: bool, content: bytes) -> None:
    """What is left is the model's folder and nothing else, and the message says what it is."""
    web.ranges = ranges
    ended = fetches.run(store(web, content))
    assert (ended.code, fetches.files(), fetches.left()) == (0, {"1/model.onnx": content}, ["fraud"]), ended.said
    assert ended.message["digest"] == tree_digest(fetches.models / "fraud")
    assert ended.message["bytes"] == len(content)
    assert ended.message["resolved"] == f"{web.url}/model.onnx"


@pytest.mark.parametrize(("kind", "name"), [("tar.gz", "m.tar.gz"), ("tar.gz", "m.TGZ"), ("zip", "m.zip")])
def test_an_archive_is_unpacked(fetches: Fetches, web: HttpServer, kind: str, name: str) -> None:
    """The folder with which it was packed is taken away."""
    ended = fetches.run(store(web, packed(kind), name))
    assert (ended.code, fetches.files(), fetches.left()) == (0, {"1/model.onnx": MODEL}, ["fraud"]), ended.said


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without"])
def test_a_large_file_arrives_as_it_is(fetches: Fetches, web: HttpServer, ranges: bool) -> None:
    """Parts side by side make the same file, and the log says how much of it there is."""
    web.ranges = ranges
    ended = fetches.run(store(web, large()))
    assert (ended.code, fetches.files() == {"1/model.onnx": large()}) == (0, True), ended.said
    assert f"of {LARGE / 1e6:.1f} MB (100 %)" in ended.said


def test_a_signed_address_stays_as_it_is_and_unsaid(fetches: Fetches, web: HttpServer) -> None:
    """Its query is the signature: the server gets it to the letter, and nobody else."""
    ended = fetches.run(f"{store(web)}?X-Sig=a%2Fb+c&n=1")
    assert {asked.path for asked in web.asked} == {"/model.onnx?X-Sig=a%2Fb+c&n=1"}
    assert (ended.code, "Sig" in ended.said + str(ended.message)) == (0, False)


@pytest.mark.parametrize("cut", random.Random(11).sample(range(1, LARGE), 3))
def test_a_cut_connection_goes_on_where_it_was(fetches: Fetches, web: HttpServer, cut: int) -> None:
    """One that heals is not noticed, and costs at most what was on its way."""
    web.bytes_until_cut = cut
    with fetches.start(store(web, large())) as running:
        assert web.cut.wait(60)
        web.bytes_until_cut = None
        _, said = running.communicate()
    assert (running.returncode, fetches.files() == {"1/model.onnx": large()}) == (0, True), said
    assert web.sent < LARGE + 2 * PART


@pytest.mark.parametrize("cut", random.Random(12).sample(range(2 * PART, LARGE), 3))
def test_a_killed_fetch_goes_on_where_it_was(fetches: Fetches, web: HttpServer, cut: int) -> None:
    """A half-fetched folder is never taken for a whole one, and what had arrived is not asked for again."""
    uri = store(web, large())
    web.bytes_until_cut = cut
    with fetches.start(uri, "--parallel", "2") as running:
        assert web.cut.wait(60)
        running.kill()
    assert fetches.left() == [".fraud.fetch"]
    web.bytes_until_cut, web.sent = None, 0
    ended = fetches.run(uri)
    assert (ended.code, fetches.files() == {"1/model.onnx": large()}) == (0, True), ended.said
    assert web.sent <= LARGE - cut + 3 * PART
    assert "MB of them earlier" in ended.said
    assert fetches.left() == ["fraud"]


def test_what_was_overwritten_after_a_kill_is_fetched_anew(fetches: Fetches, web: HttpServer) -> None:
    """Halves of two models make none."""
    uri = store(web, large(1))
    web.bytes_until_cut = 3 * PART
    with fetches.start(uri) as running:
        assert web.cut.wait(60)
        running.kill()
    web.bytes_until_cut = None
    store(web, large(2))
    assert fetches.run(uri).code == 0
    assert fetches.files() == {"1/model.onnx": large(2)}


def test_what_is_overwritten_meanwhile_is_refused(fetches: Fetches, web: HttpServer) -> None:
    """The sentence says so, and no model is there."""
    web.bytes_until_cut = 3 * PART
    with fetches.start(store(web, large(1))) as running:
        assert web.cut.wait(60)
        store(web, large(2))
        web.bytes_until_cut = None
        _, said = running.communicate()
    assert (running.returncode, "ArtifactChanged" in said) == (1, True), said
    assert "fraud" not in fetches.left()


def test_without_a_mark_nothing_is_trusted_to_be_the_same(fetches: Fetches, web: HttpServer) -> None:
    """A server without ETag and date could have overwritten it between two parts: it is read in one."""
    web.etags = False
    assert fetches.run(store(web, large())).code == 0
    assert len([asked for asked in web.asked if asked.headers.get("range", "bytes=0-0") != "bytes=0-0"]) == 0


def test_a_missing_file_is_said_to_be(fetches: Fetches, web: HttpServer) -> None:
    """In seconds, with what to do."""
    ended = fetches.run(f"{web.url}/none.onnx")
    assert (ended.code, ended.reason) == (1, "ArtifactNotFound")
    assert "check the path" in ended.message["message"]


def test_the_header_that_a_server_asks_for_is_sent(fetches: Fetches, web: HttpServer) -> None:
    """With it the model comes, without it the fetch is denied."""
    web.authorization = "Bearer s3cret-token"
    uri = store(web)
    assert fetches.run(uri).reason == "ArtifactDenied"
    ended = fetches.run(uri, env={"HTTP_AUTHORIZATION": web.authorization})
    assert (ended.code, "s3cret" in ended.said) == (0, False)


def test_a_server_that_is_down_is_said_to_be(fetches: Fetches, web: HttpServer) -> None:
    """The sentence says which one, and what the network says."""
    ended = fetches.run("http://127.0.0.1:9/model.onnx")
    assert (ended.code, ended.reason) == (1, "ArtifactUnreachable")
    assert "Connection refused" in ended.message["message"]


def test_a_circle_of_redirects_is_said_to_be_one(fetches: Fetches, web: HttpServer) -> None:
    """The sentence does not blame the network."""
    web.redirects["/model.onnx"] = "/model.onnx"
    assert "redirects in a circle" in fetches.run(f"{web.url}/model.onnx").message["message"]


def test_another_digest_changes_nothing(fetches: Fetches, web: HttpServer) -> None:
    """The model that lies there stays, and nothing of the wrong one does."""
    fetches.run(store(web))
    ended = fetches.run(store(web, b"evil"), "--digest", OTHER_DIGEST)
    assert (ended.code, ended.reason) == (1, "ArtifactDigestMismatch")
    assert f"spec.model.digest (--digest) is {OTHER_DIGEST}" in ended.message["message"]
    assert (fetches.files(), fetches.left()) == ({"1/model.onnx": MODEL}, ["fraud"])


def test_the_digest_that_was_asked_for_is_fetched_once(fetches: Fetches, web: HttpServer) -> None:
    """Containers of a pod may start anew: a model that is there and right needs no network."""
    uri = store(web)
    digest = fetches.run(uri).message["digest"]
    web.asked.clear()
    ended = fetches.run(uri, "--digest", digest)
    assert (ended.code, ended.message["digest"], web.asked) == (0, digest, [])


def test_without_a_digest_the_folder_is_replaced(fetches: Fetches, web: HttpServer) -> None:
    """As a whole: no file of the old one is among the new one's."""
    fetches.run(store(web, packed("zip"), "m.zip"))
    fetches.run(store(web, b"new", "model.py"))
    assert fetches.files() == {"1/model.py": b"new"}


def test_no_layout_is_refused(fetches: Fetches, web: HttpServer) -> None:
    """With the sentence that says how it should be; as-is keeps what other servers want."""
    uri = store(web, b"{}", "model-settings.json")
    ended = fetches.run(uri)
    assert (ended.reason, fetches.left()) == ("ArtifactLayout", [])
    assert fetches.run(uri, "--layout", "as-is").code == 0
    assert fetches.files() == {"model-settings.json": b"{}"}


def test_more_than_the_maximum_is_refused(fetches: Fetches, web: HttpServer) -> None:
    """Before a byte of it is written."""
    ended = fetches.run(store(web), "--max-bytes", "1000")
    assert (ended.reason, fetches.files()) == ("ArtifactTooLarge", {})
    assert "1000 are allowed: raise --max-bytes" in ended.message["message"]


def test_two_fetches_at_once_make_one_model(fetches: Fetches, web: HttpServer) -> None:
    """They wait for each other."""
    uri = store(web, large())
    with fetches.start(uri) as one, fetches.start(uri) as other:
        said = one.communicate()[1] + other.communicate()[1]
    assert ((one.returncode, other.returncode), fetches.left()) == ((0, 0), ["fraud"]), said
    assert fetches.files() == {"1/model.onnx": large()}


def test_a_pod_that_ends_does_not_wait(fetches: Fetches, web: HttpServer) -> None:
    """SIGTERM ends it at once; what has arrived stays for the next."""
    web.bytes_until_cut = 2 * PART
    with fetches.start(store(web, large())) as running:
        assert web.cut.wait(60)
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 128 + signal.SIGTERM
    assert fetches.left() == [".fraud.fetch"]


def test_two_gigabytes_need_little_memory(fetches: Fetches, web: HttpServer) -> None:
    """Under 200 MiB, whatever the model's size."""
    size = 2 << 30
    with (web.root / "model.onnx").open("wb") as made:
        made.truncate(size)
    fetches.program = ("-c", TELLS_ITS_MEMORY)
    ended = fetches.run(f"{web.url}/model.onnx")
    assert ended.code == 0, ended.said
    assert (fetches.models / "fraud/1/model.onnx").stat().st_size == size
    (kibibytes,) = re.findall(r"VmHWM:\s*(\d+) kB", ended.said)
    assert int(kibibytes) << 10 < 200 << 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--digest", "latest"], "latest is no digest: write sha256:", id="digest"),
        pytest.param(["--allow-host", "https://a"], "https://a is no host: write", id="host"),
        pytest.param(["--parallel", "0"], "0 is no number above 0", id="number"),
    ],
)
def test_wrong_usage_is_said(fetches: Fetches, arguments: list[str], sentence: str) -> None:
    """With the value and the fix; exit code 2 as everywhere."""
    ended = fetches.run("http://127.0.0.1:9/model.onnx", *arguments)
    assert ended.code == 2
    assert sentence in ended.said


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        pytest.param("ftp://host/model", "no scheme that is known: write one of s3://", id="scheme"),
        pytest.param(
            "https://me:hunter22@host/m.onnx", "holds a password: put it into spec.model.creden", id="password"
        ),
        pytest.param("https://host/", "names no file", id="no file"),
        pytest.param("http://[::1/m.onnx", "cannot be read", id="half an address"),
        pytest.param("http://a b/m.onnx", "cannot be read", id="no host"),
        pytest.param("s3://models/fraud#42", "has a #, which no object can be named with", id="a fragment, S3"),
        pytest.param("s3://models/fraud?versionId=abc", "has a ?, which no object can be", id="a version, S3"),
        pytest.param("s3://models/fraud?", "has a ?, which no object can be", id="a question mark alone"),
        pytest.param("gs://models/fraud#1360887697105000", "or name the folder", id="a generation, Google"),
        pytest.param("az://models/fraud?sig=hunter22", "a SAS into AZURE_STORAGE_SAS_TOKEN", id="a SAS, Azure"),
        pytest.param("https://account.blob.core.windows.net/models/a#1", "write %23 for one", id="a fragment, Azure"),
        pytest.param("s3:///fraud", "names no bucket", id="no bucket"),
        pytest.param("az://models/fraud", "names no account: set AZURE_STORAGE_ACCOUNT_NAME", id="no account"),
    ],
)
def test_a_uri_that_cannot_be_read_is_refused(fetches: Fetches, uri: str, sentence: str) -> None:
    """Before anything is asked, and without repeating a password."""
    ended = fetches.run(uri)
    assert (ended.code, ended.reason) == (1, "ArtifactUriInvalid")
    assert sentence in ended.message["message"]
    assert "hunter22" not in ended.said


def test_a_folder_that_cannot_be_made_is_said(fetches: Fetches, web: HttpServer) -> None:
    """A file stands where the volume should be."""
    fetches.root.mkdir()
    fetches.models.write_text("")
    ended = fetches.run(store(web))
    assert (ended.code, ended.reason) == (1, "ArtifactNotWritable")


def test_authorities_that_are_not_there_are_said(fetches: Fetches, web: HttpServer) -> None:
    """The variable is named, not the network blamed."""
    ended = fetches.run(store(web), env={"SSL_CERT_FILE": "/not/there.crt"})
    assert "/not/there.crt cannot be read" in ended.message["message"]
    assert "SSL_CERT_FILE" in ended.message["message"]


def test_a_volume_itself_cannot_be_the_folder(fetches: Fetches) -> None:
    """A mount cannot be renamed onto: it is said at once."""
    fetches.models = Path("/")
    ended = fetches.run("http://127.0.0.1:9/model.onnx", name="proc")
    assert (ended.code, "name a folder within the volume" in ended.said) == (2, True)
