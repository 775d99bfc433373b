"""A plain web server over a folder, with ranges or without, that cuts, redirects and refuses when it is told."""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")
_PIECE = 256 << 10


@dataclass(frozen=True)
class Asked:
    """A request that arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class HttpServer:
    """A running server of the files in `root`, and how it behaves from now on."""

    root: Path
    url: str = ""
    ranges: bool = True
    etags: bool = True
    authorization: str | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    bytes_until_cut: int | None = None
    """From then on every connection is cut before a byte of a file, until this is None again."""
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    """Bytes of files."""
    cut: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """Give host and port."""
        return urlsplit(self.url).netloc

    def may_send(self, count: int) -> int:
        """Tell how many of `count` bytes may still be sent, and count them."""
        with self.lock:
            allowed = count if self.bytes_until_cut is None else min(count, self.bytes_until_cut)
            if self.bytes_until_cut is not None:
                self.bytes_until_cut -= allowed
            self.sent += allowed
            return allowed


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        at = self.server.behaviour
        path = unquote(urlsplit(self.path).path)
        at.asked.append(Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        file = at.root / path.lstrip("/")
        if path in at.redirects:
            self._answer(302, {"Location": at.redirects[path]})
        elif at.authorization is not None and self.headers.get("Authorization") != at.authorization:
            self._answer(401, {})
        elif not file.is_file():
            self._answer(404, {})
        else:
            self._send(file, at)

    def _send(self, file: Path, at: HttpServer) -> None:
        size = file.stat().st_size
        start, end, status = 0, size, 200
        headers = {"ETag": _etag(file)} if at.etags else {}
        if at.ranges and (asked := _RANGE.match(self.headers.get("Range", ""))):
            start, end, status = int(asked[1]), min(int(asked[2] or size) + 1, size), 206
            if start >= size:
                self._answer(416, {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._answer(status, headers, end - start)
        if self.command == "GET":
            self._body(file, start, end, at)

    def _body(self, file: Path, start: int, end: int, at: HttpServer) -> None:
        with file.open("rb") as opened:
            while start < end:
                wanted = min(_PIECE, end - start)
                allowed = at.may_send(wanted)
                if allowed:
                    self.connection.sendfile(opened, start, allowed)
                if allowed < wanted:
                    self.close_connection = True
                    at.cut.set()
                    return
                start += wanted

    def _answer(self, status: int, headers: dict[str, str], length: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    behaviour: HttpServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no error."""


@contextmanager
def http_server(root: Path, certificate: tuple[str, str] | None = None) -> Iterator[HttpServer]:
    """Serve a folder on a free port of loopback for the time of the block, over TLS with a certificate and its key."""
    with _Server(("127.0.0.1", 0), _Answers) as server:
        scheme = "https" if certificate else "http"
        server.behaviour = HttpServer(root, f"{scheme}://127.0.0.1:{server.server_address[1]}")
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.behaviour
        finally:
            server.shutdown()


def _etag(file: Path) -> str:
    """Name what changes when a file is written anew."""
    about = file.stat()
    return f'"{hashlib.sha256(f"{about.st_ino}-{about.st_mtime_ns}-{about.st_size}".encode()).hexdigest()[:16]}"'
