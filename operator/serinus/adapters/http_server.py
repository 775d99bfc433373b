"""The operator's own pages: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohttp import web

Page: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check: TypeAlias = Callable[[], str]
"""Says what is wrong; nothing when all is well."""


@asynccontextmanager
async def serve(
    address: str, port: int, *, metrics: Callable[[], bytes], unhealthy: Check, unready: Check
) -> AsyncIterator[str]:
    """Serve for the time of the block and give the URL; port 0 takes a free one. Raises OSError when it is taken."""
    app = web.Application()
    app.router.add_get("/metrics", _page(metrics))
    app.router.add_get("/healthz", _probe(unhealthy))
    app.router.add_get("/readyz", _probe(unready))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        bound = runner.addresses[0]
        yield f"http://{'[' + bound[0] + ']' if ':' in bound[0] else bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()


def _page(metrics: Callable[[], bytes]) -> Page:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return answer


def _probe(check: Check) -> Page:
    async def answer(request: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

    return answer
