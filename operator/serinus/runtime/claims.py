"""Why what git asks for may not be tried: tenancy, hosts that others claim, names that others hold."""

from __future__ import annotations

from collections.abc import Iterator

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key, Owner
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.snapshot import Obstacle
from serinus.core.model.tenancy import Tenancy
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.hosts import ForeignRoute, HostConflict, OurRoute, host_conflicts, read_foreign_route
from serinus.core.traffic.istio import route_gateways, route_hosts
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache


class Claims:
    """Judges what a spec claims against the configuration and everybody's VirtualServices."""

    def __init__(self, cache: Cache, tenancy: Tenancy, *, sources: tuple[str, ...], mesh: bool) -> None:
        self._cache = cache
        self._tenancy = tenancy
        self._sources = sources
        self._mesh = mesh

    def obstacle(self, view: ModelDeploymentView, memory: Memory) -> Obstacle | None:
        """The first reason why nothing new may start."""
        refused = self._refused(view)
        if refused is not None:
            return refused
        blocking = next((conflict for conflict in self.conflicts(view) if conflict.blocking), None)
        if blocking is not None:
            return Obstacle("HostConflict", blocking.message)
        return next(iter(memory.conflicts.values()), None)

    def conflicts(self, view: ModelDeploymentView) -> tuple[HostConflict, ...]:
        """Hosts of ours that another VirtualService claims too."""
        owner = Owner(view.namespace, view.name, view.uid)
        ours = self._cache.owned(VIRTUAL_SERVICE, view.namespace, view.name).get(view.name)
        route = OurRoute(
            key=Key(view.namespace, view.name),
            hosts=route_hosts(owner, view.spec.traffic),
            gateways=route_gateways(view.spec.traffic, mesh=self._mesh),
            created=from_rfc3339(ours["metadata"]["creationTimestamp"]) if ours else None,
        )
        return host_conflicts(route, self._foreign(view))

    def _foreign(self, view: ModelDeploymentView) -> Iterator[ForeignRoute]:
        for manifest in self._cache.all(VIRTUAL_SERVICE).values():
            if not _is_ours(manifest, view):
                yield read_foreign_route(manifest)

    def _refused(self, view: ModelDeploymentView) -> Obstacle | None:
        traffic = view.spec.traffic
        hosts = traffic.hosts if traffic else ()
        gateways = (traffic.istio.gateways if traffic and traffic.istio else None) or ()
        for host in hosts:
            if not self._tenancy.may_use_host(view.namespace, host):
                return Obstacle("HostNotAllowed", f"namespace {view.namespace} may not use host {host}: ask your admin")
        for gateway in gateways:
            if not self._tenancy.may_use_gateway(view.namespace, gateway):
                text = f"namespace {view.namespace} may not use gateway {gateway}: use one of its own"
                return Obstacle("GatewayNotAllowed", text)
        return self._refused_source(view)

    def _refused_source(self, view: ModelDeploymentView) -> Obstacle | None:
        metrics = view.spec.analysis.metrics if view.spec.analysis else ()
        for metric in metrics:
            source = metric.source
            if source is None:
                continue
            if source not in self._sources:
                known = ", ".join(self._sources)
                return Obstacle("SourceUnknown", f"metric {metric.name} asks {source}: the sources are {known}")
            if not self._tenancy.may_use_source(view.namespace, source):
                return Obstacle("SourceNotAllowed", f"namespace {view.namespace} may not ask {source}")
        return None


def _is_ours(manifest: Json, view: ModelDeploymentView) -> bool:
    metadata = manifest["metadata"]
    labelled = (metadata.get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL) == view.name
    return labelled and metadata["namespace"] == view.namespace and metadata["name"] == view.name
