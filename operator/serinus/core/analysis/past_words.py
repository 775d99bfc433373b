"""Stable's past in words, and as it is kept beside the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from serinus.core.analysis.words import shown_duration
from serinus.core.model.past import SHORTEST_PAST_S, Past

EVENTS_NEEDED: Final = 50
NOT_KNOWN = "not calibrated: the history of stable is not known yet, so errors are taken to come in bursts of any size"


def calibration_words(past: Past | None) -> str:
    """Say what the test is calibrated on, or why on nothing."""
    if past is None:
        return NOT_KNOWN
    served = f"{shown_duration(past.seconds)} of version {past.version}"
    if past.too_short:
        return f"not calibrated: {_why_short(past, served)}"
    few = ", ".join(f"{name} has {events:.0f}" for name, events in sorted(past.scant.items()))
    if not past.learnt:
        return f"not calibrated: {served} had too few events ({few}; {EVENTS_NEEDED} are needed)"
    how = "halves by pod" if past.by_pod else "its counts over time"
    text = f"calibrated on {served}, {how}"
    return f"{text}; too few events in it: {few}, {EVENTS_NEEDED} are needed" if few else text


def _why_short(past: Past, served: str) -> str:
    if past.seconds <= 0.0:
        return past.problem or f"the source has no history of version {past.version} serving alone"
    more = f" ({past.problem})" if past.problem else ""
    return f"only {served} serving alone are on record{more}, {shown_duration(SHORTEST_PAST_S)} are needed"


def render_past(past: Past | None) -> dict[str, Any] | None:
    """Write it as JSON values; what it taught is in the evidence."""
    if past is None:
        return None
    return {
        "version": past.version,
        "seconds": round(past.seconds, 1),
        "byPod": past.by_pod,
        "problem": past.problem,
        "learnt": past.learnt,
        "scant": dict(past.scant),
        "outages": dict(past.outages),
    }


def parse_past(stored: Mapping[str, Any] | None) -> Past | None:
    """Read it back; raises KeyError for what is none."""
    if stored is None:
        return None
    return Past(
        version=stored["version"],
        seconds=float(stored["seconds"]),
        by_pod=bool(stored["byPod"]),
        problem=stored["problem"],
        learnt=bool(stored["learnt"]),
        scant=dict(stored["scant"]),
        outages=dict(stored["outages"]),
    )
