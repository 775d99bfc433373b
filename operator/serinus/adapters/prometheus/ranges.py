"""Range queries for the CLI: the history of a rollout's metrics.

Uses prometheus-api-client in a thread, without its retries (a two-second timeout took 14 seconds with them) and with a
time limit (it has none). The operator's own queries go through `instant`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from serinus.adapters.prometheus.answers import read_series, refused, unreachable, without_page
from serinus.adapters.prometheus.source import Access, Pass, redirected
from serinus.core.model.answers import MetricsAnswer, SeriesSet
from serinus.core.model.errors import Unavailable
from serinus.core.model.source import Source

CONNECT_AND_READ: Final = (2.0, 5.0)


class RangeQueries:
    """Asks one source."""

    def __init__(self, source: Source, *, time_limits: tuple[float, float] = CONNECT_AND_READ) -> None:
        self._source = source
        self._access = Access(source)
        self._time_limits = time_limits

    async def ask(self, query: str, at: float | None = None) -> MetricsAnswer:
        """Ask an instant query."""
        params = {} if at is None else {"time": repr(at)}
        return await asyncio.to_thread(self._ask, lambda client: client.custom_query(query, params=params))

    async def ask_range(self, query: str, *, start: float, end: float, step: float) -> MetricsAnswer:
        """Evaluate a query at each step of a time; start and end are rounded to whole seconds by the client."""
        first, last = (datetime.fromtimestamp(each, UTC) for each in (start, end))
        return await asyncio.to_thread(
            self._ask, lambda client: client.custom_query_range(query, first, last, step=f"{step:g}")
        )

    def _ask(self, question: Callable[[Any], Any]) -> MetricsAnswer:
        try:
            granted = self._access.read()
        except Unavailable as error:
            return unreachable(str(error))
        return self._asked(question, granted)

    def _asked(self, question: Callable[[Any], Any], granted: Pass) -> MetricsAnswer:
        from prometheus_api_client import PrometheusConnect
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import RequestException, Session
        from urllib3.util.retry import Retry

        with Session() as session:
            self._prepare(session)
            try:
                client: Any = PrometheusConnect(
                    self._source.base,
                    headers=dict(granted.headers),
                    retry=Retry(total=0),
                    # Some authentication, though it adds nothing: without any, requests takes one from ~/.netrc.
                    auth=_unchanged,
                    session=session,
                    timeout=self._time_limits,
                )
                result = question(client)
            except _Redirected as error:
                return refused(str(error))
            except PrometheusApiClientException as error:
                return refused(without_page(granted.scrub(str(error))))
            except (RequestException, OSError) as error:
                return unreachable(granted.scrub(f"{self._source.shown}: {self._why(error)}"))
        return SeriesSet(read_series(_type_of(result), result))

    def _prepare(self, session: Any) -> None:
        """Set TLS, and refuse redirects before they are followed."""
        tls = self._source.tls
        if tls.ca_file is not None:
            session.verify = str(tls.ca_file)
        if tls.cert_file is not None and tls.key_file is not None:
            session.cert = (str(tls.cert_file), str(tls.key_file))
        session.hooks["response"].append(_refuse_redirect)

    def _why(self, error: Exception) -> str:
        """Say in a few words why there is no answer: the client's own words show its insides, and the whole query."""
        from requests import ConnectTimeout, ReadTimeout
        from requests.exceptions import SSLError

        if isinstance(error, ConnectTimeout | ReadTimeout):
            return f"no answer within {self._time_limits[isinstance(error, ReadTimeout)]:g} s"
        if isinstance(error, SSLError):
            return f"its certificate is not accepted: {_innermost(error)}"
        return f"it cannot be reached: {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    """Find what the operating system said, below the client's wrappings."""
    found: BaseException = error
    while (inner := found.__cause__ or found.__context__) is not None:
        found = inner
    return (found.strerror if isinstance(found, OSError) else None) or str(found) or type(found).__name__


class _Redirected(Exception):
    """An answer that points elsewhere."""


def _refuse_redirect(response: Any, **_: object) -> None:
    if response.is_redirect:
        raise _Redirected(redirected(response.status_code, response.headers["Location"]))


def _unchanged(request: Any) -> Any:
    return request


def _type_of(result: Any) -> str:
    """Tell what the client has dropped: the type of a result."""
    if not result:
        return "vector"
    if not isinstance(result[0], dict):
        return "scalar"
    return "matrix" if "values" in result[0] else "vector"
