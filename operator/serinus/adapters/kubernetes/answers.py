"""Translates the API server's answers into our exception tree; nothing else does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone, Invalid, Unavailable


class Expired(Unavailable):
    """410: the resourceVersion or the continue token is too old; list again."""


_BY_STATUS: Mapping[int, type[ClusterError]] = {401: Forbidden, 403: Forbidden, 404: Gone, 409: Conflict}


_NOT_TYPED = "failed to create typed patch object"
"""What the API server says, with a 500, of an apply with a field that it does not know, or a key that occurs twice."""


def error_from(status: int, text: str, retry_after: str | None = None) -> ClusterError:
    """Translate an answer that is no success; `text` is its body, usually a Status object."""
    message, reasons, fields = _read_status(text)
    message = f"{status}: {message}"
    if status == 410:
        return Expired(message)
    if status == 500 and _NOT_TYPED in message:
        return Invalid(message)
    if status == 429 or status >= 500:
        return Unavailable(message, _seconds(retry_after))
    if status == 403 and "NamespaceTerminating" in reasons:
        return Gone(message)
    if status == 422 and "metadata.uid" in fields:
        return Conflict(message)
    return _BY_STATUS.get(status, Invalid)(message)


def _read_status(text: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """Read the message, and the reasons and fields of the causes."""
    try:
        status: Any = json.loads(text)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        return text.strip()[:500], frozenset(), frozenset()
    causes = (status.get("details") or {}).get("causes") or []
    reasons, fields = (frozenset(str(cause.get(each)) for cause in causes) for each in ("reason", "field"))
    return str(status.get("message", "")), reasons, fields


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else float(retry_after)
    except ValueError:
        return None
