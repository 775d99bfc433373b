"""One shared HTTP session to one API server, and its URLs: used by client, informers and lease.

So many requests may be under way, and any number of watches beside them: each holds a connection for minutes, and an
operator that watches some namespaces has a dozen for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp

from serinus.adapters.authorization import Authorization
from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.core.model.kinds import Kind

CONNECTIONS = 32
"""As many as requests may be under way; the API server's own 429 says when that is too many."""
PAGE_SIZE: Final = 100
"""Of all kinds at once: what Python makes of five hundred Deployments is 30 MiB, and little of that is given back."""
QUICK = aiohttp.ClientTimeout(total=10, sock_connect=5)


class NoPlace(TimeoutError):
    """Not sent: too many requests are under way."""


@dataclass(frozen=True)
class Request:
    """What is sent: `fence` has the last word on it each time, as the wait for a place takes time.

    One that is `endless` is a watch: it takes none of the places of others.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    limits: aiohttp.ClientTimeout | None = None
    fence: Callable[[Request], Request] | None = None
    endless: bool = False


class Connection:
    """Sends requests with our credentials; raises aiohttp.ClientError and TimeoutError, translated by its callers."""

    def __init__(self, endpoint: Endpoint, clock: MonotonicClock, *, limits: aiohttp.ClientTimeout = QUICK) -> None:
        self.endpoint = endpoint
        self._limits = limits
        self._authorization = Authorization(endpoint.read_authorization, clock)
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=endpoint.tls),
            headers={"User-Agent": "serinus", "Accept": "application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session and its sockets."""
        await self._session.close()

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; one that is answered by 401 is sent once more with credentials that were read anew.

        Raises NoPlace, and what a fence raises.
        """
        async with self._place(request):
            header = await self._authorization.header()
            response = await self._send(request, header)
            if response.status == 401 and header is not None:
                response.release()
                response = await self._send(request, await self._authorization.header(refused=header))
            async with response:
                yield response

    @asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[None]:
        """Wait for a place among the requests, no longer than for an answer."""
        if request.endless:
            yield
            return
        try:
            async with asyncio.timeout(self._limits.total):
                await self._places.acquire()
        except TimeoutError as error:
            raise NoPlace(f"as many requests are under way as may be: {CONNECTIONS}") from error
        try:
            yield
        finally:
            self._places.release()

    async def _send(self, request: Request, authorization: str | None) -> aiohttp.ClientResponse:
        if request.fence is not None:
            request = request.fence(request)
        headers = {} if authorization is None else {"Authorization": authorization}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        return await self._session.request(
            request.method,
            self.endpoint.server + request.path,
            params=request.params,
            data=request.body,
            headers=headers,
            timeout=request.limits or self._limits,
            proxy=self.endpoint.proxy,
            server_hostname=self.endpoint.tls_server_name,
        )


def collection(kind: Kind, namespace: str = "") -> str:
    """Give the path of a kind's objects: in a namespace, or in all of them."""
    root = "/apis" if "/" in kind.api_version else "/api"
    within = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}/{kind.api_version}{within}/{kind.plural}"


def item(kind: Kind, namespace: str, name: str, subresource: str = "") -> str:
    """Give the path of one object, or of a subresource of it."""
    path = f"{collection(kind, namespace)}/{name}"
    return f"{path}/{subresource}" if subresource else path
