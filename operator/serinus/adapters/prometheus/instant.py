"""Instant queries on the hot path: the port `Metrics`.

Uses aiohttp and not prometheus-api-client, which blocks a thread per query, retries for seconds, sends the query in the
URL and drops warnings. A failure is a value: it must never look like a bad model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self, TypeAlias

import aiohttp

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.prometheus.answers import Answers, refused, unreachable
from serinus.adapters.prometheus.shares import Shares
from serinus.adapters.prometheus.source import Access, Pass, redirected
from serinus.core.analysis.enforcing import NotEnforceable, enforce
from serinus.core.model.answers import MetricsAnswer, NoAnswer, SeriesSet
from serinus.core.model.errors import Unavailable
from serinus.core.model.source import Source

QUERY_TIME_LIMIT: Final = 5.0
AT_ONCE: Final = 8
"""Presets under way at one source; Prometheus itself runs twenty queries at once and serves people, too."""
OWN_AT_ONCE: Final = 8
"""Users' own queries under way at one source, beside the presets: nobody's slow query takes a preset's place.

The namespaces that ask share them, so that one tenant's slow queries leave another's their places."""

OnAnswer: TypeAlias = Callable[[str, str, float], None]
"""Told of each question: the source, `OK` or the failure's name, and its seconds."""


def unobserved(source: str, outcome: str, seconds: float) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class _Line:
    """How one source is asked."""

    source: Source
    access: Access
    free: asyncio.Semaphore
    free_for_own: Shares
    answers: Answers


class InstantQueries:
    """Asks the named sources. The time limit covers the wait for a free place: a late answer is worth nothing.

    Users' own queries have places of their own: one that is slow may cost its like an answer, and nobody a preset.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        clock: MonotonicClock,
        *,
        time_limit: float = QUERY_TIME_LIMIT,
        at_once: int = AT_ONCE,
        own_at_once: int = OWN_AT_ONCE,
        on_answer: OnAnswer = unobserved,
    ) -> None:
        self._lines: Mapping[str, _Line] = {each.name: _line(each, clock, at_once, own_at_once) for each in sources}
        self._clock = clock
        self._time_limit = time_limit
        self._on_answer = on_answer
        # The connector limits nothing: sources may share a host, and would wait for each other there.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers={"User-Agent": "serinus"}
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

    def names(self) -> tuple[str, ...]:
        """Name the sources; the first is the default one."""
        return tuple(self._lines)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        """Ask an instant query; a range selector in it gives raw samples with true scrape times."""
        line = self._lines.get(source)
        if line is None:
            return refused(f"no source is named {source!r}: the configuration names {', '.join(self._lines)}")
        started = self._clock.monotonic()
        try:
            asked = enforce(query, line.source.enforced_label, own) if own and line.source.enforced_label else query
            answer = await self._within_time(line, own, asked, at)
        except NotEnforceable as error:
            answer = refused(str(error))
        outcome = answer.failure.value if isinstance(answer, NoAnswer) else "OK"
        self._on_answer(source, outcome, self._clock.monotonic() - started)
        return answer

    async def _within_time(self, line: _Line, own: str, query: str, at: float | None) -> MetricsAnswer:
        free = line.free_for_own.place(own) if own else line.free
        try:
            async with asyncio.timeout(self._time_limit), free:
                return await self._post(line, query, at)
        except TimeoutError:
            return unreachable(f"{line.source.shown}: no answer within {self._time_limit:g} s")
        except Unavailable as error:
            return unreachable(str(error))

    async def _post(self, line: _Line, query: str, at: float | None) -> MetricsAnswer:
        form = {"query": query, "timeout": f"{self._time_limit:g}s"}
        if at is not None:
            form["time"] = repr(at)
        granted = await asyncio.to_thread(line.access.read) if line.access.has_files else line.access.read()
        try:
            async with self._session.post(
                f"{line.source.base}/api/v1/query",
                data=form,
                headers=granted.headers,
                ssl=granted.tls or True,
                allow_redirects=False,
            ) as response:
                if 300 <= response.status < 400:
                    return refused(redirected(response.status, response.headers.get("Location", "another place")))
                return scrubbed(line.answers.read(response.status, await response.read()), granted)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            return unreachable(granted.scrub(f"{line.source.shown}: {error or type(error).__name__}"))


def scrubbed(answer: MetricsAnswer, granted: Pass) -> MetricsAnswer:
    """Take out of an answer's words what was sent in secret: some proxies show the request that they refuse."""
    if isinstance(answer, NoAnswer):
        return replace(answer, message=granted.scrub(answer.message))
    return SeriesSet(answer.series, tuple(granted.scrub(each) for each in answer.warnings))


def _line(source: Source, clock: MonotonicClock, at_once: int, own_at_once: int) -> _Line:
    return _Line(source, Access(source), asyncio.Semaphore(at_once), Shares(own_at_once, clock), Answers())
