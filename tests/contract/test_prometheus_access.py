"""What a source is asked with: credentials from files, TLS both ways, and nothing secret told or led astray."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.prometheus.instant import InstantQueries
from serinus.adapters.prometheus.ranges import RangeQueries
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, SeriesSet
from serinus.core.model.source import BasicAuth, Source, TlsFiles
from serinus_local import build
from serinus_local.pki import Pki
from serinus_local.ports import Ports
from serinus_local.process import Processes, Program
from tests.support.scripted_server import ScriptedServer, answers, scripted_server

SECRET = "s3cret"
HASHED = "$2b$04$kv/O0Soyh4q9QakJZHC5vOalg6Fik3jaubGvqwdaXkwpuYuFurcQG"
"""bcrypt's, of SECRET."""
FINE = answers({"status": "success", "data": {"resultType": "vector", "result": []}})


class Asks(Protocol):
    """One way to ask an instant query."""

    async def __call__(self, source: Source) -> MetricsAnswer: ...


async def by_aiohttp(source: Source) -> MetricsAnswer:
    async with InstantQueries([source], SystemClock(), time_limit=2) as queries:
        return await queries.ask(source.name, "vector(1)")


async def by_the_client(source: Source) -> MetricsAnswer:
    return await RangeQueries(source, time_limits=(2, 2)).ask("vector(1)")


@pytest.fixture(params=[by_aiohttp, by_the_client], ids=["instant", "ranges"])
def ask(request: pytest.FixtureRequest) -> Asks:
    chosen: Asks = request.param
    return chosen


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as made:
        made.will(FINE)
        yield made


def holding(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


async def test_credentials_and_headers_are_sent(ask: Asks, server: ScriptedServer, tmp_path: Path) -> None:
    """From their files, by both."""
    source = Source(
        "team",
        server.url,
        basic_auth=BasicAuth("bob", holding(tmp_path / "password", f"{SECRET}\n")),
        headers={"X-Scope-OrgID": "ml"},
        header_files={"X-Api-Key": holding(tmp_path / "key", "k1")},
    )
    assert isinstance(await ask(source), SeriesSet)
    [seen] = server.seen
    assert seen.headers["Authorization"] == "Basic " + base64.b64encode(f"bob:{SECRET}".encode()).decode()
    assert (seen.headers["X-Scope-OrgID"], seen.headers["X-Api-Key"]) == ("ml", "k1")


async def test_no_password_is_taken_from_the_home_folder(
    ask: Asks, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.netrc is for other programs, and would go before the token."""
    holding(tmp_path / ".netrc", f"machine 127.0.0.1 login bob password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    await ask(Source("team", server.url, holding(tmp_path / "token", "t1")))
    await ask(Source("team", server.url))
    assert [each.headers.get("Authorization") for each in server.seen] == ["Bearer t1", None]


async def test_a_token_that_is_replaced_is_read_again(server: ScriptedServer, tmp_path: Path) -> None:
    """Projected tokens rotate, and while one is missing the last one is used."""
    token = holding(tmp_path / "token", "t1")
    async with InstantQueries([Source("team", server.url, token)], SystemClock()) as queries:
        await queries.ask("team", "up")
        holding(tmp_path / "next", "t2").rename(token)
        await queries.ask("team", "up")
        token.unlink()
        await queries.ask("team", "up")
    assert [each.headers["Authorization"] for each in server.seen] == ["Bearer t1", "Bearer t2", "Bearer t2"]


@pytest.mark.parametrize(
    "content",
    [None, "", f"{SECRET}\n{SECRET}", f"{SECRET}\x00", f"{SECRET}é"],
    ids=["absent", "empty", "two", "nul", "é"],
)
async def test_a_token_that_cannot_be_sent_is_named_and_not_told(
    ask: Asks, server: ScriptedServer, tmp_path: Path, content: str | None
) -> None:
    """By its setting and its file; nothing is sent."""
    token = tmp_path / "token"
    if content is not None:
        holding(token, content)
    answer = await ask(Source("team", server.url, token))
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.UNREACHABLE
    assert "source 'team'" in answer.message
    assert str(token) in answer.message
    assert SECRET not in answer.message
    assert server.seen == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_told_and_not_followed(
    ask: Asks, server: ScriptedServer, tmp_path: Path, status: int
) -> None:
    """It might lead a token to another host, or over plain http."""
    async with scripted_server() as elsewhere:
        elsewhere.will(FINE)
        server.script.clear()
        server.will(answers("", status, Location=f"{elsewhere.url}/login?state={SECRET}"))
        answer = await ask(Source("team", server.url, holding(tmp_path / "token", "t1")))
        assert elsewhere.seen == []
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.REFUSED
    assert f"HTTP {status}: it redirects to {elsewhere.url}/login:" in answer.message
    assert SECRET not in answer.message


async def test_what_a_proxy_repeats_is_not_told(ask: Asks, server: ScriptedServer, tmp_path: Path) -> None:
    """Some show the request that they refuse."""
    coded = base64.b64encode(f"bob:{SECRET}".encode()).decode()
    server.script.clear()
    server.will(answers(f"denied: Authorization: Basic {coded} ({SECRET})", 403))
    source = Source("team", server.url, basic_auth=BasicAuth("bob", holding(tmp_path / "password", SECRET)))
    answer = await ask(source)
    assert isinstance(answer, NoAnswer)
    assert "denied" in answer.message
    assert SECRET not in answer.message
    assert coded not in answer.message


async def test_an_address_is_told_without_its_password(ask: Asks) -> None:
    """The configuration refuses it; what else makes a source does not leak it."""
    answer = await ask(Source("team", f"http://bob:{SECRET}@127.0.0.1:1"))
    assert isinstance(answer, NoAnswer)
    assert SECRET not in answer.message


@pytest.mark.parametrize("name", ["ml", "shop"])
async def test_own_queries_are_held_to_their_namespace(server: ScriptedServer, name: str) -> None:
    """Presets are asked as they are."""
    async with InstantQueries([Source("team", server.url, enforced_label="namespace")], SystemClock()) as queries:
        await queries.ask("team", "sum(x)", own=name)
        await queries.ask("team", "sum(x)")
        refused = await queries.ask("team", 'x{namespace="prod"}', own=name)
    own, preset = (each.body.decode() for each in server.seen)
    assert f"namespace%3D%22{name}%22" in own
    assert "namespace" not in preset
    assert isinstance(refused, NoAnswer)
    assert refused.failure is Failure.REFUSED


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """Start a Prometheus that serves TLS alone, asks for a certificate and a password; give the way in."""
    folder = tmp_path_factory.mktemp("prometheus")
    pki = Pki(folder, ["127.0.0.1"])
    web = {
        "tls_server_config": {
            "cert_file": pki.file("apiserver.crt"),
            "key_file": pki.file("apiserver.key"),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": pki.file("ca.crt"),
        },
        "basic_auth_users": {"bob": HASHED},
    }
    port = Ports(folder)["prometheus"]
    argv = (
        str(build.binaries() / "prometheus"),
        f"--config.file={holding(folder / 'prometheus.yml', '{}')}",
        f"--web.config.file={holding(folder / 'web.yml', json.dumps(web))}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    processes = Processes(folder)
    processes.start(Program("prometheus", argv))
    tls = TlsFiles(*(Path(pki.file(each)) for each in ("ca.crt", "kubelet-client.crt", "kubelet-client.key")))
    basic = BasicAuth("bob", holding(folder / "password", SECRET))
    source = Source("team", f"https://127.0.0.1:{port}", basic_auth=basic, tls=tls)
    processes.wait(
        lambda: isinstance(asyncio.run(by_the_client(source)), SeriesSet), "prometheus", what="queries", limit=60
    )
    yield source
    processes.stop("prometheus")


class TestTheRealOne:
    """What TLS and passwords are good for."""

    pytestmark = pytest.mark.node

    async def test_who_has_all_of_it_is_answered(self, ask: Asks, guarded: Source) -> None:
        """CA bundle, client certificate and password."""
        assert isinstance(await ask(guarded), SeriesSet)

    async def test_a_wrong_password_is_refused(self, ask: Asks, guarded: Source, tmp_path: Path) -> None:
        """And is not told."""
        wrong = BasicAuth("bob", holding(tmp_path / "wrong", "other-s3cret"))
        answer = await ask(Source("team", guarded.url, basic_auth=wrong, tls=guarded.tls))
        assert isinstance(answer, NoAnswer)
        assert answer.failure is Failure.REFUSED
        assert "401" in answer.message
        assert SECRET not in answer.message

    @pytest.mark.parametrize("tls", [{}, {"cert_file": None, "key_file": None}], ids=["unknown CA", "no certificate"])
    async def test_who_cannot_be_trusted_or_does_not_trust_is_not_connected(
        self, ask: Asks, guarded: Source, tls: dict[str, None]
    ) -> None:
        """Before any password is sent."""
        files = TlsFiles(ca_file=guarded.tls.ca_file, **tls) if tls else TlsFiles()
        answer = await ask(Source("team", guarded.url, basic_auth=guarded.basic_auth, tls=files))
        assert isinstance(answer, NoAnswer)
        assert answer.failure is Failure.UNREACHABLE
