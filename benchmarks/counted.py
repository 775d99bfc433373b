"""A way to the API server on which every request is counted: by verb, what it is about, and how it was answered.

The operator counts its own requests by verb alone; an answer of 404 is one of the things that are to become fewer. What
was applied is kept as well: copies of it need marks of their own (`benchmarks/marks.py`).
"""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import aiohttp
from aiohttp import web
from yarl import URL

from benchmarks.figures import Numbers
from serinus.core.model.kinds import Json
from serinus_local.control_plane import ControlPlane

NOT_PASSED_ON = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
BESIDE = frozenset({"watch", "list modeldeployments", "list rollouts", "get leases", "merge leases", "list leases"})
"""What comes by the clock, however many objects there are."""
BAD_REQUEST = 400
"""From this code on nothing was done."""


@dataclass(frozen=True)
class Asked:
    """One request as the operator's client calls it, and the code of its answer."""

    verb: str
    resource: str
    code: int

    @property
    def is_beside(self) -> bool:
        """Tell whether it is made whatever happens to an object."""
        return self.verb in BESIDE or f"{self.verb} {self.resource}" in BESIDE


Requests: TypeAlias = Counter[Asked]


class CountedServer:
    """Passes requests on to an API server; `seen` holds all that were answered, `applied` what was by its path."""

    def __init__(self, plane: ControlPlane) -> None:
        self.seen: Requests = Counter()
        self.applied: dict[str, Json] = {}
        self._plane = plane
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(plane.ca_file)), limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            auto_decompress=False,
        )
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        return application

    @property
    def kubeconfig(self) -> Path:
        """Give a kubeconfig that leads here."""
        return self._plane.state / "counted.kubeconfig"

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        port = self._plane.ports["counted"]
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        config = json.loads(self._plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        self.kubeconfig.write_text(json.dumps(config))

    async def close(self) -> None:
        """End all connections."""
        await self._runner.cleanup()
        await self._session.close()

    def _note(self, request: web.Request, code: int, body: bytes) -> None:
        one = asked(request.method, request.path, request.query, request.headers, code)
        self.seen[one] += 1
        if one.verb == "apply" and code < BAD_REQUEST:
            self.applied[request.path] = json.loads(body)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
        url = URL(self._plane.url + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=await request.read() or None, allow_redirects=False
        ) as answer:
            self._note(request, answer.status, await request.read())
            passed = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            # Whoever ends a watch closes its connection.
            with suppress(ConnectionError):
                await passed.prepare(request)
                async for chunk in answer.content.iter_any():
                    await passed.write(chunk)
                await passed.write_eof()
            return passed


@asynccontextmanager
async def counted_server(plane: ControlPlane) -> AsyncIterator[CountedServer]:
    """Serve for the time of the block."""
    server = CountedServer(plane)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


def asked(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], code: int) -> Asked:
    """Name a request (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris)."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    resource, is_one, sub = (rest or ["other"])[0], len(rest) > 1, "_status" if rest[2:] == ["status"] else ""
    if method == "GET":
        verb = "watch" if query.get("watch") in {"true", "1"} else "get" if is_one else "list"
    elif method == "PATCH":
        verb = ("apply" if "apply-patch" in headers.get("Content-Type", "") else "merge") + sub
    else:
        verb = {"POST": "create", "DELETE": "delete"}.get(method, method.lower())
    return Asked(verb, resource, code)


def told(seen: Requests) -> Numbers:
    """Give the figures: all that an object caused, by verb and code, and by what they were about."""
    caused = {one: count for one, count in seen.items() if not one.is_beside}
    by_verb, by_resource = Counter[str](), Counter[str]()
    for one, count in caused.items():
        by_verb[f"{one.verb} {one.code}"] += count
        by_resource[f"{one.verb} {one.resource} {one.code}"] += count
    return {
        "total": sum(caused.values()),
        "by_verb_and_code": dict(sorted(by_verb.items())),
        "by_resource": dict(sorted(by_resource.items())),
    }


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in NOT_PASSED_ON}
