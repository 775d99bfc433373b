"""Values as the API takes them: what fits a field, and how numbers and times are written."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import TypeAdapter, ValidationError

from serinus.api.constraints import Duration, Threshold
from serinus.api.durations import seconds

_SIZES = (("h", 3600), ("m", 60))


def fitting(kind: Any, value: object) -> Any:
    """Write a value as the API server gets it, with the fields that it knows alone; None where it does not fit."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return adapter.dump_python(adapter.validate_python(value), mode="json", by_alias=True, exclude_none=True)
    except (ValidationError, RecursionError):
        return None


def duration(text: str | None) -> str | None:
    """Read a duration, or a number of seconds; None where it is none, or not above 0."""
    if text is None:
        return None
    if re.fullmatch("[0-9]{1,9}", text):
        return in_go(int(text))
    written: str | None = fitting(Duration, text)
    return written


def in_go(whole_seconds: int) -> str | None:
    """Write seconds as in Go, in the largest unit that leaves no fraction; None for 0."""
    if whole_seconds <= 0:
        return None
    unit, size = next(((unit, size) for unit, size in _SIZES if whole_seconds % size == 0), ("s", 1))
    written: str | None = fitting(Duration, f"{whole_seconds // size}{unit}")
    return written


def times(text: str, count: int) -> str | None:
    """Write a multiple of a duration; None where it cannot be written."""
    return in_go(round(seconds(text) * count)) if seconds(text) >= 1 else text


def number(value: object) -> Decimal | None:
    """Read a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        read = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return read if read.is_finite() else None


def threshold(value: Decimal, unit: str = "") -> str | None:
    """Write a bound; None where it has more digits than one may have."""
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    written: str | None = fitting(Threshold, f"{plain or '0'}{unit}")
    return written


def label(text: str, longest: int = 63) -> str:
    """Write a name with the letters that a name may have."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-")
