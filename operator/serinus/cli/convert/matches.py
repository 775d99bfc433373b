"""From a header or a cookie of another tool to one of ours, if the API server takes its regular expression."""

from __future__ import annotations

import re
from typing import Final

from serinus.api.header_route import RequestMatch
from serinus.cli.convert.fits import fitting
from serinus.core.model.kinds import Json

BEYOND_RE2: Final = re.compile(r"\(\?(?:[=!>(#]|<[=!])|\\[1-9]|[*+?}]\+|\(\?P=")
"""What Python and PCRE know and RE2 does not: look-around, back-references, possessive and atomic groups."""


def request_match(value: object) -> Json | None:
    """Write a match; None where the API does not take it."""
    written: Json | None = fitting(RequestMatch, value)
    if written is None:
        return None
    patterns = [way["regex"] for way in written.values() if isinstance(way, dict) and "regex" in way]
    return written if all(_is_re2(pattern) for pattern in patterns) else None


def _is_re2(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return BEYOND_RE2.search(pattern) is None
