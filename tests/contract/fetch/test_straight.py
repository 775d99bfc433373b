"""serinus-fetch without a library: what is plain is read straight from its server, all else as before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.source import Access
from serinus_serving.fetch.sources.stores import locate
from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import HttpServer
from tests.support.servers.s3 import S3Server, s3_server

LARGE = 2 * PART + 99
OURS = "serinus-fetch"


@pytest.fixture
def content() -> bytes:
    return random.Random(4).randbytes(LARGE)


@pytest.fixture
def uri(web: HttpServer, content: bytes) -> str:
    (web.root / "model.onnx").write_bytes(content)
    return f"{web.url}/model.onnx"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path) as server:
        yield server


def read_by(web: HttpServer) -> list[bool]:
    """Tell of each request for more than the first byte whether it was ours."""
    asked = [each.headers for each in web.asked if each.headers.get("range") != "bytes=0-0"]
    return [each.get("user-agent") == OURS for each in asked]


def test_parts_are_read_straight(fetches: Fetches, web: HttpServer, uri: str, content: bytes) -> None:
    """None of them goes through the library, and the bytes are the same."""
    ended = fetches.run(uri)
    assert (ended.code, fetches.files() == {"1/model.onnx": content}) == (0, True), ended.said
    assert read_by(web) == [True] * 3


def test_the_header_that_a_server_asks_for_is_sent(fetches: Fetches, web: HttpServer, uri: str) -> None:
    """As by the library."""
    web.authorization = "Bearer s3cret-token"
    assert fetches.run(uri, env={"HTTP_AUTHORIZATION": web.authorization}).code == 0
    assert read_by(web) == [True] * 3


@pytest.mark.parametrize(
    "elsewhere",
    [pytest.param("/moved.onnx", id="redirected"), pytest.param("/model.onnx?a b", id="an address with a space")],
)
def test_what_is_not_plain_is_left_to_the_library(
    fetches: Fetches, web: HttpServer, uri: str, content: bytes, elsewhere: str
) -> None:
    """It is asked so once at most, and the model comes all the same."""
    web.redirects["/moved.onnx"] = "/model.onnx"
    ended = fetches.run(f"{web.url}{elsewhere}", "--parallel", "1")
    assert (ended.code, list(fetches.files().values()) == [content]) == (0, True), ended.said
    assert sum(read_by(web)) <= 1


def test_a_way_out_that_is_a_proxy_is_left_to_the_library(fetches: Fetches, web: HttpServer, uri: str) -> None:
    """A proxy wants to be asked in its own way, and is never gone around."""
    ended = fetches.run(uri, env={"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""})
    assert (ended.code, web.asked) == (1, []), ended.said


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param({}, None, id="the right key"),
        pytest.param({"AWS_SECRET_ACCESS_KEY": "somebody-else"}, "ArtifactDenied", id="another"),
    ],
)
def test_a_bucket_is_read_with_its_keys(
    fetches: Fetches, s3: S3Server, content: bytes, other: Mapping[str, str], reason: str | None
) -> None:
    """Names that must be written otherwise in an address, too."""
    name = "größe + ?&#%41.bin"
    (s3.bucket("models") / "a b" / "1").mkdir(parents=True)
    (s3.bucket("models") / "a b" / "1" / name).write_bytes(content)
    ended = fetches.run("s3://models/a b", "--layout", "as-is", env=dict(s3.environment) | dict(other))
    assert ended.reason == reason, ended.said
    assert fetches.files() == ({} if reason else {f"1/{name}": content})


@pytest.mark.parametrize(("said", "signed"), [("true", False), ("false", True)])
def test_a_public_bucket_is_left_to_the_library(said: str, signed: bool) -> None:
    """A signature would need an account, which the library would look for on the node."""
    access = Access(Credentials({"AWS_SKIP_SIGNATURE": said, "AWS_REGION": "eu-west-1"}), "http://127.0.0.1:9", Path())
    assert (locate("s3://public/fraud", access).address is not None) == signed
