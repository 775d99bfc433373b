"""What the guard reads of HTTP/1.1: the head of a request, where its body ends, and nothing of answers."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_HEAD_LIMIT = 64 << 10
_PIPE = 1 << 20


class HeadError(ValueError):
    """No request that we understand."""


@dataclass(frozen=True)
class Head:
    """The head of a request to a proxy: `CONNECT host:port`, or a method with a whole http:// address."""

    method: str
    host: str
    port: int
    target: str
    lines: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers, names in lower case."""
        pairs = (line.partition(":") for line in self.lines)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def for_server(self) -> bytes:
        """Write the request as the server wants it: its own path, no proxy headers, one request a connection."""
        return self._written(self.target)

    def for_proxy(self, authorization: str | None) -> bytes:
        """Write the request as another proxy wants it: the whole address, and who asks."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self._written(f"http://{host}:{self.port}{self.target}", *([authorization] if authorization else []))

    def _written(self, target: str, *more: str) -> bytes:
        dropped = ("proxy-", "connection:", "keep-alive:")
        kept = [line for line in self.lines if not line.lower().startswith(dropped)]
        lines = [f"{self.method} {target} HTTP/1.1", *kept, *more, "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


def parse_head(raw: bytes) -> Head:
    """Read a request's head; raises HeadError."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    try:
        method, target, _ = first.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = parts.port
    except ValueError as error:
        raise HeadError(first) from error
    if not parts.hostname or (method != "CONNECT" and parts.scheme != "http"):
        raise HeadError(first)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Head(method, parts.hostname, port or (443 if method == "CONNECT" else 80), path, tuple(lines))


class Inlet:
    """Reads requests from a client's connection."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._read = bytearray()

    def read_head(self) -> Head | None:
        """Wait for a request; None when the client has gone. Raises HeadError."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if len(self._read) > _HEAD_LIMIT:
                raise HeadError("the head of the request is too long")
            if not self._more():
                return None
        head = bytes(self._read[:end])
        del self._read[: end + 4]
        return parse_head(head)

    def pass_body(self, head: Head, server: socket.socket) -> None:
        """Send the body of a request on."""
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            self._pass_chunks(server)
        else:
            self._pass(int(head.headers.get("content-length", "0")), server)

    def _pass_chunks(self, server: socket.socket) -> None:
        size = -1
        while size != 0:
            line = self._line()
            server.sendall(line)
            size = int(line.split(b";")[0], 16)
            self._pass(size + 2, server)

    def _line(self) -> bytes:
        while (end := self._read.find(b"\n")) < 0:
            if not self._more():
                raise HeadError("the body of the request ends early")
        line = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return line

    def _pass(self, size: int, server: socket.socket) -> None:
        while size > 0:
            if not self._read and not self._more():
                raise HeadError("the body of the request ends early")
            piece = bytes(self._read[:size])
            del self._read[:size]
            server.sendall(piece)
            size -= len(piece)

    def _more(self) -> bool:
        piece = self._client.recv(64 << 10)
        self._read += piece
        return bool(piece)


def pass_answer(server: socket.socket, client: socket.socket) -> None:
    """Pass an answer on, and tell the client that the connection ends with it: not every server does, and the client
    would send its next request into the void.
    """
    start = bytearray()
    while b"\n" not in start and (piece := server.recv(64 << 10)):
        start += piece
    status, end, rest = start.partition(b"\r\n")
    client.sendall(status + end + (b"Connection: close\r\n" if end else b"") + rest)
    pour(server, client)


def pour(source: socket.socket, target: socket.socket) -> None:
    """Move bytes from one connection to another until the first ends, then end the second's writing.

    Within the kernel: the bytes of a model never become Python's.
    """
    into, out = os.pipe()
    with suppress(OSError):  # 64 KiB do as well where a user has many pipes
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
    try:
        while count := os.splice(source.fileno(), out, _PIPE):
            while count:
                count -= os.splice(into, target.fileno(), count)
    finally:
        os.close(into)
        os.close(out)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
