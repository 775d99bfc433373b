"""The way out of a network that has one: the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, behind our own guard.

Only http:// proxies are known. The proxy looks names up by itself, so that of a name which means nothing here only the
name is checked.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass

from serinus_serving.fetch.proxied import Head

_ANSWER_LIMIT = 64 << 10


@dataclass(frozen=True)
class EgressProxy:
    """Where a request goes in place of its host."""

    url: SplitResult = field(repr=False)

    @property
    def host(self) -> str:
        """Name the proxy's host."""
        return self.url.hostname or ""

    @property
    def port(self) -> int:
        """Give the proxy's port."""
        return self.url.port or 3128

    @property
    def authorization(self) -> str | None:
        """Give the header that says who asks, if the address holds a login."""
        if self.url.username is None:
            return None
        login = f"{unquote(self.url.username)}:{unquote(self.url.password or '')}"
        return f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}"

    def open_tunnel(self, head: Head, line: socket.socket) -> None:
        """Ask for a tunnel to the host of a request; raises OSError."""
        where = f"[{head.host}]:{head.port}" if ":" in head.host else f"{head.host}:{head.port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", *([self.authorization] if self.authorization else [])]
        line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = bytearray()
        while not answer.endswith(b"\r\n\r\n"):
            piece = line.recv(1)  # what follows is the server's, and not ours to read
            if not piece or len(answer) > _ANSWER_LIMIT:
                raise OSError(f"the proxy {self.host} ended the connection")
            answer += piece
        status = answer.split(b"\r\n")[0].decode("latin-1")
        if " 200" not in status:
            raise OSError(f"the proxy {self.host} answered {status}")


def find_proxy(head: Head, variables: Mapping[str, str]) -> EgressProxy | None:
    """Find the proxy for a request; raises OSError for one that is not http://."""
    kind = "https_proxy" if head.method == "CONNECT" else "http_proxy"
    lower = {name.lower(): value for name, value in variables.items() if value}
    url = lower.get(kind) or lower.get("all_proxy")
    if url is None or proxy_bypass(head.host, {"no": lower.get("no_proxy", "")}):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise OSError(f"{kind.upper()} is a proxy of the kind {parts.scheme}://, and only http:// is known")
    return EgressProxy(parts)
