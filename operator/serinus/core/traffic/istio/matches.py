"""A cohort as the header matches of a VirtualService's rule, and back."""

from __future__ import annotations

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.traffic.regexes import COOKIE_HEADER, cookie_regex, read_cookie


def render_match(match: Match) -> Json:
    """Render the `headers` of one match."""
    if match.part is Part.HEADER:
        return {match.name: {match.by.value: match.value}}
    return {COOKIE_HEADER: {By.REGEX.value: cookie_regex(match)}}


def read_match_of(headers: Json) -> Match:
    """Read the `headers` of one match; raises ValueError for what we do not render."""
    ((name, compared),) = headers.items()
    ((by, value),) = compared.items()
    cookie = read_cookie(name, value) if by == By.REGEX else None
    return cookie or Match(Part.HEADER, name, By(by), value)
