"""Istio: a split as a VirtualService, and back; the traffic policy of a revision as a DestinationRule.

Both revisions stand in the route from the moment both exist, at weight 0 too: a gateway that is configured to know only
the clusters that its routes name (PILOT_FILTER_GATEWAY_CLUSTER_CONFIG) then knows the canary's before its first weight.
Envoy itself gets no entry of weight 0.
"""

from __future__ import annotations

from typing import Any

from serinus.api.model_deployment import ConnectionPool, OutlierDetection, Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import DESTINATION_RULE, VIRTUAL_SERVICE, Json
from serinus.core.model.revision import Revision
from serinus.core.model.split import Split

MESH = "mesh"
HTTP_PORT, GRPC_PORT = 8000, 8001
GRPC_PREFIXES = ("/inference.GRPCInferenceService/", "/grpc.health.v1.Health/")

_DOMAIN = "svc.cluster.local"


def service_fqdn(namespace: str, name: str) -> str:
    """Name a Service in full: a short name means another Service when the route is read in another namespace."""
    return f"{name}.{namespace}.{_DOMAIN}"


def route_hosts(owner: Owner, traffic: Traffic | None) -> tuple[str, ...]:
    """List the hosts of the route: the user's, and the root Service's for callers in the mesh."""
    hosts = traffic.hosts if traffic else ()
    return tuple(dict.fromkeys((*hosts, service_fqdn(owner.namespace, owner.name))))


def route_gateways(traffic: Traffic | None, *, mesh: bool) -> tuple[str, ...]:
    """List the gateways of the route: the user's, and the mesh. Empty when the route would be attached to nothing."""
    gateways = (traffic.istio.gateways if traffic and traffic.istio else None) or ()
    return tuple(dict.fromkeys((*gateways, MESH) if mesh else gateways))


def render_virtual_service(owner: Owner, *, traffic: Traffic | None, split: Split, mesh: bool) -> Json:
    """Render the route of a ModelDeployment; raises ValueError when it has no gateway (Istio would take the mesh)."""
    gateways = route_gateways(traffic, mesh=mesh)
    if not gateways:
        raise ValueError("a route needs a gateway: Istio reads none as the mesh")
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.name,
        "metadata": owner.metadata(owner.name),
        "spec": {
            "hosts": list(route_hosts(owner, traffic)),
            "gateways": list(gateways),
            "http": _rules(owner.namespace, split),
        },
    }


def read_split(manifest: Json) -> Split | None:
    """Read the split that a VirtualService carries; None when its rules are not what we render for any split."""
    try:
        namespace = manifest["metadata"]["namespace"]
        rules = manifest["spec"]["http"]
        split = Split(tuple(_weight(entry, namespace) for entry in rules[0]["route"]))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return split if rules == _rules(namespace, split) else None


def render_destination_rule(owner: Owner, revision: Revision, traffic: Traffic | None) -> Json:
    """Render the traffic policy of a revision's Service; limits and ejection only when asked."""
    istio = traffic.istio if traffic else None
    wishes = {
        "connectionPool": _connection_pool(istio.connection_pool) if istio and istio.connection_pool else {},
        "outlierDetection": _outlier_detection(istio.outlier_detection) if istio and istio.outlier_detection else {},
    }
    policy = {"loadBalancer": {"simple": "LEAST_REQUEST"}, **{name: wish for name, wish in wishes.items() if wish}}
    return {
        "apiVersion": DESTINATION_RULE.api_version,
        "kind": DESTINATION_RULE.name,
        "metadata": owner.metadata(revision.name, revision.hash),
        "spec": {"host": service_fqdn(owner.namespace, revision.name), "trafficPolicy": policy},
    }


def _rules(namespace: str, split: Split) -> list[Json]:
    """Render a rule for gRPC, known by its paths, and one for the rest.

    Retries are off: a retry that succeeds on stable hides a bad canary from its own counters. No timeout: Istio's
    default is none, and how long an inference may take is the caller's business.
    """
    grpc = [{"uri": {"prefix": prefix}} for prefix in GRPC_PREFIXES]
    return [
        {
            "name": "grpc",
            "match": grpc,
            "route": _destinations(namespace, split, GRPC_PORT),
            "retries": {"attempts": 0},
        },
        {"name": "http", "route": _destinations(namespace, split, HTTP_PORT), "retries": {"attempts": 0}},
    ]


def _destinations(namespace: str, split: Split, port: int) -> list[Json]:
    return [
        {"destination": {"host": service_fqdn(namespace, name), "port": {"number": port}}, "weight": weight}
        for name, weight in split.weights
    ]


def _weight(entry: Json, namespace: str) -> tuple[str, int]:
    suffix = f".{namespace}.{_DOMAIN}"
    host: str = entry["destination"]["host"]
    if not host.endswith(suffix):
        raise ValueError(f"{host} is no Service of {namespace}")
    return host.removesuffix(suffix), entry["weight"]


def _connection_pool(pool: ConnectionPool) -> Json:
    http = {
        "http1MaxPendingRequests": pool.http1_max_pending_requests,
        "http2MaxRequests": pool.http2_max_requests,
        "maxRequestsPerConnection": pool.max_requests_per_connection,
    }
    parts = {"tcp": _given({"maxConnections": pool.max_connections}), "http": _given(http)}
    return {name: part for name, part in parts.items() if part}


def _outlier_detection(detection: OutlierDetection) -> Json:
    return _given(
        {
            "consecutive5xxErrors": detection.consecutive_5xx_errors,
            "interval": detection.interval,
            "baseEjectionTime": detection.base_ejection_time,
            "maxEjectionPercent": detection.max_ejection_percent,
        }
    )


def _given(fields: dict[str, Any]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
