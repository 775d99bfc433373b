"""Paths and cohorts as the matches of an HTTPRoute's rule, and back.

The most specific match has the request, whatever the order of the rules: by the kind of path, its length, then the
number of headers. So every rule has the same path as the one that it must win over, and a header more. Paths are few
regexes, because a rule may have no more than 64 matches: each path times each match of a cohort would be more.
"""

from __future__ import annotations

from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.traffic.paths import Path, few
from serinus.core.traffic.regexes import COOKIE_HEADER, as_regex, cookie_regex, read_cookie, read_regex

_EXACT: Final = "Exact"
_REGEX: Final = "RegularExpression"
_PREFIX: Final = "PathPrefix"
EVERY_PATH: Final = Path(By.PREFIX, "/")


def render_paths(paths: tuple[Path, ...]) -> list[Json]:
    """Render the matches of some paths; every path where there is none."""
    wanted = few(paths) or (EVERY_PATH,)
    return [{"path": {"type": _PREFIX if path.by is By.PREFIX else _REGEX, "value": path.value}} for path in wanted]


def render_header(match: Match) -> Json:
    """Render one match of a cohort as one of a header; a prefix is a regex here, as a cookie is."""
    if match.part is Part.COOKIE:
        return {"type": _REGEX, "name": COOKIE_HEADER, "value": cookie_regex(match)}
    if match.by is By.EXACT:
        return {"type": _EXACT, "name": match.name, "value": match.value}
    return {"type": _REGEX, "name": match.name, "value": as_regex(match.by, match.value)}


def read_header(header: Json) -> Match:
    """Read what `render_header` has written."""
    name, value = header["name"], header["value"]
    if header["type"] == _EXACT:
        return Match(Part.HEADER, name, By.EXACT, value)
    return read_cookie(name, value) or Match(Part.HEADER, name, *read_regex(value))
