"""Matches as regexes (RE2, against the whole value), and back, for what a routing API compares in no other way."""

from __future__ import annotations

import re
from typing import Final

from serinus.core.model.matches import By, Match, Part

COOKIE_HEADER: Final = "cookie"
ANYTHING: Final = ".*"
"""What may follow a header's prefix."""
_BEFORE, _AFTER, _IN_COOKIE = r"(.*;\s*)?", r"(\s*;.*)?", "[^;]*"
_COOKIE: Final = re.compile(rf"{re.escape(_BEFORE)}(?P<name>.+?)=(?P<value>.*){re.escape(_AFTER)}", re.DOTALL)
_LETTER: Final = re.compile(r"[A-Za-z0-9/_~%-]|\\[.~/_-]")
"""What a regex matches as it is written; repeated, it may be missing."""
_GROUP: Final = re.compile(r"\(\?:(.*)\)", re.DOTALL)


def as_regex(by: By, value: str, rest: str = ANYTHING) -> str:
    """Write a comparison as a regex; a user's own stands in a group, so that it is told from a prefix."""
    if by is By.REGEX:
        return f"(?:{value})"
    return re.escape(value) + (rest if by is By.PREFIX else "")


def read_regex(regex: str, rest: str = ANYTHING) -> tuple[By, str]:
    """Read a comparison that `as_regex` has written."""
    if grouped := _GROUP.fullmatch(regex):
        return By.REGEX, grouped[1]
    if regex.endswith(rest):
        return By.PREFIX, _unescaped(regex.removesuffix(rest))
    return By.EXACT, _unescaped(regex)


def cookie_regex(match: Match) -> str:
    """Write a cookie's match as a regex of the whole cookie header."""
    return f"{_BEFORE}{re.escape(match.name)}={as_regex(match.by, match.value, _IN_COOKIE)}{_AFTER}"


def read_cookie(name: str, regex: str) -> Match | None:
    """Read a cookie's match off a header's; None where it is the header's own."""
    found = _COOKIE.fullmatch(regex) if name == COOKIE_HEADER else None
    if found is None:
        return None
    return Match(Part.COOKIE, _unescaped(found["name"]), *read_regex(found["value"], _IN_COOKIE))


def literal_path(regex: str) -> str:
    """Tell what every path begins with that a regex matches: as far as it is plain text."""
    if "|" in regex:
        return "/"
    letters, rest = "", regex.removeprefix("^")
    while found := _LETTER.match(rest):
        letters, rest = letters + found[0][-1], rest[found.end() :]
    if rest.startswith(("*", "?", "{")):
        letters = letters[:-1]
    return letters if letters.startswith("/") else "/"


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
