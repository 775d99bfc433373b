"""The settings of an HTTPRoute's rules, and back. It has no field for retries: they are refused at admission."""

from __future__ import annotations

from collections.abc import Sequence

from serinus.core.model.kinds import Json
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface
from serinus.core.traffic.gateway_api.matches import read_rewrite, render_paths
from serinus.core.traffic.paths import grpc_paths, http_paths, interface_that
from serinus.core.traffic.settings import GRPC_RULE, REVISION_HEADER, SET_COOKIE, Affinity, RuleSettings


def render_settings(settings: RuleSettings) -> Json:
    """Render what a rule has beside its matches, backends and copies."""
    return {"timeouts": {"request": settings.timeout}} if settings.timeout else {}


def render_answers(service: str, settings: RuleSettings, *, keeps: Split | None = None) -> Json:
    """Render what a backend does to answers; `keeps` is the split in which who has got one comes back to it."""
    named = {"set": [{"name": REVISION_HEADER, "value": service}]} if settings.revision_header else {}
    cookie = settings.affinity.set_by(service, keeps) if keeps and settings.affinity else None
    kept = {"add": [{"name": SET_COOKIE, "value": cookie}]} if cookie else {}
    if not named and not kept:
        return {}
    return {"filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {**named, **kept}}]}


def read_settings(rules: Sequence[Json]) -> RuleSettings:
    """Read the settings of the last rule, which every route of ours has."""
    if not rules:
        return RuleSettings()
    last = rules[-1]
    prefix, instead = read_rewrite(last)
    backends = [backend for backend in last.get("backendRefs") or () if "filters" in backend]
    answers = [backend["filters"][0]["responseHeaderModifier"] for backend in backends]
    cookies = [headers["add"][0]["value"] for headers in answers if "add" in headers]
    return RuleSettings(
        interface=_read_interface(rules, instead),
        all_paths=instead == "/" if prefix else last.get("matches") == render_paths(()),
        prefix=prefix,
        timeout=(last.get("timeouts") or {}).get("request"),
        revision_header=any("set" in headers for headers in answers),
        affinity=Affinity.read(cookies[0]) if cookies else None,
    )


def _read_interface(rules: Sequence[Json], instead: str) -> Interface:
    """Tell by the last rule whose requests are routed; one that admits every path tells it by the gRPC beside it."""
    if instead:
        return interface_that(lambda one: one.below[0] == instead)
    matches = rules[-1].get("matches")
    if matches == render_paths(()):
        has_grpc = any(rule.get("name") == GRPC_RULE for rule in rules)
        return interface_that(lambda one: bool(grpc_paths(one, all_paths=True)) == has_grpc)
    return interface_that(lambda one: render_paths(http_paths(one, all_paths=False)) == matches)
