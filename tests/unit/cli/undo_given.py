"""Clusters with a history: ControllerRevisions as the operator records them, with marks of success."""

from __future__ import annotations

import json
from typing import Any

from serinus.api.parsing import parse_spec
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.revision import revision_hash, wish_digest
from serinus.core.model.timestamps import from_rfc3339, to_rfc3339, to_rfc3339_seconds
from serinus.core.plan.revisions import (
    SUCCEEDED_ANNOTATION,
    content_digest,
    render_controller_revision,
    revision_name,
    wish_marks,
)
from tests.unit.cli.given import FakeCluster, deployment, rollout, say

OWNER = Owner("ml", "fraud", "u-1")
FIRST = from_rfc3339("2025-12-01T00:00:00Z")
DAY = 86400.0


def spec_of(version: str, **model: Any) -> Json:
    """What a version is: its model and its runtime."""
    return {
        "model": {"version": version, "storageUri": f"pvc://models/fraud/{version.replace(' ', '-')}", **model},
        "runtime": {"image": "triton:1", "resources": {"requests": {"cpu": "1"}}},
    }


def name_of(spec: Json, files: Json | None = None) -> str:
    """The name of the revision of a spec, and of the files that it had."""
    return revision_name("fraud", _hash_of(spec, files))


def _hash_of(spec: Json, files: Json | None) -> str:
    return revision_hash(parse_spec(spec), content_digest(files["data"], {}) if files else None)


def recorded(spec: Json, number: int, *, succeeded: bool = True, files: Json | None = None) -> Json:
    """A live ControllerRevision, a day younger than the one before it."""
    parsed, at = parse_spec(spec), FIRST + number * DAY
    manifest = render_controller_revision(
        OWNER,
        name=name_of(spec, files),
        number=number,
        spec=parsed,
        model="fraud",
        template={},
        hashed=_hash_of(spec, files),
        config_map=None,
        files=files,
    )
    marks = wish_marks(wish_digest(parsed), at=at, until=None)
    manifest["metadata"]["annotations"] |= {key: value for key, value in marks.items() if value is not None}
    if succeeded:
        manifest["metadata"]["annotations"][SUCCEEDED_ANNOTATION] = to_rfc3339(at + 600)
    manifest["metadata"] |= {"uid": f"u-{number}", "creationTimestamp": to_rfc3339_seconds(at)}
    return manifest


def wanting(spec: Json, *kept: Json, rollouts: tuple[Json, ...] = (), **fields: Any) -> FakeCluster:
    """A cluster whose ModelDeployment asks for a spec, and keeps these revisions."""
    manifest = deployment(**fields.pop("status", {}))
    manifest["spec"] = {**spec, **fields}
    return FakeCluster([manifest], list(rollouts), revisions=list(kept))


def served(*versions: str, **fields: Any) -> FakeCluster:
    """A cluster in which versions served one after the other, and the last one does."""
    kept = [recorded(spec_of(version), number) for number, version in enumerate(versions, 1)]
    return wanting(spec_of(versions[-1]), *kept, **fields)


def trying(before: str, after: str, **status: Any) -> FakeCluster:
    """A cluster in which a rollout from one version to another stands where its status says."""
    first, second = spec_of(before), spec_of(after)
    tried = rollout(name=f"{name_of(second)}-1", **status)
    tried["spec"]["from"] = {"revision": name_of(first), "version": before}
    tried["spec"]["to"] = {"revision": name_of(second), "version": after}
    kept = (recorded(first, 1), recorded(second, 2, succeeded=False))
    return wanting(second, *kept, rollouts=(tried,))


def undone(fake: FakeCluster, *words: str) -> Json:
    """What is said of an undo, as JSON."""
    answer = say(fake, "undo", "fraud", *words, "--json")
    assert answer.exit_code == 0, answer.stderr
    told: Json = json.loads(answer.stdout)
    return told


def spec_in(fake: FakeCluster) -> Json:
    return dict(fake.deployments[0]["spec"])
