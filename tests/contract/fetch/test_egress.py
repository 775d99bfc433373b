"""A network whose only way out is a proxy: another guard of ours stands for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from serinus_local.pki import Pki
from serinus_serving.fetch.guard import Guard
from serinus_serving.fetch.hosts import parse_host
from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import HttpServer, http_server

MODEL = b"onnx"


@pytest.fixture
def way_out() -> Iterator[Guard]:
    """Stand for the proxy of a network; at first it lets nobody out."""
    with Guard() as guard:
        yield guard


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HttpServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "model.onnx").write_bytes(MODEL)
    pki = Pki(tmp_path, ["127.0.0.1"])
    certificate = (pki.file("apiserver.crt"), pki.file("apiserver.key")) if request.param == "https" else None
    with http_server(tmp_path / "served", certificate) as made:
        yield made


@pytest.fixture
def variables(way_out: Guard, tmp_path: Path) -> Mapping[str, str]:
    """Name the proxy, and the authority of the server."""
    named = {"HTTP_PROXY": way_out.url, "https_proxy": way_out.url, "NO_PROXY": "", "no_proxy": ""}
    authority = tmp_path / "pki" / "ca.crt"
    return named | ({"SSL_CERT_FILE": str(authority)} if authority.exists() else {})


def test_requests_take_the_way_out(
    fetches: Fetches, server: HttpServer, way_out: Guard, variables: Mapping[str, str]
) -> None:
    """With TLS and without."""
    way_out.allow([parse_host(server.host)])
    ended = fetches.run(f"{server.url}/model.onnx", env=variables)
    assert (ended.code, fetches.files()) == (0, {"1/model.onnx": MODEL}), ended.said


def test_what_the_way_out_refuses_is_told(
    fetches: Fetches, server: HttpServer, way_out: Guard, variables: Mapping[str, str]
) -> None:
    """It is not gone around, and our own list is not blamed."""
    ended = fetches.run(f"{server.url}/model.onnx", env=variables)
    assert (ended.code, server.asked) == (1, [])
    assert ended.reason in ("ArtifactDenied", "ArtifactUnreachable")
    assert server.host in way_out.refusals[0]


def test_what_needs_no_way_out_takes_none(
    fetches: Fetches, server: HttpServer, way_out: Guard, variables: Mapping[str, str]
) -> None:
    """NO_PROXY names what is within."""
    ended = fetches.run(f"{server.url}/model.onnx", env=dict(variables) | {"NO_PROXY": "127.0.0.1,.svc"})
    assert (ended.code, way_out.refusals) == (0, []), ended.said


def test_a_login_for_the_way_out_is_not_told_to_servers(
    fetches: Fetches, web: HttpServer, way_out: Guard, variables: Mapping[str, str]
) -> None:
    """It is the proxy's alone, and stands in no message."""
    (web.root / "model.onnx").write_bytes(MODEL)
    way_out.allow([parse_host(web.host)])
    named = dict(variables) | {"HTTP_PROXY": way_out.url.replace("http://", "http://me:hunter22@")}
    ended = fetches.run(f"{web.url}/model.onnx", env=named)
    assert (ended.code, "hunter22" in ended.said) == (0, False), ended.said
    assert not any(name.startswith("proxy-") for asked in web.asked for name in asked.headers)
