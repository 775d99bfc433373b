"""Reads the JSON of Prometheus' query API."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from serinus.core.model.answers import ABOUT_THE_QUERY, Failure, MetricsAnswer, NoAnswer, Series, SeriesSet

INFO = ABOUT_THE_QUERY[0]
_PAGE = re.compile(r"(?P<client> \(b(?P<quote>['\"]))?\s*(?P<page><(!doctype|html|\?xml).*)", re.DOTALL | re.IGNORECASE)
"""With what the client puts before it: HTTP Status Code 404 (b'<!DOCTYPE html>."""
_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_UNREAD = re.compile(r"<(script|style)\b.*?(</\1>|\Z)|<!--.*?(-->|\Z)|<[^>]*(>|\Z)", re.DOTALL | re.IGNORECASE)
_PAGE_READ = 4_000
_WORDS_SHOWN = 100


def read_answer(status: int, text: str) -> MetricsAnswer:
    """Read the answer to a query; whatever is no success is a refusal, in Prometheus' own words."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return refused(f"HTTP {status}: {without_page(text.strip()[:_PAGE_READ])[:300]}")
    if status != 200 or not isinstance(body, dict) or body.get("status") != "success":
        return refused(f"HTTP {status}: {_error_of(body)}")
    try:
        series = read_series(body["data"]["resultType"], body["data"]["result"])
    except (KeyError, TypeError, ValueError) as error:
        return refused(f"the answer cannot be read: {error!r}")
    return SeriesSet(series, (*map(str, body.get("warnings") or ()), *map(_info, body.get("infos") or ())))


def _info(text: object) -> str:
    """An info is about the query, whoever words it."""
    return str(text) if str(text).startswith(INFO) else f"{INFO} {text}"


def read_series(result_type: str, result: Any) -> tuple[Series, ...]:
    """Read a result of one of the three types with numbers; raises KeyError for any other."""
    return _READERS[result_type](result)


def refused(message: str) -> NoAnswer:
    """Make the answer of a source that will not answer."""
    return NoAnswer(Failure.REFUSED, message)


def unreachable(message: str) -> NoAnswer:
    """Make the answer of a source that cannot be asked."""
    return NoAnswer(Failure.UNREACHABLE, message)


def without_page(text: str) -> str:
    """Leave the markup of a web page out of a text: what it says to people stays, its title first."""
    return _PAGE.sub(_told, text)


def _told(found: re.Match[str]) -> str:
    page = found["page"].removesuffix(f"{found['quote']})") if found["client"] else found["page"]
    words = _words(page.replace("\\r", " ").replace("\\n", " ") if found["client"] else page)
    says = f' that says "{words}"' if words else ""
    return f"{': ' if found['client'] else ''}a web page{says}, not JSON: is this the address of a Prometheus?"


def _words(page: str) -> str:
    title = _TITLE.search(page)
    said = title[1] if title else _UNREAD.sub(" ", page)
    return textwrap.shorten(html.unescape(said), _WORDS_SHOWN, placeholder=" ...")


def _error_of(body: Any) -> str:
    if not isinstance(body, dict):
        return str(body)[:300]
    return ": ".join(str(body[field]) for field in ("errorType", "error") if body.get(field))


def _samples(pairs: Iterable[Any]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in pairs)


# A native histogram has neither: it is no number, and blinds nobody who asked for others beside it.
def _matrix(result: Any) -> tuple[Series, ...]:
    return tuple(Series(each["metric"], _samples(each.get("values", ()))) for each in result)


def _vector(result: Any) -> tuple[Series, ...]:
    return tuple(Series(each["metric"], _samples([each["value"]] if "value" in each else ())) for each in result)


def _scalar(result: Any) -> tuple[Series, ...]:
    return (Series({}, _samples([result])),)


_READERS: dict[str, Callable[[Any], tuple[Series, ...]]] = {"matrix": _matrix, "vector": _vector, "scalar": _scalar}
