"""serinus-fetch over TLS, which passes through the guard untouched: whom it trusts, and where it may lead."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from serinus_local.pki import Pki
from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import HttpServer, http_server


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("authority"), ["127.0.0.1"])


@pytest.fixture
def trusting(pki: Pki) -> Mapping[str, str]:
    """Trust the authority of these servers, as one within a company."""
    return {"SSL_CERT_FILE": pki.file("ca.crt")}


@pytest.fixture
def secure(tmp_path: Path, pki: Pki) -> Iterator[HttpServer]:
    (tmp_path / "secure").mkdir()
    with http_server(tmp_path / "secure", (pki.file("apiserver.crt"), pki.file("apiserver.key"))) as server:
        yield server


def test_a_model_comes_over_tls(fetches: Fetches, secure: HttpServer, trusting: Mapping[str, str]) -> None:
    """In parts, as without."""
    content = random.Random(8).randbytes(3 * PART + 1)
    (secure.root / "model.onnx").write_bytes(content)
    ended = fetches.run(f"{secure.url}/model.onnx", env=trusting)
    assert (ended.code, fetches.files() == {"1/model.onnx": content}) == (0, True), ended.said


def test_a_certificate_that_nobody_vouches_for_is_refused(fetches: Fetches, secure: HttpServer) -> None:
    """No request is sent over such a line."""
    ended = fetches.run(f"{secure.url}/model.onnx")
    assert (ended.code, ended.reason, secure.asked) == (1, "ArtifactUnreachable", [])
    assert "not trusted (UnknownIssuer): name its authority in SSL_CERT_FILE" in ended.message["message"]


def test_a_server_without_tls_is_said_to_be(fetches: Fetches, web: HttpServer) -> None:
    """A port can be mistaken."""
    ended = fetches.run(f"{web.url.replace('http:', 'https:')}/model.onnx")
    assert "does not speak TLS there: check the port" in ended.message["message"]


def test_a_server_that_is_down_is_said_to_be(fetches: Fetches) -> None:
    """A tunnel that could not be opened tells nothing of the reason; the guard does."""
    ended = fetches.run("https://127.0.0.1:9/model.onnx")
    assert ended.reason == "ArtifactUnreachable"
    assert "127.0.0.1:9: Connection refused" in ended.message["message"]


def test_a_redirect_over_tls_is_checked(
    fetches: Fetches, secure: HttpServer, elsewhere: HttpServer, trusting: Mapping[str, str]
) -> None:
    """The guard does not see the answer, but where the next request goes."""
    secure.redirects["/model.onnx"] = f"{elsewhere.url}/model.onnx"
    ended = fetches.run(f"{secure.url}/model.onnx", env=trusting)
    assert (ended.reason, elsewhere.asked) == ("ArtifactHostNotAllowed", [])


def test_a_redirect_to_another_tls_host_is_checked(
    fetches: Fetches, web: HttpServer, secure: HttpServer, trusting: Mapping[str, str]
) -> None:
    """Its tunnel is not opened, and nobody tries for long."""
    web.redirects["/model.onnx"] = f"{secure.url}/model.onnx"
    ended = fetches.run(f"{web.url}/model.onnx", env=trusting)
    assert (ended.reason, secure.asked) == ("ArtifactHostNotAllowed", [])
    assert secure.host in ended.message["message"]
