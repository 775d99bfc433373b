"""The termination message: what the operator learns of a fetch, in at most 4096 bytes of JSON.

Kubernetes keeps that much of /dev/termination-log:
https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from serinus_serving.fetch.errors import ArtifactError

LIMIT = 4096
"""In bytes."""
_TEXT = 1024
"""The longest text in bytes that is kept of what may be of any length; three of them and the rest stay within."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch left at the destination. `bytes` are those of the model's files, `seconds` those of the fetch.

    `cached`: the model came out of the cache, and nobody was asked.
    """

    resolved: str
    digest: str
    bytes: int
    seconds: float = 0.0
    lineage: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False

    def message(self) -> str:
        """Write it; lineage that is too long is left out."""
        told = {
            "resolved": shortened(self.resolved),
            "digest": self.digest,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 1),
        } | ({"cached": True} if self.cached else {})
        whole = _json(told | ({"lineage": dict(self.lineage)} if self.lineage else {}))
        return whole if len(whole.encode()) <= LIMIT else _json(told)


def failure_message(error: ArtifactError) -> str:
    """Write why it failed."""
    return _json({"reason": error.reason, "message": shortened(str(error))})


def leave(message: str, path: Path, *, asked_for: bool) -> None:
    """Write the message where the kubelet reads it; elsewhere only where that was asked for."""
    if asked_for or path.exists():
        with suppress(OSError):  # it is said on standard error as well, and the exit code tells the rest
            path.write_text(message, encoding="utf-8")


def _json(told: Mapping[str, object]) -> str:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=True)


def shortened(text: str) -> str:
    """Cut a text so that it has at most `_TEXT` bytes as JSON, as the operator learns it."""
    while len(json.dumps(text)) > _TEXT:
        text = f"{text[: len(text) * 3 // 4]}…"
    return text
