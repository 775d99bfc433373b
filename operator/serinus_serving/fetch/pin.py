"""What the first pod of a revision has fetched, as the operator hands it to all later ones: a mounted ConfigMap.

A folder with a file for each key: `digest` (docs/artifact-digest.md) and `resolved`, the reference that does not move.
It is empty for the first pod, and where nobody keeps such a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serinus_serving.fetch.digest import parse_digest
from serinus_serving.fetch.errors import ArtifactChanged


@dataclass(frozen=True)
class Pin:
    """What must be fetched again: from where, and which bytes."""

    digest: str
    resolved: str

    def check(self, found: str) -> None:
        """Raise ArtifactChanged where a tree has another digest."""
        if found != self.digest:
            raise ArtifactChanged(
                f"{self.resolved} is {found} now, and the first pod of this revision got {self.digest}: put the files "
                f"back, or commit what lies there now as a new version"
            )


def read_pin(folder: Path) -> Pin | None:
    """Read the record; None where there is none yet. Raises ValueError for a digest that is none."""
    digest, resolved = folder / "digest", folder / "resolved"
    if not digest.is_file() or not resolved.is_file():
        return None
    return Pin(parse_digest(digest.read_text().strip()), resolved.read_text().strip())
