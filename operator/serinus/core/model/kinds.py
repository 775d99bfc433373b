"""The kinds of the Kubernetes API that we read or write, and how they are addressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from serinus.api import API_VERSION

Json: TypeAlias = dict[str, Any]
"""A manifest: between render and the wire, or between the wire and parse; nowhere else."""


@dataclass(frozen=True)
class Kind:
    """A kind and its place in the API's URLs."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True


MODEL_DEPLOYMENT = Kind(API_VERSION, "ModelDeployment", "modeldeployments")
ROLLOUT = Kind(API_VERSION, "Rollout", "rollouts")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
POD = Kind("v1", "Pod", "pods")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
VIRTUAL_SERVICE = Kind("networking.istio.io/v1", "VirtualService", "virtualservices")
DESTINATION_RULE = Kind("networking.istio.io/v1", "DestinationRule", "destinationrules")
ISTIO_GATEWAY = Kind("networking.istio.io/v1", "Gateway", "gateways")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")

KINDS = {
    (kind.api_version, kind.name): kind
    for kind in (
        MODEL_DEPLOYMENT,
        ROLLOUT,
        CONTROLLER_REVISION,
        DEPLOYMENT,
        SERVICE,
        CONFIG_MAP,
        POD,
        POD_DISRUPTION_BUDGET,
        EVENT,
        LEASE,
        VIRTUAL_SERVICE,
        DESTINATION_RULE,
        ISTIO_GATEWAY,
        HTTP_ROUTE,
        GATEWAY,
        HORIZONTAL_POD_AUTOSCALER,
        SCALED_OBJECT,
    )
}


def kind_of(manifest: Json) -> Kind:
    """Find the kind of a manifest; raises KeyError for one that we do not handle."""
    return KINDS[manifest["apiVersion"], manifest["kind"]]
