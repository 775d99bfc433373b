"""Reads the JSON of Prometheus' query API.

A thousand live rollouts bring forty thousand series a second, each with the same labels as a second ago, and these are
most of the text: a series that was told of before is known by the text of its labels, which is not read again.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Callable, Iterable
from sys import intern
from typing import Any, Literal
from weakref import WeakValueDictionary

import msgspec

from serinus.core.model.answers import (
    ABOUT_THE_QUERY,
    Failure,
    LabelSet,
    MetricsAnswer,
    NoAnswer,
    Series,
    SeriesSet,
)

INFO = ABOUT_THE_QUERY[0]
_PAGE = re.compile(r"(?P<client> \(b(?P<quote>['\"]))?\s*(?P<page><(!doctype|html|\?xml).*)", re.DOTALL | re.IGNORECASE)
"""With what the client puts before it: HTTP Status Code 404 (b'<!DOCTYPE html>."""
_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_UNREAD = re.compile(r"<(script|style)\b.*?(</\1>|\Z)|<!--.*?(-->|\Z)|<[^>]*(>|\Z)", re.DOTALL | re.IGNORECASE)
_PAGE_READ = 4_000
_WORDS_SHOWN = 100


class _RawSeries(msgspec.Struct):
    """A series of a matrix: a native histogram has no values."""

    metric: msgspec.Raw
    values: tuple[tuple[float, float], ...] = ()


class _Matrix(msgspec.Struct):
    """The answer to a range selector."""

    result_type: Literal["matrix"] = msgspec.field(name="resultType")
    result: list[_RawSeries]


class _Body(msgspec.Struct):
    """What a source says that has understood the question."""

    status: Literal["success"]
    data: _Matrix
    warnings: list[str] | None = None
    infos: list[str] | None = None


# Not strict: the values of samples are numbers in quotes.
_BODY = msgspec.json.Decoder(_Body, strict=False)
_LABELS = msgspec.json.Decoder(dict[str, str])


class Answers:
    """Reads the answers of one source; the labels of a series are kept for as long as anybody else keeps them."""

    def __init__(self) -> None:
        self._labels: WeakValueDictionary[bytes, LabelSet] = WeakValueDictionary()

    def read(self, status: int, body: bytes) -> MetricsAnswer:
        """Read the answer to a query, as `read_answer` does."""
        try:
            found = _BODY.decode(body)
            series = tuple([Series(self._labels_of(bytes(one.metric)), one.values) for one in found.data.result])
        except ValueError:
            # Another type, a refusal or no JSON at all; msgspec's errors are ValueErrors.
            return read_answer(status, body.decode(errors="replace"))
        if status != 200:
            return read_answer(status, body.decode(errors="replace"))
        return SeriesSet(series, (*(found.warnings or ()), *map(_info, found.infos or ())))

    def _labels_of(self, text: bytes) -> LabelSet:
        labels = self._labels.get(text)
        if labels is None:
            # Of a thousand Services nearly all labels are the same.
            labels = LabelSet((intern(name), intern(value)) for name, value in _LABELS.decode(text).items())
            self._labels[text] = labels
        return labels


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
