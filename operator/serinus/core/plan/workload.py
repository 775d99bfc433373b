"""What runs, guards and names a revision: Deployment, PodDisruptionBudget and Service; and the root Service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from serinus.core.model.identity import APP_LABEL, MODEL_DEPLOYMENT_LABEL, REVISION_LABEL, Owner
from serinus.core.model.kinds import DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, Json
from serinus.core.model.revision import Revision
from serinus.core.serving.runtime import THREE_PORTS, Port
from serinus.core.serving.runtimes import runtime_in

GRPC: Final = "grpc"
"""The `appProtocol` of a port for gRPC where the routing API has no other word."""


def render_deployment(owner: Owner, revision: Revision, replicas: int | None) -> Json:
    """Render a revision's Deployment; `replicas` is left out where an autoscaler owns them.

    Its own history is off: the ControllerRevisions are the history, and a template is never changed in place.
    """
    spec: Json = {
        "selector": {"matchLabels": _selector(owner, revision.hash)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "revisionHistoryLimit": 0,
        "template": revision.template,
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.name,
        "metadata": _metadata(owner, revision),
        "spec": spec,
    }


def render_disruption_budget(owner: Owner, revision: Revision) -> Json:
    """Render what lets a node be drained of a revision's pods one by one: the next goes when the last is replaced.

    A pod that answers nobody may go at any time: by default those of a crashing version would hold a node for ever.
    """
    spec: Json = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": _selector(owner, revision.hash)},
    }
    return {
        "apiVersion": POD_DISRUPTION_BUDGET.api_version,
        "kind": POD_DISRUPTION_BUDGET.name,
        "metadata": _metadata(owner, revision),
        "spec": spec,
    }


def render_service(owner: Owner, revision: Revision, grpc_protocol: str = GRPC) -> Json:
    """Render a revision's Service: what routes point at and what metrics are asked by."""
    ports = runtime_in(revision.template).ports
    return _service(_metadata(owner, revision), _selector(owner, revision.hash), grpc_protocol, ports)


def render_root_service(
    owner: Owner, revision_hash: str, grpc_protocol: str = GRPC, ports: Sequence[Port] = THREE_PORTS
) -> Json:
    """Render the Service that carries the ModelDeployment's name: stable's pods, for callers outside the mesh."""
    return _service(owner.metadata(owner.name), _selector(owner, revision_hash), grpc_protocol, ports)


def _metadata(owner: Owner, revision: Revision) -> Json:
    """Render the metadata of what runs one revision, called by its server."""
    metadata = owner.metadata(revision.name, revision.hash)
    named = {APP_LABEL: runtime_in(revision.template).type.value}
    return {**metadata, "labels": {**metadata["labels"], **named}}


def _service(metadata: Json, selector: dict[str, str], grpc_protocol: str, ports: Sequence[Port]) -> Json:
    protocols = {"grpc": grpc_protocol}
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [
                {
                    "name": port.name,
                    "appProtocol": protocols.get(port.name, "http"),
                    "port": port.number,
                    "targetPort": port.name,
                    "protocol": "TCP",
                }
                for port in ports
            ],
        },
    }


def _selector(owner: Owner, revision_hash: str) -> dict[str, str]:
    return {MODEL_DEPLOYMENT_LABEL: owner.name, REVISION_LABEL: revision_hash}
