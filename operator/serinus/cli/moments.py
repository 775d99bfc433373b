"""Times for people: how long ago, and when."""

from __future__ import annotations

from serinus.api.parsing import unix_seconds


def ago(timestamp: str | None, now: float) -> str:
    """Say how long ago a time was, as kubectl does: 45s, 12m, 3h, 2d."""
    if timestamp is None:
        return "?"
    seconds = max(0, int(now - unix_seconds(timestamp)))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def clock_time(timestamp: str) -> str:
    """Write a stored time for people, to the second and in UTC as it is stored."""
    date, _, rest = timestamp.partition("T")
    return f"{date} {rest[:8]}Z"
