"""Reads the JSON of Prometheus' query API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from serinus.core.model.answers import ABOUT_THE_QUERY, Failure, MetricsAnswer, NoAnswer, Series, SeriesSet

INFO = ABOUT_THE_QUERY[0]
_PAGE = re.compile(r"( \(b')?\s*<(!doctype|html|\?xml).*", re.DOTALL | re.IGNORECASE)
"""With what the client puts before it: HTTP Status Code 404 (b'<!DOCTYPE html>."""


def read_answer(status: int, text: str) -> MetricsAnswer:
    """Read the answer to a query; whatever is no success is a refusal, in Prometheus' own words."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return refused(f"HTTP {status}: {without_page(text.strip()[:300])}")
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
    """Leave a web page out of a text: it says nothing that anybody wants to read."""
    said = "a web page, not JSON: is this the address of a Prometheus?"
    return _PAGE.sub(lambda page: f": {said}" if page[1] else said, text)


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
