"""What a model registry is told of its versions, and what of a fetched model it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from serinus.core.model.artifact import Artifact

_VERSION: Final = re.compile(r"^mlflow://models/(?P<name>[^/@]+)/(?P<version>[0-9]+)$")


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model, by the names of MLflow's registry."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"version {self.version} of {self.model}"


class Mark(StrEnum):
    """What became of a version: it serves, did serve, or was rolled back."""

    SERVING = "serving"
    SERVED = "served"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Marking:
    """A version and its mark: `rollout` is the Rollout that decided (namespace/name), `why` its reason and numbers."""

    version: RegisteredVersion
    mark: Mark
    rollout: str
    why: str


def registered_version(artifact: Artifact | None) -> RegisteredVersion | None:
    """Tell which registered version was fetched; None for what comes from elsewhere, or of a run alone."""
    match = _VERSION.match(artifact.resolved) if artifact is not None else None
    return RegisteredVersion(unquote(match["name"]), match["version"]) if match is not None else None
