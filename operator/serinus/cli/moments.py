"""Formats times for people: how long ago, and when."""

from __future__ import annotations

from serinus.api.parsing import unix_seconds
from serinus.core.analysis.words import shown_duration

FRESH_SECONDS = 10.0
"""Numbers of a live rollout are written this often; older ones are shown with their age."""


def ago(timestamp: str | None, now: float) -> str:
    """Say how long ago a time was, as kubectl does: 45s, 12m, 3h, 2d."""
    if timestamp is None:
        return "?"
    seconds = max(0, int(now - unix_seconds(timestamp)))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def as_of(timestamp: str | None, now: float) -> str:
    """Say how old numbers are, as in "as of 42 s ago"; empty while they are fresh, or where nobody knows."""
    age = now - unix_seconds(timestamp) if timestamp is not None else 0.0
    return f"as of {shown_duration(age)} ago" if age > FRESH_SECONDS else ""


def clock_time(timestamp: str) -> str:
    """Write a stored time for people, to the second and in UTC as it is stored."""
    date, _, rest = timestamp.partition("T")
    return f"{date} {rest[:8]}Z"
