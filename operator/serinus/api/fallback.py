"""The fallback: another ModelDeployment that answers while no pod of this one can."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.base import ApiModel


class TrafficFallback(ApiModel):
    """Who answers while no pod that should serve is ready."""

    name: Annotated[str, Field(pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=45)]
    """Another ModelDeployment of the namespace that serves the same model.name. Its stable version answers."""
