"""From the settings of another tool's routes to ours: timeouts, retries, sticky users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from serinus.api.constraints import RouteTimeout
from serinus.api.durations import seconds
from serinus.api.retries import Retries, RetryOn
from serinus.api.session_affinity import AffinityCookie
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import duration, fitting
from serinus.cli.convert.original import Original, Place
from serinus.core.model.kinds import Json

MOST_ATTEMPTS: Final = 10
HIDDEN: Final = "what a retry hides is not counted: a canary that fails now and then looks better than it is"
NOT_BY_HTTP_ROUTES: Final = "an HTTPRoute has no retries: leave them to the gateway"
Rule = tuple[Original, Place]
"""A rule of a route, and where it is there."""
_KNOWN: Final = {each.value for each in RetryOn}


def add_timeout(draft: Draft, place: Place) -> None:
    """Carry a timeout over; none, and 0, are both no limit."""
    if written := _time(draft, draft.original, place, "timeout"):
        _traffic(draft)["timeout"] = written


def add_retries(draft: Draft, place: Place) -> None:
    """Carry retries over, and say what they hide."""
    if draft.original.look(*place) is None:
        return
    if "gatewayAPI" in draft.spec.get("traffic", {}):
        draft.lost(place, NOT_BY_HTTP_ROUTES)
    elif written := _retries(draft, draft.original, place):
        _write_retries(draft, written)


def add_affinity(draft: Draft, place: Place) -> None:
    """Carry Flagger's cookie over; ours keeps the users of stable, too."""
    if draft.original.look(*place) is None:
        return
    name = draft.original.text(*place, "cookieName")
    age = _age(draft, (*place, "maxAge"))
    cookie = fitting(AffinityCookie, {"name": name} if name else {})
    if cookie is None:
        draft.lost((*place, "cookieName"), f"{name} is no name of a cookie: the default is written")
        cookie = {}
    _traffic(draft)["sessionAffinity"] = {"cookie": cookie | ({"maxAge": age} if age else {})}
    draft.note("spec.traffic.sessionAffinity", "keeps the users of stable where they are, too; a revert goes before it")


def add_settings(draft: Draft, rules: Sequence[Rule]) -> None:
    """Carry over what all rules of a route say alike; the rules themselves are the operator's, which a line says."""
    if not rules:
        return
    timeouts = [_timeout_of(*rule) for rule in rules]
    if _agree(draft, "timeout", [route.look(*place) for (route, _), place in zip(rules, timeouts, strict=True)]):
        route, place = rules[0][0], timeouts[0]
        if written := _time(draft, route, place, "timeout"):
            _traffic(draft)["timeout"] = written
    if _agree(draft, "retries", [route.look(*place, "retries") for route, place in rules]):
        route, place = rules[0]
        if route.look(*place, "retries") is not None and (retries := _retries(draft, route, (*place, "retries"))):
            _write_retries(draft, retries)


def _timeout_of(route: Original, rule: Place) -> Place:
    """Tell where a rule has its timeout: Istio's, or that of the Gateway API."""
    istio = (*rule, "timeout")
    return istio if route.look(*istio) else (*rule, "timeouts", "request")


def _agree(draft: Draft, field: str, said: Sequence[object]) -> bool:
    if all(one == said[0] for one in said):
        return True
    draft.note(f"spec.traffic.{field}", "left out: the rules of the route do not agree")
    return False


def whole_duration(text: str) -> str | None:
    """Write a duration without fractions; None where that cannot be."""
    given = f"{text}s" if text.isdecimal() else text
    written: str | None = fitting(RouteTimeout, given)
    if written is not None:
        return written
    try:
        milliseconds = round(1000 * seconds(given))
    except ValueError:
        return None
    parts = f"{milliseconds // 1000}s{milliseconds % 1000}ms" if milliseconds >= 1000 else f"{milliseconds}ms"
    again: str | None = fitting(RouteTimeout, parts)
    return again


def _write_retries(draft: Draft, retries: Json) -> None:
    _traffic(draft)["retries"] = retries
    draft.note("spec.traffic.retries", HIDDEN)


def _time(draft: Draft, source: Original, place: Place, field: str) -> str | None:
    """Read a duration as a route has it; a line says what it cannot be, and what was rounded."""
    given = source.text(*place)
    if given is None or _is_no_limit(given):
        return None
    written = whole_duration(given)
    if written is None:
        draft.lost(place, f"{given} is no duration that a route can have, such as 500ms, 30s or 1m30s", of=source)
    elif not given.isdecimal() and seconds(given) != seconds(written):
        draft.note(f"spec.traffic.{field}", f"was {given}: in whole milliseconds")
    return written


def _age(draft: Draft, place: Place) -> str | None:
    """Read how long a cookie lasts; one that ends with the browser has no equal."""
    given = draft.original.text(*place)
    if not given:
        return None
    written = duration(given)
    if written is None or seconds(written) < 1:
        draft.lost(place, f"{given} is no time of at least 1s, such as 3600 or 1h: the default is written")
        return None
    return written


def _is_no_limit(text: str) -> bool:
    return text.rstrip("smh") in {"0", ""}


def _retries(draft: Draft, source: Original, place: Place) -> Json | None:
    """Read attempts, the time of each, and the reasons that Envoy and we have one word for."""
    attempts = source.whole(*place, "attempts")
    if attempts is not None and attempts < 0:
        draft.lost((*place, "attempts"), f"{attempts} is below 0: nothing is tried again", of=source)
        return None
    if not attempts:
        return None
    if attempts > MOST_ATTEMPTS:
        draft.note("spec.traffic.retries.attempts", f"was {attempts}: {MOST_ATTEMPTS} at most")
    written: Json = {"attempts": min(attempts, MOST_ATTEMPTS)}
    if time := _time(draft, source, (*place, "perTryTimeout"), "retries.perTryTimeout"):
        written["perTryTimeout"] = time
    reasons = [one.strip() for one in (source.text(*place, "retryOn") or "").split(",") if one.strip()]
    known = list(dict.fromkeys(one for one in reasons if one in _KNOWN))
    if unknown := [one for one in reasons if one not in _KNOWN]:
        text = f"{', '.join(unknown)}: nothing that a route retries by this word; left out"
        draft.note("spec.traffic.retries.retryOn", text)
    fits: Json | None = fitting(Retries, written | ({"retryOn": known} if known else {}))
    return fits


def _traffic(draft: Draft) -> dict[str, Any]:
    traffic: dict[str, Any] = draft.spec.setdefault("traffic", {})
    return traffic
