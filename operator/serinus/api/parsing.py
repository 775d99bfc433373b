"""Parses what the API server stores into values: the only way in for our two kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from serinus.api.base import ApiModel
from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.problems import ApiError, Problem
from serinus.api.rollout import RolloutSpec, RolloutStatus

_Section = TypeVar("_Section", bound=ApiModel)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What we read of an object's metadata."""

    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str
    created_at: float
    deleting: bool


@dataclass(frozen=True, kw_only=True)
class ModelDeploymentView(Metadata):
    """A ModelDeployment as the user wrote it, without annotations; its status is only a summary."""

    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus

    @property
    def model_name(self) -> str:
        """The server's name of the model."""
        return self.spec.model.name or self.name


@dataclass(frozen=True, kw_only=True)
class RolloutView(Metadata):
    """A Rollout: its frozen plan, the levers, and the record."""

    spec: RolloutSpec
    status: RolloutStatus


def parse_model_deployment(raw: Mapping[str, Any]) -> ModelDeploymentView:
    """Read a ModelDeployment; raises ApiError."""
    metadata = _metadata(raw)
    return ModelDeploymentView(
        **vars(metadata),
        spec=_section(ModelDeploymentSpec, raw, "spec"),
        status=_section(ModelDeploymentStatus, raw, "status"),
    )


def parse_spec(raw: Mapping[str, Any]) -> ModelDeploymentSpec:
    """Read the spec of a ModelDeployment; raises ApiError."""
    return _section(ModelDeploymentSpec, {"spec": raw}, "spec")


def parse_rollout(raw: Mapping[str, Any]) -> RolloutView:
    """Read a Rollout; raises ApiError."""
    metadata = _metadata(raw)
    return RolloutView(
        **vars(metadata),
        spec=_section(RolloutSpec, raw, "spec"),
        status=_section(RolloutStatus, raw, "status"),
    )


def _metadata(raw: Mapping[str, Any]) -> Metadata:
    metadata = raw.get("metadata") or {}
    if not metadata.get("name"):
        raise ApiError([Problem("metadata.name", "is missing")])
    return Metadata(
        name=str(metadata["name"]),
        namespace=str(metadata.get("namespace") or "default"),
        uid=str(metadata.get("uid") or ""),
        generation=int(metadata.get("generation") or 0),
        resource_version=str(metadata.get("resourceVersion") or ""),
        created_at=unix_seconds(metadata.get("creationTimestamp")),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def unix_seconds(timestamp: str | None) -> float:
    """Read a timestamp of the API server (RFC 3339); 0 where there is none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def _section(model: type[_Section], raw: Mapping[str, Any], name: str) -> _Section:
    """Read spec or status; problems carry the section's name in front of the field."""
    try:
        return model.parse(raw.get(name) or {})
    except ValidationError as error:
        raise ApiError.of(error, within=name) from error
