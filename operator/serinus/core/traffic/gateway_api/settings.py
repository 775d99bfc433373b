"""The settings of an HTTPRoute's rules, and back. It has no field for retries: they are refused at admission."""

from __future__ import annotations

from collections.abc import Sequence

from serinus.core.model.kinds import Json
from serinus.core.traffic.gateway_api.matches import render_paths
from serinus.core.traffic.settings import REVISION_HEADER, RuleSettings


def render_settings(settings: RuleSettings) -> Json:
    """Render what a rule has beside its matches, backends and copies."""
    return {"timeouts": {"request": settings.timeout}} if settings.timeout else {}


def render_answers(service: str, settings: RuleSettings) -> Json:
    """Render what a backend does to answers."""
    if not settings.revision_header:
        return {}
    named = {"set": [{"name": REVISION_HEADER, "value": service}]}
    return {"filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": named}]}


def read_settings(rules: Sequence[Json]) -> RuleSettings:
    """Read the settings of the last rule, which every route of ours has."""
    if not rules:
        return RuleSettings()
    last = rules[-1]
    return RuleSettings(
        all_paths=last.get("matches") == render_paths(()),
        timeout=(last.get("timeouts") or {}).get("request"),
        revision_header=any("filters" in backend for backend in last.get("backendRefs") or ()),
    )
