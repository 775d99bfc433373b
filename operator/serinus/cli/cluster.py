"""The cluster as the commands see it: reads, and two patches.

A Protocol, so that the commands run against a double in tests; `connection.py` holds the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json


class UserCluster(Protocol):
    """Every method raises Refused, with a sentence to print."""

    @property
    def namespace(self) -> str:
        """The namespace that was asked for, or the context's own."""

    def names(self, namespace: str | None) -> list[Key]:
        """Name the ModelDeployments of a namespace, or of all of them."""

    def model_deployments(self, namespace: str | None) -> list[Json]:
        """List the ModelDeployments of a namespace, or of all of them."""

    def model_deployment(self, name: str) -> Json | None:
        """Read a ModelDeployment of our namespace; None when there is none."""

    def rollouts(self, name: str) -> list[Json]:
        """List the Rollouts of a ModelDeployment of our namespace."""

    def controller_revisions(self, name: str) -> list[Json]:
        """List the ControllerRevisions that carry the label of a ModelDeployment of our namespace."""

    def patch_rollout(self, name: str, patch: Json) -> Json:
        """Merge-patch a Rollout of our namespace."""

    def patch_model_deployment(self, name: str, operations: list[Json]) -> Json:
        """JSON-patch the spec of a ModelDeployment of our namespace; refused where a `test` among them fails."""


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace to use; None means what the kubeconfig says."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def flags(self) -> str:
        """Write the flags that lead to the same place again."""
        given = (("-n", self.namespace), ("--context", self.context), ("--kubeconfig", self.kubeconfig))
        return "".join(f" {flag} {value}" for flag, value in given if value)


Connect = Callable[[Target], UserCluster]
