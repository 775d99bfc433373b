"""Reads an object straight from its server, into memory that is used again, and from there into its place.

A library hands out new memory for each piece, and goes through the guard's proxy: both cost more CPU time than all the
rest of a fetch. Here the guard gives a connection to an address that it has checked, and nothing stands between. Only
what is plain is read so, one answer that holds just the bytes that were asked for. Redirects, refusals, other contents
and lines that cannot be opened are left to the library, which knows what to do or to say.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from serinus_serving.fetch.errors import ArtifactUnreachable
from serinus_serving.fetch.source import Arrived, Connect, RemoteFile, Span

_PATIENCE_SECONDS = 30.0
_RECEIVE_BUFFER = 2 << 20
_PIECE = 128 << 10
"""What is read and written at once, in bytes: it stays in the processor's cache in between, and the kernel need not
look for large pieces of memory."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where a file can be read by whoever knows this; it is as secret as the credentials that it was made with."""

    url: str
    headers: Mapping[str, str] = {}


class StraightReader:
    """Reads files of one server; each thread keeps a connection."""

    def __init__(self, connect: Connect | None, authorities: str | None) -> None:
        self._connect = connect
        self._authorities = authorities
        self._unfit = threading.Event()
        self._own = _Own()
        self._writing = threading.Lock()
        if connect is None:
            self._unfit.set()

    @property
    def fits(self) -> bool:
        """Tell whether there is a point in asking this server."""
        return not self._unfit.is_set()

    def give_up(self) -> None:
        """Ask it no more: what it answers needs a library."""
        self._unfit.set()

    def read(self, address: Address, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> bool:
        """Write a part of a file, or all of it, at its own offset; False, and nothing is written, if it is not plain.

        Raises ArtifactUnreachable when the answer is cut, OSError when the file cannot be written.
        """
        span = part or Span(0, file.size or 0)
        try:
            connection, answer = self._ask(address, part)
        except (OSError, HTTPException, ValueError) as error:
            self._own.close()
            if isinstance(error, _NoLineError | ssl.SSLError):
                self.give_up()
            return False
        if not _is_plain(answer, file, part, span):
            connection.close()
            if answer.status < 500:
                self.give_up()
            return False
        try:
            self._write(answer, file, span, target, arrived)
        except BaseException:
            connection.close()
            raise
        return True

    def _write(self, answer: HTTPResponse, file: RemoteFile, span: Span, target: Path, arrived: Arrived) -> None:
        at = span.start
        with target.open("r+b", buffering=0) as written:
            while at < span.end:
                try:
                    count = answer.readinto(self._own.memory)
                except (OSError, HTTPException) as error:
                    raise ArtifactUnreachable(f"{file.path} was cut: {error or type(error).__name__}") from error
                if not count:
                    raise ArtifactUnreachable(f"{file.path} ended {span.end - at} bytes too early")
                with (
                    self._writing
                ):  # the kernel lets one write to a file at a time, and others wait for it at full speed
                    at += write_at(written.fileno(), self._own.memory[:count], at)
                arrived(count)

    def _ask(self, address: Address, part: Span | None) -> tuple[HTTPConnection, HTTPResponse]:
        """Send the request; once more where a kept connection has ended meanwhile."""
        url = urlsplit(address.url)
        connection = self._connection(url)
        headers = {**address.headers, **({"Range": f"bytes={part.start}-{part.end - 1}"} if part else {})}
        target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
        kept = connection.sock is not None
        try:
            connection.request("GET", target, headers={"User-Agent": "serinus-fetch", **headers})
            return connection, connection.getresponse()
        except ConnectionError:
            connection.close()
            if not kept:
                raise
        connection.request("GET", target, headers={"User-Agent": "serinus-fetch", **headers})
        return connection, connection.getresponse()

    def _connection(self, url: SplitResult) -> HTTPConnection:
        """Give this thread's connection to the server of an address, which may have to be opened first."""
        connection = self._own.connection
        origin = (url.scheme, url.hostname or "", url.port or _DEFAULT_PORTS[url.scheme])
        if connection is None or connection.origin != origin:
            self._own.close()
            assert self._connect is not None
            connection = self._own.connection = _Checked(origin, self._connect, self._authorities)
        return connection


class _NoLineError(OSError):
    """The guard gives no connection to this host."""


class _Own(threading.local):
    """What each thread has of its own."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(_PIECE))
        self.connection: _Checked | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


class _Checked(HTTPConnection):
    """A connection that the guard opens, whenever it has to be."""

    def __init__(self, origin: tuple[str, str, int], line: Connect, authorities: str | None) -> None:
        scheme, host, port = self.origin = origin
        super().__init__(host, port)
        self.default_port = _DEFAULT_PORTS[scheme]
        self._line = line
        self._tls = _trusting(authorities) if scheme == "https" else None

    def connect(self) -> None:
        line = self._line(self.host, self.port, self._tls is not None)
        if line is None:
            raise _NoLineError
        line.settimeout(_PATIENCE_SECONDS)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.sock = self._tls.wrap_socket(line, server_hostname=self.host) if self._tls else line


def _trusting(authorities: str | None) -> ssl.SSLContext:
    """Trust the authorities of the system, and the team's."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.load_verify_locations(authorities)
    return context


def write_at(descriptor: int, piece: memoryview, offset: int) -> int:
    """Write all of a piece at its place in a file, and count its bytes."""
    written = 0
    while written < len(piece):
        written += os.pwrite(descriptor, piece[written:], offset + written)
    return written


def _is_plain(answer: HTTPResponse, file: RemoteFile, part: Span | None, span: Span) -> bool:
    """Tell whether an answer holds these bytes of this content and no others."""
    if file.size is None or answer.status != (206 if part else 200) or answer.length != span.size:
        return False
    if part and not (answer.getheader("Content-Range") or "").startswith(f"bytes {part.start}-{part.end - 1}/"):
        return False
    return answer.getheader("Content-Encoding") is None and _identity(answer) == file.identity


def _identity(answer: HTTPResponse) -> str:
    """Name what changes with the content as the sources do: ETag, else the version, else when it was changed."""
    if tag := answer.getheader("ETag"):
        return tag.removeprefix("W/").strip('"')
    changed = answer.getheader("Last-Modified")
    return answer.getheader("x-amz-version-id") or (
        parsedate_to_datetime(changed).isoformat(timespec="seconds") if changed else ""
    )
