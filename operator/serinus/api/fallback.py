"""The fallback: another ModelDeployment that answers while no pod of this one can."""

from __future__ import annotations

from serinus.api.base import ApiModel
from serinus.api.constraints import DeploymentName


class TrafficFallback(ApiModel):
    """Who answers while no pod that should serve is ready."""

    name: DeploymentName
    """Another ModelDeployment of the namespace that serves the same model.name. Its stable version answers."""
