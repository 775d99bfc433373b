"""The Kubernetes Gateway API as a TrafficProvider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.gateway_api import GatewayApiTraffic, ParentRef
from serinus.api.traffic import RoutingApi, Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import GATEWAY, HTTP_ROUTE, Json, Kind
from serinus.core.model.names import CLUSTER_DOMAIN, normal_gateway
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle, Unreached
from serinus.core.model.split import Split
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.gateway_api.claims import is_accepted, read_foreign_route, read_listeners, route_refusal, tie
from serinus.core.traffic.gateway_api.routes import parent_refs, read_split, render_http_route, resplit
from serinus.core.traffic.gateway_api.settings import read_settings
from serinus.core.traffic.hosts import ForeignRoute, OurRoute, listener_of, route_hosts
from serinus.core.traffic.listeners import Listeners, Terms
from serinus.core.traffic.provider import GRPC_NOT_ROUTED, RoutePlan
from serinus.core.traffic.settings import RuleSettings

GATEWAY_API_TERMS: Final = Terms("Gateway API Gateway", "listener", "spec.traffic.gatewayAPI.parentRefs")
RETRIES: Final = Obstacle(
    "RetriesNotControlled",
    "an HTTPRoute cannot turn retries off: what a gateway tries again, the metrics do not count as failed (with Istio, "
    "set meshConfig.defaultHttpRetryPolicy.attempts to 0)",
)


@dataclass(frozen=True)
class GatewayApi:
    """The Gateway API, whichever controller carries it out. Callers in the mesh have the root Service alone."""

    domain: str = CLUSTER_DOMAIN

    api: RoutingApi = RoutingApi.GATEWAY_API
    route: Kind = HTTP_ROUTE
    gateway: Kind = GATEWAY
    policies: tuple[Kind, ...] = ()
    terms: Terms = GATEWAY_API_TERMS
    longest_path_wins: bool = True
    grpc_protocol: str = "kubernetes.io/h2c"
    serves_unbound: bool = False

    def caution(self, traffic: Traffic | None, interface: Interface = OPEN_INFERENCE) -> Obstacle | None:
        if not traffic or not traffic.path_prefix:
            return RETRIES
        first = GRPC_NOT_ROUTED if interface.grpc else None
        loose = "" if traffic.all_paths else interface.loose_below
        told = filter(None, (first.message if first else "", loose, RETRIES.message))
        return Obstacle((first or RETRIES).reason, "; ".join(told))

    def route_names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def render_routes(self, plan: RoutePlan, live: Mapping[str, Json]) -> tuple[Json, ...]:
        """Render the one route; none where no gateway may have it."""
        if not parent_refs(plan.traffic):
            return ()
        route = render_http_route(
            plan.owner, traffic=plan.traffic, split=plan.split, domain=self.domain, interface=plan.interface
        )
        return (route,)

    def resplit(self, owner: Owner, route: Json, split: Split) -> Json:
        return resplit(owner, route, split)

    def render_policies(self, owner: Owner, revision: Revision, traffic: Traffic | None) -> tuple[Json, ...]:
        return ()

    def read(self, route: Json) -> Split | None:
        return read_split(route)

    def refusal(self, route: Json) -> Unreached | None:
        return route_refusal(route)

    def is_carried_out(self, route: Json) -> bool:
        return is_accepted(route)

    def claims(
        self, owner: Owner, traffic: Traffic | None, live: Mapping[str, Json], interface: Interface = OPEN_INFERENCE
    ) -> tuple[OurRoute, ...]:
        there, settings = live.get(owner.name), RuleSettings.of(traffic, interface)
        return (
            OurRoute(
                key=Key(owner.namespace, owner.name),
                hosts=route_hosts(owner, traffic, self.domain),
                gateways=tuple(_qualified(parent, owner.namespace) for parent in parent_refs(traffic)),
                created=from_rfc3339(there["metadata"]["creationTimestamp"]) if there else None,
                domain=self.domain,
                tie=tie,
                listeners=frozenset(
                    listener_of(_qualified(parent, owner.namespace), parent.section_name)
                    for parent in parent_refs(traffic)
                ),
                paths=settings.claims,
                prefix=settings.prefix,
                wins_below=settings.prefix,
            ),
        )

    def read_claims(self, route: Json) -> ForeignRoute:
        return read_foreign_route(route, self.domain)

    def read_settings(self, route: Json) -> RuleSettings:
        return read_settings(route["spec"].get("rules") or ())

    def read_listeners(self, gateway: Json) -> Listeners:
        return read_listeners(gateway)

    def named_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_named(parent) for parent in parent_refs(traffic)))

    def bound_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        return self.named_gateways(traffic)

    def kept(self, traffic: Traffic, hosts: Sequence[str], route: Json) -> Traffic:
        parents = tuple(ParentRef.parse(parent) for parent in route["spec"].get("parentRefs") or ())
        return _bound(traffic, hosts, parents)

    def bind(self, traffic: Traffic, hosts: Sequence[str], gateways: Sequence[str]) -> Traffic:
        return _bound(traffic, hosts, tuple(one for one in parent_refs(traffic) if _named(one) in gateways))

    def refusal_of(self, gateway: str, namespace: str) -> str:
        return (
            f"namespace {namespace} may not use Gateway {normal_gateway(gateway, namespace)}: use one of its own, or "
            f"ask your administrator to grant it (tenants)"
        )


def _named(parent: ParentRef) -> str:
    """Name a gateway with its namespace, `.` for the route's own: a name may have dots, or be `mesh`."""
    return f"{parent.namespace or '.'}/{parent.name}"


def _bound(traffic: Traffic, hosts: Sequence[str], parents: tuple[ParentRef, ...]) -> Traffic:
    section = GatewayApiTraffic.model_construct(parent_refs=parents)
    return traffic.model_copy(update={"hosts": tuple(hosts), "gateway_api": section})


def _qualified(parent: ParentRef, namespace: str) -> str:
    return f"{parent.namespace or namespace}/{parent.name}"
