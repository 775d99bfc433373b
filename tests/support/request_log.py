"""Lists what an operator in this process asks of the API server, in order; what its watches ask is left out.

It stands in the operator's own connection: what it lists was really sent, and really answered. Run as a program it is
an operator that logs each write just before it is sent, which nobody who froze it can miss.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import aiohttp
import pytest

from serinus import app
from serinus.adapters.kubernetes.connection import Connection, Request
from serinus.cli.app import main
from serinus.core.model.kinds import LEASE, Kind

PROGRAM = "tests.support.request_log"
LOGGED_BY = "tests.writes"
VERBS = {"application/apply-patch+yaml": "APPLY", "application/merge-patch+json": "MERGE"}


@dataclass(frozen=True)
class Sent:
    """One request and the status of its answer."""

    verb: str
    path: str
    answer: int

    @property
    def of(self) -> str:
        """The kind's plural, the name where there is one, and the subresource."""
        return "/".join(self.path.partition("/namespaces/")[2].split("/")[1:])

    def about(self, kind: Kind) -> bool:
        return self.of.split("/")[0] == kind.plural

    def __str__(self) -> str:
        return f"{self.verb:6} {self.of} → {self.answer}"


class RequestLog:
    """All that was sent since `begin`."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def begin(self) -> None:
        """Forget what was sent so far."""
        self.sent.clear()

    def until(self, last: Callable[[Sent], bool]) -> list[Sent]:
        """Give what was sent up to the last request of a sort, and with it."""
        ends = [number for number, one in enumerate(self.sent) if last(one)]
        return self.sent[: ends[-1] + 1] if ends else []

    def note(self, request: Request, answer: int) -> None:
        """Take in a request of passes, Events or look-ups; a watch lists and watches whole kinds."""
        whole_kind = request.method == "GET" and "limit" in request.params and "fieldSelector" not in request.params
        if whole_kind or "watch" in request.params:
            return
        self.sent.append(Sent(VERBS.get(request.content_type, request.method), request.path, answer))


def shown(sent: list[Sent]) -> str:
    """Number the requests, a line each, for a test that fails."""
    return "\n".join(f"{number:3} {one}" for number, one in enumerate(sent, 1))


def logged_connection(log: RequestLog) -> type[Connection]:
    """Make the operator's connection one that lists what it sends."""

    class LoggedConnection(Connection):
        @asynccontextmanager
        async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
            async with super().send(request) as response:
                log.note(request, response.status)
                yield response

    return LoggedConnection


@pytest.fixture
def request_log(monkeypatch: pytest.MonkeyPatch) -> RequestLog:
    """The list of an operator that is started after this."""
    log = RequestLog()
    monkeypatch.setattr("serinus.app.Connection", logged_connection(log))
    return log


class LoggedWrites(Connection):
    """A connection that logs what its fence lets pass to be written; who leads is left out: everybody writes that."""

    async def _send(self, request: Request, authorization: str | None) -> aiohttp.ClientResponse:
        return await super()._send(replace(request, fence=partial(_logged, request.fence)), authorization)


def _logged(fence: Callable[[Request], Request] | None, request: Request) -> Request:
    passed = fence(request) if fence is not None else request
    sent = Sent(VERBS.get(passed.content_type, passed.method), passed.path, 0)
    if passed.method != "GET" and not sent.about(LEASE):
        logging.getLogger(LOGGED_BY).info("%s %s", sent.verb, sent.of)
    return passed


def logged_in(lines: Iterable[Mapping[str, object]]) -> list[str]:
    """Read the writes of such a log."""
    return [str(one["event"]) for one in lines if one.get("logger") == LOGGED_BY]


if __name__ == "__main__":
    vars(app)["Connection"] = LoggedWrites
    main()
