"""Which requests belong to a cohort: by a header or a cookie, as a value, and as manifests write it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from serinus.api.header_route import RequestMatch, ValueMatch


class Part(StrEnum):
    """Which part of a request a match looks at."""

    HEADER = "Header"
    COOKIE = "Cookie"


class By(StrEnum):
    """How a match compares; a regex must match the whole value."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, order=True)
class Match:
    """One header, or one cookie, that brings a request to the revision."""

    part: Part
    name: str
    by: By
    value: str

    @property
    def text(self) -> str:
        """How people read it: x-tier=premium, x-user=dev-* or cookie tier~a|b."""
        compared = {By.EXACT: f"={self.value}", By.PREFIX: f"={self.value}*", By.REGEX: f"~{self.value}"}
        return f"{'cookie ' if self.part is Part.COOKIE else ''}{self.name}{compared[self.by]}"


def read_match(wish: RequestMatch) -> Match:
    """Read one; a header's name is in lower case, as routing APIs write it."""
    if wish.header_name is not None and wish.header_value is not None:
        return Match(Part.HEADER, wish.header_name.lower(), *_compared(wish.header_value))
    assert wish.cookie_name is not None
    assert wish.cookie_value is not None
    return Match(Part.COOKIE, wish.cookie_name, *_compared(wish.cookie_value))


def write_match(match: Match) -> RequestMatch:
    """Write one as a manifest has it."""
    value = ValueMatch(**{match.by.value: match.value})
    if match.part is Part.COOKIE:
        return RequestMatch(cookie_name=match.name, cookie_value=value)
    return RequestMatch(header_name=match.name, header_value=value)


def _compared(wish: ValueMatch) -> tuple[By, str]:
    ways = ((By.EXACT, wish.exact), (By.PREFIX, wish.prefix), (By.REGEX, wish.regex))
    return next((by, value) for by, value in ways if value is not None)
