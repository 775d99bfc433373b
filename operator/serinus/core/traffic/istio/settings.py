"""The settings of a VirtualService's rules, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface, Path
from serinus.core.traffic.paths import grpc_paths, http_paths, interface_that, path_header_below
from serinus.core.traffic.settings import GRPC_RULE, REVISION_HEADER, SET_COOKIE, Affinity, RuleSettings

PATH_HEADER: Final = ":path"
"""A request's path with its query, as Envoy matches it like any other header."""


def render_below(settings: RuleSettings) -> Json:
    """Render the match of HTTP requests below a prefix.

    The URI is matched by the prefix alone: of a delegate with a regex istiod drops each rule whose root names a URI.
    So what is admitted below it is told by the header.
    """
    uri = {"uri": {By.PREFIX.value: f"{settings.prefix}/"}}
    if settings.all_paths:
        return uri
    return {**uri, "headers": {PATH_HEADER: {By.REGEX.value: path_header_below(settings.prefix, settings.interface)}}}


def read_below(match: Json) -> str:
    """Read the prefix that `render_below` has written."""
    return str((match.get("uri") or {}).get(By.PREFIX.value, "")).removesuffix("/")


def render_settings(settings: RuleSettings) -> Json:
    """Render what a rule has beside its matches and destinations.

    Retries are off unless asked for: one that succeeds hides a bad canary from its own counters, and a rule that says
    nothing has Istio's default of two. No timeout unless asked for: how long an inference may take is the caller's
    business.
    """
    timeout = {"timeout": settings.timeout} if settings.timeout else {}
    each_try = {"perTryTimeout": settings.per_try_timeout} if settings.per_try_timeout else {}
    reasons = {"retryOn": ",".join(settings.retry_on)} if settings.retry_on else {}
    rewrite = {"rewrite": {"uri": "/"}} if settings.prefix else {}
    return {**timeout, **rewrite, "retries": {"attempts": settings.attempts, **each_try, **reasons}}


def render_header(service: str, settings: RuleSettings, *, keeps: Split | None = None) -> Json:
    """Render what a destination does to answers; `keeps` is the split in which who has got one comes back to it."""
    named = {"set": {REVISION_HEADER: service}} if settings.revision_header else {}
    kept = {"add": {SET_COOKIE: settings.affinity.set_by(service, keeps)}} if keeps and settings.affinity else {}
    return {"headers": {"response": {**named, **kept}}} if named or kept else {}


def read_settings(rules: Sequence[Json]) -> RuleSettings:
    """Read the settings of the last rule, which every route of ours has."""
    if not rules:
        return RuleSettings()
    last = rules[-1]
    retries = last.get("retries") or {}
    answers = [to["headers"]["response"] for to in last.get("route") or () if "headers" in to]
    cookies = [headers["add"].get(SET_COOKIE) for headers in answers if "add" in headers]
    reasons = retries.get("retryOn")
    below = last["match"][0] if "rewrite" in last and last.get("match") else {}
    return RuleSettings(
        all_paths="headers" not in below if below else "match" not in last,
        interface=_read_interface(rules, below),
        prefix=read_below(below),
        timeout=last.get("timeout"),
        attempts=retries.get("attempts", 0),
        per_try_timeout=retries.get("perTryTimeout"),
        retry_on=tuple(reasons.split(",")) if reasons else (),
        revision_header=any("set" in headers for headers in answers),
        affinity=Affinity.read(cookies[0]) if cookies else None,
    )


def render_uris(paths: Iterable[Path]) -> list[Json]:
    """Render the matches of some paths."""
    return [{"uri": {path.by.value: path.value}} for path in paths]


def _read_interface(rules: Sequence[Json], below: Json) -> Interface:
    """Tell by the last rule whose requests are routed; one that admits every path tells it by the gRPC beside it."""
    if below:
        wanted = (below.get("headers") or {}).get(PATH_HEADER, {}).get(By.REGEX.value)
        return interface_that(lambda one: path_header_below(read_below(below), one) == wanted)
    matches = rules[-1].get("match")
    if matches is None:
        has_grpc = any(rule.get("name") == GRPC_RULE for rule in rules)
        return interface_that(lambda one: bool(grpc_paths(one, all_paths=True)) == has_grpc)
    return interface_that(lambda one: render_uris(http_paths(one, all_paths=False)) == matches)
