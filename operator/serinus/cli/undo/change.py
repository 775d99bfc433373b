"""The change of a manifest: as a diff for people, and as a JSON patch for the API server."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import ModelDeploymentView
from serinus.cli.errors import Refused
from serinus.cli.undo.group import NO_GROUP, GroupBeside
from serinus.cli.undo.history import KeptRevisions, target_of
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.plan.revisions import recorded_sections
from serinus.core.plan.storage import source_config_map
from serinus.core.plan.wishes import answer
from serinus.core.rollout.undo import UndoOutcome, outcome_of

CONTEXT_LINES = 10
"""Enough to see under which keys a line stands; a sample request alone may have thousands of lines."""
NEVER_FOLDED = 1 << 20
"""A folded line is hard to carry into a file."""


@dataclass(frozen=True)
class Undo:
    """A way back: from the spec of now to the model and runtime of a kept revision."""

    deployment: ModelDeploymentView
    wanted: Revision | None
    target: Revision
    spec: ModelDeploymentSpec
    outcome: UndoOutcome
    group: GroupBeside = NO_GROUP
    """The other members of its group."""

    @property
    def config_map(self) -> str | None:
        """The ConfigMap of the user's that the target's files came from."""
        return source_config_map(self.spec.model.storage_uri)

    def diff(self) -> list[str]:
        """Compare what a revision contains, before and after."""
        view = self.deployment
        before = _header(view, view.spec.model.version, self.wanted.name if self.wanted else "no revision yet")
        after = _header(view, self.target.version, self.target.name)
        lines = difflib.unified_diff(_lines(view.spec), _lines(self.spec), before, after, lineterm="", n=CONTEXT_LINES)
        return list(lines)

    def patch(self) -> list[Json]:
        """Write the change for this very object and generation: status may move on meanwhile, and the spec may not."""
        view = self.deployment
        guards = (("/metadata/uid", view.uid), ("/metadata/generation", view.generation))
        tests = [{"op": "test", "path": path, "value": value} for path, value in guards]
        return [*tests, *_operations(recorded_sections(view.spec), recorded_sections(self.spec), "/spec")]


def plan_undo(kept: KeptRevisions, named: str | None, group: GroupBeside = NO_GROUP) -> Undo:
    """Find the way back; raises Refused where there is none."""
    seen, target = kept.seen, target_of(kept, named)
    spec = kept.spec_of(target)
    asked = answer(seen.revisions, kept.name, spec)
    if asked is not None and asked.name != target.name:
        files = f"the files of ConfigMap {source_config_map(spec.model.storage_uri)}"
        raise Refused(
            f"{target.name} and {asked.name} have one manifest and differ in {files} alone: "
            "put the old files into a ConfigMap of another name, and commit that as a new version"
        )
    return Undo(seen.deployment, seen.wanted, target, spec, outcome_of(seen, target, spec), group)


def _header(view: ModelDeploymentView, version: str, revision: str) -> str:
    return f"ModelDeployment {view.namespace}/{view.name} version {version} ({revision})"


def _lines(spec: ModelDeploymentSpec) -> list[str]:
    sections = {"spec": recorded_sections(spec)}
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=NEVER_FOLDED).splitlines()


def _operations(before: Json, after: Json, path: str) -> Iterator[Json]:
    """Change only what differs, so that other fields keep their managers."""
    for key in (*before, *(key for key in after if key not in before)):
        at = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in after:
            yield {"op": "remove", "path": at}
        elif key not in before:
            yield {"op": "add", "path": at, "value": after[key]}
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            yield from _operations(before[key], after[key], at)
        elif before[key] != after[key]:
            yield {"op": "replace", "path": at, "value": after[key]}
