"""The settings of a VirtualService's rules, and back."""

from __future__ import annotations

from collections.abc import Sequence

from serinus.core.model.kinds import Json
from serinus.core.traffic.settings import REVISION_HEADER, SET_COOKIE, Affinity, RuleSettings


def render_settings(settings: RuleSettings) -> Json:
    """Render what a rule has beside its matches and destinations.

    Retries are off unless asked for: one that succeeds hides a bad canary from its own counters, and a rule that says
    nothing has Istio's default of two. No timeout unless asked for: how long an inference may take is the caller's
    business.
    """
    timeout = {"timeout": settings.timeout} if settings.timeout else {}
    each_try = {"perTryTimeout": settings.per_try_timeout} if settings.per_try_timeout else {}
    reasons = {"retryOn": ",".join(settings.retry_on)} if settings.retry_on else {}
    return {**timeout, "retries": {"attempts": settings.attempts, **each_try, **reasons}}


def render_header(service: str, settings: RuleSettings, *, keeps: bool = False) -> Json:
    """Render what a destination does to answers; `keeps` says that who has got one comes back to it."""
    named = {"set": {REVISION_HEADER: service}} if settings.revision_header else {}
    kept = {"add": {SET_COOKIE: settings.affinity.set_by(service)}} if keeps and settings.affinity else {}
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
    return RuleSettings(
        all_paths="match" not in last,
        timeout=last.get("timeout"),
        attempts=retries.get("attempts", 0),
        per_try_timeout=retries.get("perTryTimeout"),
        retry_on=tuple(reasons.split(",")) if reasons else (),
        revision_header=any("set" in headers for headers in answers),
        affinity=Affinity.read(cookies[0]) if cookies else None,
    )
