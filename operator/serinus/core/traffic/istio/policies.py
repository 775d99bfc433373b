"""A revision's traffic policy as a DestinationRule."""

from __future__ import annotations

from typing import Any, Final

from serinus.api.traffic import ConnectionPool, OutlierDetection, Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import DESTINATION_RULE, Json
from serinus.core.model.names import service_fqdn
from serinus.core.model.revision import Revision
from serinus.core.traffic.istio.routes import MESH_CONFIG, MeshConfig

SAFE_LIMITS: Final = ConnectionPool(max_connections=256, http2_max_requests=256, http1_max_pending_requests=128)
"""What circuitBreaker stands for, per gateway pod, revision and protocol; Istio's own limits are 2^32 - 1.

A connection of HTTP/1.1 carries one request at a time, so there are as many as requests; HTTP/2 needs one a pod. 256 at
a time are 2,560 requests a second at 100 ms, or 128 at 2 s. What waits, waits for a connection: 128 are a burst onto
cold ones, and a longer queue would only hold up callers of a model that does not answer. Envoy may buffer 1 MiB for
each: with 384 of both protocols full, a hanging revision holds 768 MiB, within the 1 GiB of Istio's gateway chart.
Envoy's own default, 1024 of each, would not fit.

Nothing is ejected: a lone canary pod would be gone for being judged, and connections are all that has to be saved.
"""


def render_destination_rule(
    owner: Owner, revision: Revision, traffic: Traffic | None, config: MeshConfig = MESH_CONFIG
) -> Json:
    """Render the traffic policy of a revision's Service; limits and ejection only when asked."""
    istio = traffic.istio if traffic else None
    wishes = {
        "connectionPool": _connection_pool(_limits(traffic)),
        "outlierDetection": _outlier_detection(istio.outlier_detection) if istio and istio.outlier_detection else {},
    }
    policy = {"loadBalancer": {"simple": "LEAST_REQUEST"}, **{name: wish for name, wish in wishes.items() if wish}}
    return {
        "apiVersion": DESTINATION_RULE.api_version,
        "kind": DESTINATION_RULE.name,
        "metadata": owner.metadata(revision.name, revision.hash),
        "spec": {"host": service_fqdn(owner.namespace, revision.name, config.domain), "trafficPolicy": policy},
    }


def _limits(traffic: Traffic | None) -> ConnectionPool:
    """Lay the limits that the user gives over those of the circuit breaker, where there is one."""
    given = (traffic.istio.connection_pool if traffic and traffic.istio else None) or ConnectionPool()
    if traffic is None or traffic.circuit_breaker is None:
        return given
    return SAFE_LIMITS.model_copy(update=given.model_dump(exclude_none=True))


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
