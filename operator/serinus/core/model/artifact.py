"""What a revision's pods have fetched: the bytes by their digest, and what the reference stood for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Artifact:
    """A model as it was fetched.

    `digest` is `sha256:…` of its files (docs/artifact-digest.md), `resolved` what the reference stood for: a manifest's
    digest, a commit, a model's version; the URI itself where nothing moves. `size` is in bytes. `lineage` is what the
    place it came from knows of its origin.
    """

    digest: str
    resolved: str
    size: int = 0
    lineage: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write it as `serinus-fetch` does, for the record of a revision."""
        told = {"digest": self.digest, "resolved": self.resolved, "bytes": self.size}
        return json.dumps(told | ({"lineage": dict(self.lineage)} if self.lineage else {}), sort_keys=True)


def read_artifact(text: str) -> Artifact | None:
    """Read what `serinus-fetch` has told, or a record; None where it is neither."""
    try:
        told = json.loads(text)
        lineage = {str(key): str(value) for key, value in (told.get("lineage") or {}).items()}
        return Artifact(str(told["digest"]), str(told["resolved"]), int(told.get("bytes") or 0), lineage)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
