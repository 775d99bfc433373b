"""A revision's traffic policy as a DestinationRule."""

from __future__ import annotations

from typing import Any

from serinus.api.traffic import ConnectionPool, OutlierDetection, Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import DESTINATION_RULE, Json
from serinus.core.model.names import service_fqdn
from serinus.core.model.revision import Revision
from serinus.core.traffic.istio.routes import MESH_CONFIG, MeshConfig


def render_destination_rule(
    owner: Owner, revision: Revision, traffic: Traffic | None, config: MeshConfig = MESH_CONFIG
) -> Json:
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
        "spec": {"host": service_fqdn(owner.namespace, revision.name, config.domain), "trafficPolicy": policy},
    }


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
