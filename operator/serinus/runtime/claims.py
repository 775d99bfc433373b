"""Why what git asks for may not be tried, and what of it may stand in a route that is live.

Tenancy, hosts that others claim, names that others hold. Traffic is live: a spec that is edited in mid-rollout must not
reach what a new rollout could not start with, and must not stop the writes by which a rollout goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from serinus.api.parsing import ModelDeploymentView
from serinus.api.traffic import IstioTraffic, Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import MODEL_DEPLOYMENT, VIRTUAL_SERVICE, Json
from serinus.core.model.snapshot import Obstacle
from serinus.core.model.tenancy import Tenancy
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.claimants import Claimants
from serinus.core.traffic.hosts import (
    ForeignRoute,
    HostConflict,
    OurRoute,
    host_conflicts,
    normal_gateway,
    normal_host,
    read_foreign_route,
)
from serinus.core.traffic.istio import route_gateways, route_hosts
from serinus.runtime.memory import Memory
from serinus.runtime.ours import our_route
from serinus.runtime.ports import Cache


def nobody(key: Key) -> None:
    """Wake nobody."""


class Claims:
    """Judges what a spec claims against the configuration and everybody's VirtualServices.

    `wake` is told which ModelDeployments are to be judged anew, because a route that overlaps theirs came, changed what
    it claims, or went.
    """

    def __init__(
        self,
        cache: Cache,
        tenancy: Tenancy,
        *,
        sources: tuple[str, ...],
        mesh: bool,
        wake: Callable[[Key], None] = nobody,
    ) -> None:
        self._cache = cache
        self._tenancy = tenancy
        self._sources = sources
        self._mesh = mesh
        self._wake = wake
        self._claimants = Claimants()
        self._ours = Claimants()
        self._asked: dict[Key, OurRoute] = {}
        cache.follow(VIRTUAL_SERVICE, self._routed)
        cache.follow(MODEL_DEPLOYMENT, self._deployed)

    def obstacles(self, view: ModelDeploymentView, memory: Memory) -> Iterator[Obstacle]:
        """The reasons why nothing new may start."""
        yield from self._refused(view)
        if not route_gateways(view.spec.traffic, mesh=self._mesh):
            text = "the route is bound to no gateway, and the mesh is off here: name one in spec.traffic.istio.gateways"
            yield Obstacle("NoGateway", text)
        for conflict in self.conflicts(view):
            if conflict.blocking:
                yield Obstacle("HostConflict", conflict.message)
        yield from memory.conflicts.values()

    def admitted(self, view: ModelDeploymentView) -> Traffic | None:
        """The spec's traffic without what may not be used: refused here, or taken before ours had it.

        A route that would be left without a gateway keeps those that it has: a revert must reach it.
        """
        traffic = view.spec.traffic
        if traffic is None and self._mesh:
            return None
        traffic = traffic or Traffic()
        live = our_route(self._cache, view)
        lost_hosts, lost_gateways = self._taken(view, live)
        tenancy, place = self._tenancy, view.namespace
        named = (traffic.istio.gateways if traffic.istio else None) or ()
        hosts = tuple(
            one
            for one in traffic.hosts
            if tenancy.may_use_host(place, one) and normal_host(one, place) not in lost_hosts
        )
        gateways = tuple(
            one
            for one in named
            if tenancy.may_use_gateway(place, one) and normal_gateway(one, place) not in lost_gateways
        )
        if not gateways and not self._mesh and live is not None:
            gateways = tuple(live["spec"].get("gateways") or ())
        if (hosts, gateways) == (traffic.hosts, named):
            return traffic
        istio = (traffic.istio or IstioTraffic()).model_copy(update={"gateways": gateways})
        return traffic.model_copy(update={"hosts": hosts, "istio": istio})

    def concern(self, view: ModelDeploymentView) -> Obstacle | None:
        """What people should know although it stops nothing: a younger route on a host of ours."""
        reported = (one for one in self.conflicts(view) if not one.blocking and self._claimants.claims(one))
        conflict = next(reported, None)
        return Obstacle("HostConflict", conflict.message) if conflict else None

    def conflicts(self, view: ModelDeploymentView) -> tuple[HostConflict, ...]:
        """Hosts of ours that another VirtualService claims too."""
        owner = Owner(view.namespace, view.name, view.uid)
        ours = self._cache.get(VIRTUAL_SERVICE, view.namespace, view.name)
        route = OurRoute(
            key=Key(view.namespace, view.name),
            hosts=route_hosts(owner, view.spec.traffic),
            gateways=route_gateways(view.spec.traffic, mesh=self._mesh),
            created=from_rfc3339(ours["metadata"]["creationTimestamp"]) if ours else None,
        )
        self._remember(route)
        others = self._claimants.beside(route)
        return host_conflicts(route, others) if others else ()

    def _taken(self, view: ModelDeploymentView, live: Json | None) -> tuple[set[str], set[str]]:
        """The hosts, and the gateways, on which an older route came before ours: those are never begun with."""
        had = read_foreign_route(live) if live is not None else None
        hosts: set[str] = set()
        gateways: set[str] = set()
        for one in self.conflicts(view):
            if not one.blocking or (had and one.host in had.hosts and one.gateway in had.gateways):
                continue
            if had and one.host in had.hosts:
                gateways.add(one.gateway)
            else:
                hosts.add(one.host)
        return hosts, gateways

    def _routed(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Follow what becomes of a VirtualService; weights are no news to anybody but its owner."""
        key = Key(namespace, name)
        before, now = self._claimants.of(key), read_foreign_route(manifest) if manifest is not None else None
        if before == now:
            return
        if now is None:
            self._claimants.drop(key)
        else:
            self._claimants.add(now)
        concerned = {ours.key for one in (before, now) if one for ours in self._ours.beside(_as_ours(one))}
        for ours in sorted(concerned | ({key} & self._asked.keys())):
            self._wake(ours)

    def _deployed(self, namespace: str, name: str, manifest: Json | None) -> None:
        if manifest is None and self._asked.pop(Key(namespace, name), None) is not None:
            self._ours.drop(Key(namespace, name))

    def _remember(self, route: OurRoute) -> None:
        """Keep what a ModelDeployment claims, to know whom a route concerns."""
        if self._asked.get(route.key) == route:
            return
        self._asked[route.key] = route
        place = route.key.namespace
        hosts = frozenset(normal_host(host, place) for host in route.hosts)
        gateways = frozenset(normal_gateway(gateway, place) for gateway in route.gateways)
        self._ours.add(ForeignRoute(route.key, hosts, gateways, created=0.0))

    def _refused(self, view: ModelDeploymentView) -> Iterator[Obstacle]:
        traffic, namespace = view.spec.traffic, view.namespace
        for host in traffic.hosts if traffic else ():
            if not self._tenancy.may_use_host(namespace, host):
                yield Obstacle("HostNotAllowed", f"namespace {namespace} may not use host {host}: ask your admin")
        for gateway in (traffic.istio.gateways if traffic and traffic.istio else None) or ():
            if not self._tenancy.may_use_gateway(namespace, gateway):
                text = f"namespace {namespace} may not use gateway {gateway}: use one of its own"
                yield Obstacle("GatewayNotAllowed", text)
        yield from self._refused_sources(view)

    def _refused_sources(self, view: ModelDeploymentView) -> Iterator[Obstacle]:
        for metric in view.spec.analysis.metrics if view.spec.analysis else ():
            source = metric.source
            if source is None:
                continue
            if source not in self._sources:
                known = ", ".join(self._sources)
                yield Obstacle("SourceUnknown", f"metric {metric.name} asks {source}: the sources are {known}")
            elif not self._tenancy.may_use_source(view.namespace, source):
                yield Obstacle("SourceNotAllowed", f"namespace {view.namespace} may not ask {source}")


def _as_ours(route: ForeignRoute) -> OurRoute:
    return OurRoute(route.key, tuple(route.hosts), tuple(route.gateways), route.created)
