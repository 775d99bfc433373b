"""The guard between libraries and the network: what passes, what does not, and that nothing is changed on the way."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from serinus_serving.fetch import guard as guarding
from serinus_serving.fetch.guard import Guard
from serinus_serving.fetch.hosts import parse_host

CHUNKS = b"5\r\nfirst\r\n7;a=b\r\n second\r\n0\r\n\r\n"


class Echo(BaseHTTPRequestHandler):
    """Answers with the request line, the Host header and the body."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.rfile.read(len(CHUNKS))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = f"{self.requestline}|{self.headers['Host']}|{self.headers.get('Proxy-Authorization')}|".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET


@pytest.fixture
def server() -> Iterator[str]:
    """Run a server; name its host and port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{made.server_port}"
        made.shutdown()


@pytest.fixture
def guard(server: str) -> Iterator[Guard]:
    """Run a guard that allows the server."""
    with Guard() as made:
        made.allow([parse_host(server)])
        yield made


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take loopback for the metadata address: the real one is nobody's to ask in a test."""
    monkeypatch.setattr(guarding, "is_metadata", lambda address: address == "127.0.0.1")


def ask(guard: Guard, url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Send a request as a client of a proxy does."""
    connection = http.client.HTTPConnection(urlsplit(guard.url).netloc, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST" if body is not None else "GET", url, body, named)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def test_a_request_arrives_as_a_server_wants_it(guard: Guard, server: str) -> None:
    """Its own path, the query to the letter, and no word for proxies."""
    status, said = ask(guard, f"http://{server}/a%20b?q=%2F+c", Proxy_Authorization="Basic x")
    assert (status, said) == (200, f"GET /a%20b?q=%2F+c HTTP/1.1|{server}|None|".encode())


def test_a_body_of_known_length_passes(guard: Guard, server: str) -> None:
    """As git asks for objects."""
    body = bytes(range(256)) * 2000
    assert ask(guard, f"http://{server}/", body)[1].endswith(b"|" + body)


def test_a_body_in_chunks_passes(guard: Guard, server: str) -> None:
    """As it was cut."""
    host = urlsplit(guard.url)
    with socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=20) as line:
        head = f"POST http://{server}/ HTTP/1.1\r\nHost: {server}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode() + CHUNKS[:7])
        line.sendall(CHUNKS[7:])
        assert b"".join(iter(lambda: line.recv(4096), b"")).endswith(b"|" + CHUNKS)


def test_an_answer_says_that_it_is_the_last(guard: Guard, server: str) -> None:
    """Not every server says so, and the next request may be for another host."""
    connection = http.client.HTTPConnection(urlsplit(guard.url).netloc, timeout=20)
    connection.request("GET", f"http://{server}/")
    answer = connection.getresponse()
    assert (answer.read() != b"", answer.will_close) == (True, True)
    connection.close()


def test_a_host_that_is_not_allowed_is_refused(guard: Guard) -> None:
    """The reason is kept for people."""
    status, said = ask(guard, "http://localhost:9/")
    assert (status, guard.refusals) == (403, ["localhost:9 is not among the allowed hosts"])
    assert said.decode() == guard.refusals[0]


@pytest.mark.usefixtures("metadata")
def test_the_metadata_address_is_no_host_even_when_it_is_allowed(guard: Guard, server: str) -> None:
    """A redirect carries no header that the cloud demands."""
    assert ask(guard, f"http://{server}/latest/meta-data/")[0] == 403
    assert "the metadata address of the cloud" in guard.refusals[0]


@pytest.mark.usefixtures("metadata")
def test_workload_identity_may_ask_the_metadata_address(guard: Guard, server: str) -> None:
    """With that header, though nobody has listed the address."""
    guard.allow([])
    status, said = ask(guard, f"http://{server}/computeMetadata/v1/token", Metadata_Flavor="Google")
    assert (status, said.split(b"|")[0]) == (200, b"GET /computeMetadata/v1/token HTTP/1.1")


def test_that_header_opens_no_other_host(guard: Guard, server: str) -> None:
    """It says who asks, not that the host may be asked."""
    guard.allow([])
    assert ask(guard, f"http://{server}/", Metadata_Flavor="Google")[0] == 403


@pytest.mark.usefixtures("metadata")
def test_no_tunnel_leads_to_the_metadata_address(guard: Guard, server: str) -> None:
    """What happens in one cannot be seen."""
    host = urlsplit(guard.url)
    with socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=20) as line:
        line.sendall(f"CONNECT {server} HTTP/1.1\r\nHost: {server}\r\nMetadata: true\r\n\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "said", [b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET ftp://a/ HTTP/1.1\r\n\r\n", b"\x16\x03\x01" * 30_000]
)
def test_what_is_no_request_to_a_proxy_is_hung_up_on(guard: Guard, said: bytes) -> None:
    """And costs no more memory than the head of one."""
    host = urlsplit(guard.url)
    line = socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=20)
    with line, suppress(ConnectionError):  # there may be more to read when it hangs up
        line.sendall(said)
        assert line.recv(4096) == b""
