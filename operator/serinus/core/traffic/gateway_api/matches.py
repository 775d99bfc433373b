"""Paths and cohorts as the matches of an HTTPRoute's rule, and back.

The most specific match has the request, whatever the order of the rules: by the kind of path, its length, then the
number of headers. So every rule has the same path as the one that it must win over, and a header more. Paths are few
regexes, because a rule may have no more than 64 matches: each path times each match of a cohort would be more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.serving.interface import Interface, Path
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.paths import few
from serinus.core.traffic.regexes import COOKIE_HEADER, as_regex, cookie_regex, read_cookie, read_regex

_EXACT: Final = "Exact"
_REGEX: Final = "RegularExpression"
_PREFIX: Final = "PathPrefix"
EVERY_PATH: Final = Path(By.PREFIX, "/")


def render_paths(paths: tuple[Path, ...]) -> list[Json]:
    """Render the matches of some paths; every path where there is none."""
    wanted = few(paths) or (EVERY_PATH,)
    return [{"path": {"type": _PREFIX if path.by is By.PREFIX else _REGEX, "value": path.value}} for path in wanted]


@dataclass(frozen=True)
class Below:
    """One path below a prefix: how it is matched, and what the server gets instead.

    What replaces a prefix replaces that of the rule's only match, says the API: a rule has one path, and one header.
    """

    name: str
    match: Json
    rewrite: Json


def paths_below(prefix: str, interface: Interface = OPEN_INFERENCE, *, all_paths: bool) -> tuple[Below, ...]:
    """List what is admitted below a prefix, inference last.

    Only whole elements are compared, and no regex is rewritten. So what the server has below one of them is admitted
    with it (`Interface.loose_below`).
    """
    if all_paths:
        return (_element("http", prefix, "/"),)
    inference, *others = interface.below
    root = () if inference == interface.root else (_root(prefix, interface.root),)
    rest = (_element(f"http-{one.rpartition('/')[2]}", f"{prefix}{one}", one) for one in others)
    return (*root, *rest, _element("http", f"{prefix}{inference}", inference))


def _root(prefix: str, root: str) -> Below:
    match = {"path": {"type": _EXACT, "value": f"{prefix}{root}"}}
    return Below("http-server", match, {"type": "ReplaceFullPath", "replaceFullPath": root})


def _element(name: str, path: str, instead: str) -> Below:
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": instead}
    return Below(name, {"path": {"type": _PREFIX, "value": path}}, rewrite)


def render_rewrite(below: Below) -> Json:
    """Render what makes the server's path of a request's."""
    return {"type": "URLRewrite", "urlRewrite": {"path": below.rewrite}}


def read_rewrite(rule: Json) -> tuple[str, str]:
    """Read the prefix of a rule, and what the server gets instead of what is matched; nothing where there is none."""
    for one in rule.get("filters") or ():
        if "urlRewrite" in one:
            instead = str(one["urlRewrite"]["path"].get("replacePrefixMatch", ""))
            path = str(rule["matches"][0]["path"]["value"])
            return path.removesuffix(instead), instead
    return "", ""


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
