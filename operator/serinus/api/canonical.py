"""The digest of a JSON value, independent of the order of its keys."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """Hash any JSON value to ten hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
