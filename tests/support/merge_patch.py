"""A JSON merge patch, as the API server applies it: one for all that stand in for it."""

from __future__ import annotations

from serinus.core.model.kinds import Json


def merge_patched(live: Json, patch: Json) -> Json:
    """Patch as RFC 7396 says: null takes a field away."""
    merged = {key: value for key, value in live.items() if key not in patch}
    for key, value in patch.items():
        before = live.get(key)
        if isinstance(value, dict):
            merged[key] = merge_patched(before if isinstance(before, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged
