"""Instant queries on the hot path: the port `Metrics`.

By aiohttp and not by prometheus-api-client, which blocks a thread for each question, retries for seconds, sends the
query in the URL and drops the warnings. A failure is an answer: it must never look like a bad model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

import aiohttp

from serinus.adapters.authorization import Authorization, nothing, token_file
from serinus.adapters.clock import Clock
from serinus.adapters.prometheus.answers import read_answer, refused, unreachable
from serinus.adapters.prometheus.source import Source
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.errors import Unavailable

TIME_LIMIT: Final = 5.0
AT_ONCE: Final = 8
"""Presets under way at one source; Prometheus itself runs twenty queries at once and serves people, too."""
OWN_AT_ONCE: Final = 6
"""Users' own queries under way at one source, beside the presets: nobody's slow query takes a preset's place."""

OnAnswer: TypeAlias = Callable[[str, str, float], None]
"""Told of each question: the source, `OK` or the failure's name, and its seconds."""


def unobserved(source: str, outcome: str, seconds: float) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class _Line:
    """How one source is asked."""

    url: str
    authorization: Authorization
    free: asyncio.Semaphore
    free_for_own: asyncio.Semaphore


class InstantQueries:
    """Asks the named sources. The time limit covers the wait for a free place: a late answer is worth nothing.

    Users' own queries have places of their own: one that is slow may cost its like an answer, and nobody a preset.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        clock: Clock,
        *,
        time_limit: float = TIME_LIMIT,
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

    async def ask(self, source: str, query: str, at: float | None = None, *, own: bool = False) -> MetricsAnswer:
        """Ask an instant query; a range selector in it gives raw samples with true scrape times."""
        line = self._lines.get(source)
        if line is None:
            return refused(f"no source is named {source!r}: the configuration names {', '.join(self._lines)}")
        started = self._clock.monotonic()
        answer = await self._within_time(line, line.free_for_own if own else line.free, query, at)
        outcome = answer.failure.value if isinstance(answer, NoAnswer) else "OK"
        self._on_answer(source, outcome, self._clock.monotonic() - started)
        return answer

    async def _within_time(self, line: _Line, free: asyncio.Semaphore, query: str, at: float | None) -> MetricsAnswer:
        try:
            async with asyncio.timeout(self._time_limit), free:
                return await self._post(line, query, at)
        except TimeoutError:
            return unreachable(f"{line.url}: no answer within {self._time_limit:g} s")
        except (aiohttp.ClientError, OSError, Unavailable) as error:
            return unreachable(f"{line.url}: {error or type(error).__name__}")

    async def _post(self, line: _Line, query: str, at: float | None) -> MetricsAnswer:
        form = {"query": query, "timeout": f"{self._time_limit:g}s"}
        if at is not None:
            form["time"] = repr(at)
        header = await line.authorization.header()
        headers = {} if header is None else {"Authorization": header}
        async with self._session.post(f"{line.url}/api/v1/query", data=form, headers=headers) as response:
            return read_answer(response.status, await response.text("utf-8"))


def _line(source: Source, clock: Clock, at_once: int, own_at_once: int) -> _Line:
    read = token_file(source.bearer_token_file) if source.bearer_token_file else nothing
    places, own_places = asyncio.Semaphore(at_once), asyncio.Semaphore(own_at_once)
    return _Line(source.url.rstrip("/"), Authorization(read, clock), places, own_places)
