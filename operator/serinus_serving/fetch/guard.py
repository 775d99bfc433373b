"""The one door to the network: a proxy on loopback, in this process, that refuses hosts nobody allowed.

Libraries follow redirects by themselves, each in its own way, and so do git and dvc. A proxy sees every request of all
of them, checks the address that it connects to and not just a name that could mean another one a moment later, and
cannot be talked around. TLS passes through it untouched.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from serinus_serving.fetch.egress import EgressProxy, find_proxy
from serinus_serving.fetch.hosts import HostPattern, is_allowed, is_metadata, proves_identity
from serinus_serving.fetch.proxied import Head, Inlet, pass_answer, pour

_CONNECT_SECONDS = 10.0
_SocketAddress = tuple[socket.AddressFamily, tuple[Any, ...]]


class _Line(NamedTuple):
    """A connection to the host, or to the proxy that stands between."""

    server: socket.socket
    proxy: EgressProxy | None = None


class _Refused(Exception):
    """This host is not for us."""


@dataclass
class Guard:
    """Runs the proxy while it is entered. What it refused, and what failed, explains an error."""

    patterns: tuple[HostPattern, ...] = ()
    token_services: tuple[HostPattern, ...] = ()
    refusals: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment that the process was started with: it may name a proxy of the network."""
    url: str = ""

    def allow(self, patterns: Iterable[HostPattern]) -> None:
        """Allow these hosts, and no others."""
        self.patterns = tuple(patterns)

    def allow_tokens(self, services: Iterable[HostPattern]) -> None:
        """Allow these as well, which a pod's identity is proven to."""
        self.token_services = tuple(services)

    def connect(self, host: str, port: int, tls: bool) -> socket.socket | None:
        """Connect to a host for who reads without a library; None where it is not allowed, or behind a proxy.

        Whoever gets None asks through our own proxy, which says why it refuses. Raises OSError.
        """
        head = Head("CONNECT" if tls else "GET", host, port, "/", ())
        try:
            line = self._connect(head)
        except _Refused:
            return None
        if line.proxy is None or tls:
            return line.server
        line.server.close()  # a proxy wants to be asked in its own way
        return None

    def __enter__(self) -> Guard:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="guard", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), name="guarded", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Serve one request and end the connection.

        A plain server is told to close after its answer: where that ends is then known without reading it, and the
        next request, which may name another host, is checked on its own.
        """
        with client, suppress(OSError, ValueError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            inlet = Inlet(client)
            head = inlet.read_head()
            line = self._reach(client, head) if head else None
            if head is None or line is None:
                return
            with line.server as server:
                if head.method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _join(client, server)
                    return
                server.sendall(head.for_proxy(line.proxy.authorization) if line.proxy else head.for_server())
                inlet.pass_body(head, server)
                pass_answer(server, client)

    def _reach(self, client: socket.socket, head: Head) -> _Line | None:
        """Connect to where a request wants to go, or answer why not."""
        try:
            return self._connect(head)
        except _Refused as refused:
            self.refusals.append(str(refused))
            _answer(client, "403 Forbidden", str(refused))
        except OSError as error:
            self.failures.append(f"{head.host}:{head.port}: {error.strerror or error}")
            _answer(client, "502 Bad Gateway", self.failures[-1])
        return None

    def _connect(self, head: Head) -> _Line:
        """Connect to an address that was checked; raises _Refused, OSError."""
        listed = is_allowed(head.host, head.port, (*self.patterns, *self.token_services))
        identity = head.method != "CONNECT" and proves_identity(head.method, head.host, head.target, head.headers)
        if not listed and not identity:
            raise _Refused(f"{head.host}:{head.port} is not among the allowed hosts")
        proxy = None if identity else find_proxy(head, self.variables)
        addresses = _addresses(head.host, head.port, needed=proxy is None)
        metadata = [str(sockaddr[0]) for _, sockaddr in addresses if is_metadata(str(sockaddr[0]))]
        if metadata and not (identity and proves_identity(head.method, metadata[0], head.target, head.headers)):
            raise _Refused(
                f"{head.host} is {metadata[0]}, the metadata address of the cloud, which is no artifact host"
            )
        if not listed and not metadata:
            raise _Refused(f"{head.host}:{head.port} is not among the allowed hosts")
        if proxy is None:
            return _Line(_first(addresses))
        line = _first(_way_out(proxy))
        if head.method == "CONNECT":
            proxy.open_tunnel(head, line)
        return _Line(line, proxy)


def _way_out(proxy: EgressProxy) -> list[_SocketAddress]:
    """Look a proxy up, which a team's Secret may name as well: it is asked for every host that is allowed."""
    found = _addresses(proxy.host, proxy.port, needed=True)
    for _, sockaddr in found:
        if is_metadata(str(sockaddr[0])):
            raise _Refused(
                f"the proxy {proxy.host} is {sockaddr[0]}, the metadata address of the cloud, which leads nowhere "
                f"else: correct HTTP_PROXY and HTTPS_PROXY"
            )
    return found


def _addresses(host: str, port: int, *, needed: bool) -> list[_SocketAddress]:
    """Look a name up; none, if that is no matter, for a name that means nothing here. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        if needed:
            raise
        return []
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def _first(addresses: Sequence[_SocketAddress]) -> socket.socket:
    """Connect to the first address that answers."""
    last: OSError | None = None
    for family, sockaddr in addresses:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(_CONNECT_SECONDS)
            made.connect(sockaddr)
        except OSError as error:
            made.close()
            last = error
            continue
        made.settimeout(None)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    raise last or OSError("the name has no address")


def _answer(client: socket.socket, status: str, text: str) -> None:
    body = text.encode()
    client.sendall(
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n".encode()
        + body
    )


def _join(client: socket.socket, server: socket.socket) -> None:
    """Pour both ways until both have ended."""

    def up() -> None:
        with suppress(OSError):
            pour(client, server)

    sender = threading.Thread(target=up, daemon=True)
    sender.start()
    pour(server, client)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
    sender.join()
