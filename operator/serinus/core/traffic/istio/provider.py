"""Istio's API as a TrafficProvider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.traffic import IstioTraffic, RoutingApi, Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import DESTINATION_RULE, ISTIO_GATEWAY, VIRTUAL_SERVICE, Json, Kind
from serinus.core.model.names import MESH, normal_gateway
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle, Unreached
from serinus.core.model.split import Split
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.hosts import ForeignRoute, OurRoute, route_hosts
from serinus.core.traffic.istio.claims import read_foreign_route, read_listeners
from serinus.core.traffic.istio.policies import render_destination_rule
from serinus.core.traffic.istio.routes import (
    MESH_CONFIG,
    MeshConfig,
    read_split,
    render_virtual_services,
    resplit,
    route_gateways,
    route_name,
)
from serinus.core.traffic.istio.settings import read_settings
from serinus.core.traffic.listeners import Listeners, Terms
from serinus.core.traffic.provider import GRPC_NOT_ROUTED, RoutePlan
from serinus.core.traffic.settings import RuleSettings

TERMS: Final = Terms("Istio Gateway", "server", "spec.traffic.istio.gateways")


@dataclass(frozen=True)
class Istio:
    """Istio, with or without routes for callers in the mesh."""

    mesh: bool
    config: MeshConfig = MESH_CONFIG

    api: RoutingApi = RoutingApi.ISTIO
    route: Kind = VIRTUAL_SERVICE
    gateway: Kind = ISTIO_GATEWAY
    policies: tuple[Kind, ...] = (DESTINATION_RULE,)
    terms: Terms = TERMS
    longest_path_wins: bool = False
    grpc_protocol: str = "grpc"

    @property
    def serves_unbound(self) -> bool:
        """Callers in the mesh find it by its Service."""
        return self.mesh

    def caution(self, traffic: Traffic | None, interface: Interface = OPEN_INFERENCE) -> Obstacle | None:
        return GRPC_NOT_ROUTED if traffic and traffic.path_prefix and interface.grpc else None

    def route_names(self, name: str) -> tuple[str, ...]:
        return route_name(name, mesh=False), route_name(name, mesh=True)

    def render_routes(self, plan: RoutePlan, live: Mapping[str, Json]) -> tuple[Json, ...]:
        """Render them, that of the gateways first.

        One from before the mesh had a route of its own names the mesh until that route stands.
        """
        routes = render_virtual_services(
            plan.owner,
            traffic=plan.traffic,
            split=plan.split,
            mesh=self.mesh,
            config=self.config,
            interface=plan.interface,
        )
        old = live.get(route_name(plan.owner.name, mesh=False))
        names_the_mesh = old is not None and MESH in (old["spec"].get("gateways") or ())
        return tuple(reversed(routes)) if names_the_mesh else routes

    def resplit(self, owner: Owner, route: Json, split: Split) -> Json:
        return resplit(owner, route, split, self.config)

    def render_policies(self, owner: Owner, revision: Revision, traffic: Traffic | None) -> tuple[Json, ...]:
        return (render_destination_rule(owner, revision, traffic, self.config),)

    def read(self, route: Json) -> Split | None:
        return read_split(route)

    def refusal(self, route: Json) -> Unreached | None:
        """Nobody says: istiod writes no status."""
        return None

    def is_carried_out(self, route: Json) -> bool:
        return True

    def claims(
        self, owner: Owner, traffic: Traffic | None, live: Mapping[str, Json], interface: Interface = OPEN_INFERENCE
    ) -> tuple[OurRoute, ...]:
        both = (False, True) if self.mesh else (False,)
        return tuple(self._claim(owner, traffic, live, interface, mesh=mesh) for mesh in both)

    def _claim(
        self, owner: Owner, traffic: Traffic | None, live: Mapping[str, Json], interface: Interface, *, mesh: bool
    ) -> OurRoute:
        name, key = route_name(owner.name, mesh=mesh), Key(owner.namespace, route_name(owner.name, mesh=mesh))
        there = live.get(name)
        created = from_rfc3339(there["metadata"]["creationTimestamp"]) if there else None
        if traffic and traffic.is_delegate and not mesh:
            return OurRoute(key, (), (), created, self.config.domain)
        settings = RuleSettings.of(None if mesh else traffic, interface)
        return OurRoute(
            key=key,
            hosts=route_hosts(owner, None if mesh else traffic, self.config.domain),
            gateways=(MESH,) if mesh else route_gateways(traffic),
            created=created,
            domain=self.config.domain,
            paths=settings.claims,
            prefix=settings.prefix,
        )

    def read_claims(self, route: Json) -> ForeignRoute:
        return read_foreign_route(route, self.config.domain)

    def read_settings(self, route: Json) -> RuleSettings:
        return read_settings(route["spec"].get("http") or ())

    def read_listeners(self, gateway: Json) -> Listeners:
        return read_listeners(gateway)

    def named_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        return (traffic.istio.gateways if traffic and traffic.istio else None) or ()

    def bound_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        return route_gateways(traffic)

    def kept(self, traffic: Traffic, hosts: Sequence[str], route: Json) -> Traffic:
        return self.bind(traffic, hosts, tuple(route["spec"].get("gateways") or ()))

    def bind(self, traffic: Traffic, hosts: Sequence[str], gateways: Sequence[str]) -> Traffic:
        istio = (traffic.istio or IstioTraffic()).model_copy(update={"gateways": tuple(gateways)})
        return traffic.model_copy(update={"hosts": tuple(hosts), "istio": istio})

    def refusal_of(self, gateway: str, namespace: str) -> str:
        if gateway == MESH:
            return "gateway mesh is off here (meshGateway: false): name a Gateway"
        return (
            f"namespace {namespace} may not use Gateway {normal_gateway(gateway, namespace)}: use one of its own, or "
            f"ask your administrator to grant it (tenants)"
        )
