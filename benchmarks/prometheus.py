"""What stands in for Prometheus, as a process of its own: its work must not slow down the clock that measures.

A real one scrapes at its own times, so that nobody could say since when it shows a bad sample. The contract tests hold
the operator's questions to a real one. Whatever is not asked about the presets is answered by nothing found.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks import traffic
from serinus.adapters.clock import SystemClock
from serinus_local.control_plane import ControlPlane
from serinus_local.process import Program

NAME = "prometheus"
NO_VECTOR = '{"status":"success","data":{"resultType":"vector","result":[]}}'
START_SECONDS = 30.0
LONG_AGO_SECONDS = 60.0
"""Nobody who keeps up asks for samples of so long."""
ARMS = 2
"""Services that a look at a rollout asks about."""
_UNITS = {"s": 1.0, "ms": 0.001}
_RANGE = re.compile(r"\[(\d+)(ms|s)\]")


@dataclass(frozen=True)
class AskedFor:
    """How often Services were asked about: for their requests, as each look does, and for samples of long ago."""

    services: int = 0
    of_long_ago: int = 0

    @property
    def looks(self) -> float:
        """Count the looks at rollouts."""
        return self.services / ARMS

    def since(self, before: AskedFor) -> AskedFor:
        """Give what has come since then."""
        return AskedFor(self.services - before.services, self.of_long_ago - before.of_long_ago)


class Server:
    """The query API, and a way to say what happens to Services."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.traffic = traffic.Traffic(self._clock.now())
        self.asked = AskedFor()

    def application(self) -> web.Application:
        """Give the pages."""
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/api/v1/query", self._answer)
        application.router.add_get("/asked", self._asked)
        application.router.add_post("/spoil", self._spoil)
        application.router.add_post("/send", self._send)
        application.router.add_post("/forget", self._forget)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        at = min(float(str(form.get("time", "inf"))), self._clock.now())
        return web.Response(text=self.answer(str(form["query"]), at), content_type="application/json")

    def answer(self, query: str, at: float) -> str:
        """Answer a question as of a time, as the query API does."""
        if query.startswith("max(timestamp("):
            return _vector(at, self.traffic.newest_scrape(at))
        if query.startswith("topk(1, count_over_time("):
            return _vector(at, float(int(_range(query))))
        series = self._series(query, at)
        if series is None:
            return NO_VECTOR
        return f'{{"status":"success","data":{{"resultType":"matrix","result":[{",".join(series)}]}}}}'

    def _series(self, query: str, at: float) -> Iterable[str] | None:
        shown = {
            "istio_requests_total{": self.traffic.requests,
            "istio_request_duration_milliseconds_bucket{": self.traffic.buckets,
        }
        found = next((read for name, read in shown.items() if query.startswith(name)), None)
        if found is None or 'reporter="source"' not in query:
            return None
        namespaces, services = (
            _either(query, f"destination_service_{label}").split("|") for label in ("namespace", "name")
        )
        self.asked = AskedFor(
            self.asked.services + (len(services) if found == self.traffic.requests else 0),
            self.asked.of_long_ago + (len(services) if _range(query) > LONG_AGO_SECONDS else 0),
        )
        return found(namespaces[0], services, at - _range(query), at)

    async def _asked(self, request: web.Request) -> web.Response:
        return web.json_response(asdict(self.asked))

    async def _spoil(self, request: web.Request) -> web.Response:
        wish, ahead = await request.json(), self._clock.monotonic() - self._clock.now()
        since = wish["since"] or self._clock.now()
        return web.json_response({one: self.traffic.spoil(one, since) + ahead for one in wish["services"]})

    async def _send(self, request: web.Request) -> web.Response:
        wish = await request.json()
        for service in wish["services"]:
            self.traffic.send(service, self._clock.now(), there=wish["there"])
        return web.json_response({})

    async def _forget(self, request: web.Request) -> web.Response:
        self.traffic.forget()
        return web.json_response({})


class Prometheus:
    """The way to that process. Times are those of the monotonic clock, which all processes of a machine share."""

    def __init__(self, url: str, pid: int, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.pid = pid
        self._session = session

    async def spoil(self, services: Sequence[str], since: float | None = None) -> dict[str, float]:
        """Let Services answer badly from now on, or since a time that is past (Unix time, s).

        Gives by Service the time of the first scrape that shows it.
        """
        async with self._session.post(f"{self.url}/spoil", json={"services": list(services), "since": since}) as answer:
            found: dict[str, float] = await answer.json()
            return found

    async def send(self, services: Sequence[str], *, there: bool) -> None:
        """Let requests reach Services, or none any more."""
        async with self._session.post(f"{self.url}/send", json={"services": list(services), "there": there}) as answer:
            await answer.read()

    async def asked(self) -> AskedFor:
        """Tell what operators have asked for so far."""
        async with self._session.get(f"{self.url}/asked") as answer:
            return AskedFor(**await answer.json())

    async def forget(self) -> None:
        """Let all Services have had good requests alone."""
        async with self._session.post(f"{self.url}/forget") as answer:
            await answer.read()


@asynccontextmanager
async def prometheus(plane: ControlPlane) -> AsyncIterator[Prometheus]:
    """Run it among the processes of a control plane, which end together."""
    port, root = plane.ports[NAME], Path(__file__).parents[1]
    program = Program(
        NAME,
        (sys.executable, "-m", "benchmarks.prometheus", "--port", str(port)),
        {"PYTHONPATH": f"{root / 'operator'}:{root}"},
    )
    process = await asyncio.to_thread(plane.processes.start, program)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(START_SECONDS):
            while True:
                if await _answers(session, url):
                    break
                await asyncio.sleep(0.1)
        yield Prometheus(url, process.pid, session)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.post(f"{url}/api/v1/query", data={"query": "nothing"}) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def _vector(at: float, value: float) -> str:
    return (
        '{"status":"success","data":{"resultType":"vector","result":'
        f'[{{"metric":{{}},"value":[{at:.3f},"{value:.3f}"]}}]}}}}'
    )


def _either(query: str, label: str) -> str:
    found = re.search(rf'{label}=~"([^"]*)"', query)
    return found[1] if found else ""


def _range(query: str) -> float:
    """Read the length of a range selector, in seconds; raises ValueError where there is none."""
    found = _RANGE.search(query)
    if found is None:
        raise ValueError(f"no range selector: {query}")
    return float(found[1]) * _UNITS[found[2]]


def main() -> None:
    """Serve until somebody ends it."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.prometheus", description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    web.run_app(Server().application(), host="127.0.0.1", port=arguments.parse_args().port, access_log=None, print=None)


if __name__ == "__main__":
    main()
