"""A revision: the immutable snapshot of everything that makes the pods what they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from serinus.api.canonical import digest
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.served_model import Probe
from serinus.core.model.artifact import Artifact
from serinus.core.model.kinds import Json

HTTP_PORT: Final = 8000
GRPC_PORT: Final = 8001
METRICS_PORT: Final = 8002

HASH_SCHEME = 1
"""Stands in front of what is hashed: a change of the canonical form must not look like a change of the model."""

UNHASHED = frozenset({"credentials", "lineage"})
"""The fields of a model that make it no other model."""


@dataclass(frozen=True)
class Revision:
    """One ControllerRevision. Its name is also that of its Deployment, Service and DestinationRule."""

    name: str
    hash: str
    number: int
    version: str
    model: str
    template: Json
    probe: Probe | None = None
    succeeded_at: float | None = None
    created_at: float = 0.0
    uid: str = ""
    config_map: str | None = None
    wish: str | None = None
    wished_at: float | None = None
    files_until: float | None = None
    """The wish that it answers, since when it does, and until when a changed ConfigMap puts another in its place."""
    artifact: Artifact | None = None
    """What its first pod fetched, which every later one must get; None before that, and where nothing is fetched."""

    @property
    def succeeded(self) -> bool:
        """Whether it carries the success mark: it was stable once."""
        return self.succeeded_at is not None


def named_only(revision: Revision) -> Revision:
    """Leave out what is large, for whoever only has to know which one it was."""
    return replace(revision, template={}, probe=None, artifact=None)


def revision_hash(spec: ModelDeploymentSpec, content_digest: str | None = None) -> str:
    """Hash the user-set fields of model and runtime to ten hex digits; `content_digest` is that of a ConfigMap."""
    return digest({**_canonical(spec), "content": content_digest})


def wish_digest(spec: ModelDeploymentSpec) -> str:
    """Digest what a spec says of model and runtime; a ConfigMap that it names is no part of it."""
    return digest(_canonical(spec))


def _canonical(spec: ModelDeploymentSpec) -> dict[str, Any]:
    model = {key: value for key, value in spec.model.manifest().items() if key not in UNHASHED}
    return {"scheme": HASH_SCHEME, "model": model, "runtime": spec.runtime.manifest()}
