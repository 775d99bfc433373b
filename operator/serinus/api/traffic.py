"""Where requests come in. Live: a change makes no revision and applies to both revisions, with the split as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import Duration, GatewayName, Host, RoutePrefix, RouteTimeout
from serinus.api.fallback import TrafficFallback
from serinus.api.gateway_api import GatewayApiTraffic
from serinus.api.retries import Retries
from serinus.api.rules import LIVE_DEFAULT, SET, rule, ruled
from serinus.api.session_affinity import SessionAffinity

Limit = Annotated[int, Field(ge=1, le=1_000_000)]


class RoutingApi(StrEnum):
    """What splits the traffic."""

    ISTIO = "istio"
    GATEWAY_API = "gatewayAPI"


_CHOSEN: Final = "has(self.provider) && self.provider == 'gatewayAPI'"
MOST_HOSTNAMES: Final = 16
_NEEDS_PARENTS: Final = rule(
    f"!({_CHOSEN}) || has(self.gatewayAPI)", "provider gatewayAPI needs gatewayAPI.parentRefs: name the Gateway"
)
_NOT_CHOSEN: Final = rule(
    f"({_CHOSEN}) || !has(self.gatewayAPI)", "gatewayAPI needs provider: gatewayAPI (the default is istio)"
)
_NOT_BOTH: Final = rule(
    f"!({_CHOSEN}) || !has(self.istio)", "istio does not apply to provider gatewayAPI: leave it out"
)
_TOO_MANY_HOSTS: Final = rule(
    f"!({_CHOSEN}) || !has(self.hosts) || size(self.hosts) <= {MOST_HOSTNAMES}",
    f"hosts has more than {MOST_HOSTNAMES}, which is the most that an HTTPRoute holds: use a wildcard such as "
    "*.example.com",
)
_NO_RETRIES: Final = rule(
    f"!({_CHOSEN}) || !has(self.retries)",
    "retries: an HTTPRoute has no retries: leave it out, or use provider istio",
)
_NO_LIMITS: Final = rule(
    f"!({_CHOSEN}) || !has(self.circuitBreaker)",
    "circuitBreaker: its limits are Istio's DestinationRule, which an HTTPRoute does not have: leave it out, or use "
    "provider istio",
)
_DELEGATE: Final = "has(self.istio) && has(self.istio.delegate) && self.istio.delegate"
_DELEGATE_BELOW: Final = rule(
    f"!({_DELEGATE}) || has(self.pathPrefix)",
    "istio.delegate needs pathPrefix: rules that are not below the root's own match are dropped in silence",
)
_DELEGATE_UNBOUND: Final = rule(
    f"!({_DELEGATE}) || (!has(self.hosts) || size(self.hosts) == 0)"
    " && (!has(self.istio.gateways) || size(self.istio.gateways) == 0)",
    "istio.delegate has the hosts and gateways of the VirtualService that delegates to it: leave out hosts and "
    "istio.gateways",
)


class ConnectionPool(ApiModel):
    """Connection limits for one revision, as in Istio's DestinationRule."""

    max_connections: Limit | None = None
    """Maximum number of TCP connections."""
    http1_max_pending_requests: Limit | None = None
    """Maximum number of requests waiting for a connection."""
    http2_max_requests: Limit | None = None
    """Maximum number of concurrent requests."""
    max_requests_per_connection: Limit | None = None
    """Maximum number of requests per connection; 1 turns keep-alive off."""


class OutlierDetection(ApiModel):
    """Ejection of failing pods, as in Istio's DestinationRule. Off by default: it could eject a lone canary pod."""

    consecutive_5xx_errors: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, alias="consecutive5xxErrors"
    )
    """Consecutive 5xx answers before a pod is ejected."""
    interval: Duration | None = None
    """Time between two checks."""
    base_ejection_time: Duration | None = None
    """How long a pod is ejected, multiplied by the number of its ejections."""
    max_ejection_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Largest percentage of pods that may be ejected."""


class CircuitBreaker(ApiModel):
    """Limits on what a model that answers nothing may hold in the gateway. Written as {}: there is nothing to set, and
    istio.connectionPool overrides its values. No pod is ejected."""


class IstioTraffic(ApiModel):
    """Istio settings."""

    gateways: Annotated[tuple[GatewayName, ...], Field(max_length=16), SET] | None = None
    """Istio Gateways, as name or namespace/name; those of other namespaces must be granted in the operator's
    configuration. The mesh has a route of its own, for the Service's name only."""
    delegate: bool | None = None
    """Render a VirtualService without hosts and gateways, for a VirtualService of your own to delegate to; it needs
    pathPrefix. Default false."""
    connection_pool: ConnectionPool | None = None
    """Connection limits for each revision; they override those of circuitBreaker."""
    outlier_detection: OutlierDetection | None = None
    """Ejection of failing pods; off unless set."""


class Traffic(ApiModel):
    """Where requests come in."""

    model_config = ruled(
        _NEEDS_PARENTS,
        _NOT_CHOSEN,
        _NOT_BOTH,
        _TOO_MANY_HOSTS,
        _NO_RETRIES,
        _NO_LIMITS,
        _DELEGATE_BELOW,
        _DELEGATE_UNBOUND,
    )

    provider: RoutingApi | None = None
    """What splits the traffic: VirtualServices (istio, the default) or an HTTPRoute (gatewayAPI)."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=32), SET, LIVE_DEFAULT] = ()
    """DNS names that clients use, without scheme or port, on the gateways below. Callers in the mesh use the Service's
    own name."""
    path_prefix: RoutePrefix | None = None
    """A path such as /fraud below which the hosts have this model, so that several models share a host; the server gets
    the path without it. HTTP only: gRPC needs a host of its own. Callers in the mesh use no prefix."""
    all_paths: bool | None = None
    """Route every path of the server, including its administration. Default false: inference, metadata, statistics and
    health only."""
    timeout: RouteTimeout | None = None
    """How long a request may take, the last message of a stream included; then the gateway answers 504. Default: no
    limit."""
    retries: Retries | None = None
    """Retries of the gateway; default none. Istio only."""
    revision_header: bool | None = None
    """Name the revision that answered in the header x-serinus-revision of each answer. Default true."""
    session_affinity: SessionAffinity | None = None
    """Keep a user with the revision that answered first, by a cookie, while requests are split; off unless set. A
    revert, an abort and the end of a rollout go before it."""
    circuit_breaker: CircuitBreaker | None = None
    """Write {} to limit the connections and waiting requests of each revision. Istio only; off unless set."""
    fallback: TrafficFallback | None = None
    """Which ModelDeployment answers while no pod that should serve is ready; off unless set."""
    istio: IstioTraffic | None = None
    """Istio settings."""
    gateway_api: GatewayApiTraffic | None = Field(default=None, alias="gatewayAPI")
    """Settings of the Kubernetes Gateway API."""

    @property
    def api(self) -> RoutingApi:
        """What splits the traffic."""
        return self.provider or RoutingApi.ISTIO

    @property
    def is_delegate(self) -> bool:
        """Whether a VirtualService of the user's own binds the route."""
        return bool(self.istio and self.istio.delegate)

    @model_validator(mode="after")
    def _fits_its_api(self) -> Self:
        chosen = self.api is RoutingApi.GATEWAY_API
        broken = (
            (_NEEDS_PARENTS, chosen and self.gateway_api is None),
            (_NOT_CHOSEN, not chosen and self.gateway_api is not None),
            (_NOT_BOTH, chosen and self.istio is not None),
            (_TOO_MANY_HOSTS, chosen and len(self.hosts) > MOST_HOSTNAMES),
            (_NO_RETRIES, chosen and self.retries is not None),
            (_NO_LIMITS, chosen and self.circuit_breaker is not None),
            (_DELEGATE_BELOW, self.is_delegate and self.path_prefix is None),
            (_DELEGATE_UNBOUND, self.is_delegate and bool(self.hosts or (self.istio and self.istio.gateways))),
        )
        mistake = next((each["message"] for each, holds in broken if holds), None)
        if mistake is not None:
            raise ValueError(mistake)
        return self
