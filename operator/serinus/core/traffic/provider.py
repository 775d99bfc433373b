"""What every routing API must do for us, so that nobody else knows one: pure, manifests in and values out.

A route shows revisions to callers; a gateway is what it is bound to; a policy is what a revision's own Service needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from serinus.api.traffic import RoutingApi, Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json, Kind
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle, Unreached
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.hosts import ForeignRoute, OurRoute
from serinus.core.traffic.listeners import Listeners, Terms
from serinus.core.traffic.settings import RuleSettings

GRPC_NOT_ROUTED: Final = Obstacle(
    "GrpcNotRouted",
    "pathPrefix carries HTTP alone: calls of gRPC from outside are not routed; they need a ModelDeployment that has a "
    "host to itself",
)


@dataclass(frozen=True)
class RoutePlan:
    """What the routes of a ModelDeployment shall say: for whom, by which settings, and who is shown what."""

    owner: Owner
    traffic: Traffic | None
    split: Split
    interface: Interface = OPEN_INFERENCE
    """What the servers behind it are asked."""


class TrafficProvider(Protocol):
    """One routing API."""

    @property
    def api(self) -> RoutingApi:
        """How a spec chooses it."""
        ...

    @property
    def route(self) -> Kind:
        """The kind that carries the split; everybody's are watched, because theirs may claim our hosts."""
        ...

    @property
    def gateway(self) -> Kind:
        """The kind that a route is bound to; everybody's are watched."""
        ...

    @property
    def policies(self) -> tuple[Kind, ...]:
        """The kinds of which each revision has one; ours are watched."""
        ...

    @property
    def terms(self) -> Terms:
        """How it calls what people must correct."""
        ...

    @property
    def serves_unbound(self) -> bool:
        """Whether a ModelDeployment that names no gateway is served all the same."""
        ...

    @property
    def longest_path_wins(self) -> bool:
        """Whether, of two routes below which a request's path is, that with the longer prefix has it."""
        ...

    @property
    def grpc_protocol(self) -> str:
        """The `appProtocol` by which its gateways speak HTTP/2 to a Service's port for gRPC."""
        ...

    def caution(self, traffic: Traffic | None, interface: Interface = OPEN_INFERENCE) -> Obstacle | None:
        """What people should know of it, and can change elsewhere; None where there is nothing."""
        ...

    def route_names(self, name: str) -> tuple[str, ...]:
        """Name every route that a ModelDeployment may have, that of the user's gateways first."""
        ...

    def render_routes(self, plan: RoutePlan, live: Mapping[str, Json]) -> tuple[Json, ...]:
        """Render the routes, in the order in which they are written beside those that are there, by name."""
        ...

    def resplit(self, owner: Owner, route: Json, split: Split) -> Json:
        """Render a route of ours with the hosts and gateways that it has, and another split."""
        ...

    def render_policies(self, owner: Owner, revision: Revision, traffic: Traffic | None) -> tuple[Json, ...]:
        """Render what a revision's Service needs besides."""
        ...

    def read(self, route: Json) -> Split | None:
        """Read what a route of ours says; None when its rules are not what we render for any split."""
        ...

    def refusal(self, route: Json) -> Unreached | None:
        """Say in its controller's words why a route of ours is not carried out; None when it is, or nobody says."""
        ...

    def is_carried_out(self, route: Json) -> bool:
        """Whether its controllers have taken a route of ours as it is, where they say such a thing at all."""
        ...

    def claims(
        self, owner: Owner, traffic: Traffic | None, live: Mapping[str, Json], interface: Interface = OPEN_INFERENCE
    ) -> tuple[OurRoute, ...]:
        """List what our routes claim, in the order of `route_names`."""
        ...

    def read_claims(self, route: Json) -> ForeignRoute:
        """Read what anybody's route claims."""
        ...

    def read_settings(self, route: Json) -> RuleSettings:
        """Read what a route of ours says of every rule, leniently."""
        ...

    def read_listeners(self, gateway: Json) -> Listeners:
        """Read what a gateway listens for."""
        ...

    def named_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        """List the gateways as the spec names them."""
        ...

    def bound_gateways(self, traffic: Traffic | None) -> tuple[str, ...]:
        """List those of them that are objects, and that the user's hosts are bound to."""
        ...

    def kept(self, traffic: Traffic, hosts: Sequence[str], route: Json) -> Traffic:
        """Give the same settings with these hosts, on the gateways that a live route of ours has."""
        ...

    def bind(self, traffic: Traffic, hosts: Sequence[str], gateways: Sequence[str]) -> Traffic:
        """Give the same settings with these hosts and gateways alone."""
        ...

    def refusal_of(self, gateway: str, namespace: str) -> str:
        """Say why a namespace may not use a gateway, and what to do."""
        ...
