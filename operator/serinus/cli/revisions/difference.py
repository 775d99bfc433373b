"""In what two kept revisions differ: what was asked for, and what was fetched for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from serinus.cli.undo.change import NEVER_FOLDED
from serinus.cli.undo.history import KeptRevisions, named_revision
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.rollout.history import stable_revision


@dataclass(frozen=True)
class TwoRevisions:
    """Two revisions and what each was made of."""

    before: Revision
    after: Revision
    contents: tuple[Json, Json]

    def lines(self) -> list[str]:
        """Write the difference as `diff -u` does; empty where only names differ."""
        before, after = (list(_lines(content)) for content in self.contents)
        old, new = (f"version {one.version} ({one.name})" for one in (self.before, self.after))
        return list(difflib.unified_diff(before, after, old, new, lineterm=""))


def two_revisions(kept: KeptRevisions, before: str, after: str | None) -> TwoRevisions:
    """Find both; the second is what serves when it is not named. Raises Refused, which lists what there is."""
    first = named_revision(kept, before)
    second = named_revision(kept, after or stable_revision(kept.seen) or before)
    return TwoRevisions(first, second, (_content(kept, first), _content(kept, second)))


def _content(kept: KeptRevisions, revision: Revision) -> Json:
    artifact = revision.artifact
    fetched = {"digest": artifact.digest, "resolved": artifact.resolved, **artifact.lineage} if artifact else None
    asked = kept.manifests[revision.name]["data"].get("spec") or {}
    return {"spec": asked, **({"fetched": fetched} if fetched else {})}


def _lines(content: Json) -> Iterator[str]:
    yield from yaml.safe_dump(content, sort_keys=True, width=NEVER_FOLDED, allow_unicode=True).splitlines()
