"""Unix seconds and RFC 3339, to the millisecond: what is stored must read back as the same number."""

from __future__ import annotations

from datetime import UTC, datetime


def to_rfc3339(seconds: float) -> str:
    """Write unix seconds as the API server stores them."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_rfc3339_seconds(seconds: float) -> str:
    """Write unix seconds as metav1.Time wants them: whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> float:
    """Read unix seconds; raises ValueError."""
    return round(datetime.fromisoformat(text).timestamp(), 3)


def stored(seconds: float | None) -> str | None:
    """Write a time that may be absent."""
    return None if seconds is None else to_rfc3339(seconds)


def restored(text: str | None) -> float | None:
    """Read a time that may be absent."""
    return None if text is None else from_rfc3339(text)
