"""A Prometheus that answers the operator's own questions with traffic made up on demand.

A real one scrapes at its own times, so that a test can say neither what the next sample is nor when it can be had; the
contract tests hold our queries to a real one, and everything here to the same form. Counters are a function of time:
each Service asked for has had steady good traffic since long ago, scraped at whole seconds, until `spoil` says
otherwise; that sample is scraped at once, and its time is given back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from serinus.adapters.clock import SystemClock
from serinus.core.model.kinds import Json

PATH = "/api/v1/query"
BAD_ANSWERS = 5000.0
"""More than a stage of the tests has good ones."""
_BORN_SECONDS = 3600.0
_UNITS = {"s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Traffic:
    """What reaches one Service: `per_second` good answers until `left_at`, and a burst of bad ones at some moments."""

    per_second: float = 50.0
    spoilt_at: tuple[float, ...] = ()
    left_at: float = math.inf


class FakePrometheus:
    """The HTTP API; `down` makes it refuse, `usual` is the traffic of a Service that nobody has spoken of."""

    def __init__(self) -> None:
        self.down = False
        self.usual = Traffic()
        self.traffic: dict[str, Traffic] = {}
        self.questions = 0
        self.url = ""
        self._clock = SystemClock()
        self._born = self._clock.now() - _BORN_SECONDS
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakePrometheus:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post(PATH, self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def spoil(self, service: str) -> float:
        """Let a Service answer badly, and have it scraped now; give the time on the monotonic clock."""
        known = self.traffic.get(service, self.usual)
        self.traffic[service] = replace(known, spoilt_at=(*known.spoilt_at, self._clock.now()))
        return self._clock.monotonic()

    def silence(self, service: str) -> None:
        """Let no request reach a Service."""
        self.traffic[service] = Traffic(per_second=0.0)

    def send(self, service: str, *, there: bool) -> None:
        """Let requests reach a Service, or none any more: what it has counted stays."""
        known = self.traffic.get(service, self.usual)
        if there != (known.left_at == math.inf):
            self.traffic[service] = replace(known, left_at=math.inf if there else self._clock.now())

    async def _answer(self, request: web.Request) -> web.Response:
        self.questions += 1
        if self.down:
            return web.json_response({"status": "error", "errorType": "unavailable", "error": "down"}, status=503)
        form = await request.post()
        kind, result = self._result(str(form["query"]))
        return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})

    def _result(self, query: str) -> tuple[str, list[Json]]:
        now = self._clock.now()
        if query.startswith("max(timestamp("):
            return "vector", [{"metric": {}, "value": [now, str(math.floor(now))]}]
        if query.startswith("istio_requests_total"):
            return "matrix", list(self._series(query, now))
        return "vector", []

    def _series(self, query: str, now: float) -> Iterator[Json]:
        since = now - _range(query)
        for namespace in _either(query, "destination_service_namespace"):
            for service in _either(query, "destination_service_name"):
                traffic = self.traffic.get(service, self.usual)
                for code, values in self._counters(traffic, since, now):
                    if values:
                        yield {"metric": _labels(namespace, service, code), "values": values}

    def _counters(self, traffic: Traffic, since: float, now: float) -> Iterator[tuple[str, list[Any]]]:
        """Give the samples after `since` by response code."""
        whole: list[float] = [float(at) for at in range(math.floor(since) + 1, math.floor(now) + 1)]
        times = sorted({*whole, *(at for at in traffic.spoilt_at if since < at <= now)})
        if traffic.per_second:
            yield "200", [[at, f"{traffic.per_second * (min(at, traffic.left_at) - self._born):.3f}"] for at in times]
        if traffic.spoilt_at:
            bad = [(at, sum(spoilt <= at for spoilt in traffic.spoilt_at)) for at in times]
            yield "500", [[at, f"{BAD_ANSWERS * bursts:.1f}"] for at, bursts in bad if bursts]


def _labels(namespace: str, service: str, code: str) -> dict[str, str]:
    return {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "destination_service_namespace": namespace,
        "destination_service_name": service,
        "response_code": code,
        "job": "gateway",
        "instance": "gateway-0",
    }


def _either(query: str, label: str) -> list[str]:
    found = re.search(rf'{label}=~"([^"]*)"', query)
    return found[1].split("|") if found else []


def _range(query: str) -> float:
    found = re.search(r"\[(\d+)(ms|s)\]", query)
    assert found is not None, query
    return float(found[1]) * _UNITS[found[2]]
