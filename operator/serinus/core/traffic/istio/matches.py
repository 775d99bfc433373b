"""A cohort as the header matches of a VirtualService's rule, and back; a cookie is a regex on the cookie header."""

from __future__ import annotations

import re
from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part

COOKIE_HEADER: Final = "cookie"
_BEFORE, _AFTER, _REST = r"(.*;\s*)?", r"(\s*;.*)?", "[^;]*"
_OURS: Final = re.compile(rf"{re.escape(_BEFORE)}(?P<name>.+?)=(?P<value>.*){re.escape(_AFTER)}", re.DOTALL)
_GROUP: Final = re.compile(r"\(\?:(.*)\)", re.DOTALL)


def render_match(match: Match) -> Json:
    """Render the `headers` of one match; Envoy matches a regex (RE2) against the whole value."""
    if match.part is Part.HEADER:
        return {match.name: {match.by.value: match.value}}
    return {COOKIE_HEADER: {"regex": f"{_BEFORE}{re.escape(match.name)}={_pattern(match)}{_AFTER}"}}


def read_match_of(headers: Json) -> Match:
    """Read the `headers` of one match; raises ValueError for what we do not render."""
    ((name, compared),) = headers.items()
    ((by, value),) = compared.items()
    found = _OURS.fullmatch(value) if name == COOKIE_HEADER and by == By.REGEX else None
    if found is None:
        return Match(Part.HEADER, name, By(by), value)
    return Match(Part.COOKIE, _unescaped(found["name"]), *_compared(found["value"]))


def _pattern(match: Match) -> str:
    if match.by is By.REGEX:
        return f"(?:{match.value})"
    return re.escape(match.value) + (_REST if match.by is By.PREFIX else "")


def _compared(pattern: str) -> tuple[By, str]:
    if grouped := _GROUP.fullmatch(pattern):
        return By.REGEX, grouped[1]
    if pattern.endswith(_REST):
        return By.PREFIX, _unescaped(pattern.removesuffix(_REST))
    return By.EXACT, _unescaped(pattern)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
