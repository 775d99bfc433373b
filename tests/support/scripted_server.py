"""A small HTTP server that answers as the test says: for what the real programs will not do on demand."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    """Gives the answers of its script in their order, then the last one again and again."""

    url: str
    script: deque[Answer] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    exhausted: asyncio.Event = field(default_factory=asyncio.Event)

    def will(self, *answers: Answer) -> None:
        self.script.extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(request.method, request.path, dict(request.query), dict(request.headers), await request.read())
        )
        if len(self.script) > 1:
            return await self.script.popleft()(request)
        self.exhausted.set()
        return await self.script[0](request)


def answers(body: object, status: int = 200, **headers: str) -> Answer:
    """Answer with a JSON body, or with a text as it is."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=text, status=status, content_type="application/json", headers=named)

    return answer


def streams(*events: object, then: str = "hang") -> Answer:
    """Answer with one JSON line an event, then hang, end the stream, or cut the connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write((event if isinstance(event, str) else json.dumps(event) + "\n").encode())
        if then == "hang":
            await asyncio.Event().wait()
        elif then == "cut" and request.transport is not None:
            request.transport.abort()
        return response

    return answer


def hangs() -> Answer:
    """Never answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets that event")

    return answer


def cuts() -> Answer:
    """Cut the connection before a single byte was sent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return answer


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """Serve on a free port of loopback for the time of the block."""
    server = ScriptedServer("")
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
