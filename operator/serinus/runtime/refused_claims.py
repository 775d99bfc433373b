"""What a spec claims that its namespace may not have: hosts, gateways and metrics sources that it was not granted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from serinus.api.defaults import default_metrics
from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.names import MESH, cluster_namespace, normal_host
from serinus.core.model.snapshot import Obstacle
from serinus.core.model.tenancy import Tenancy
from serinus.core.traffic.provider import TrafficProvider


@dataclass(frozen=True)
class RefusedClaims:
    """Judges a spec by the operator's configuration alone: whoever asks twice is told the same."""

    _view: ModelDeploymentView
    _tenancy: Tenancy
    _sources: tuple[str, ...]
    _provider: TrafficProvider

    def obstacles(self) -> Iterator[Obstacle]:
        """Say what nothing new may start with."""
        traffic, namespace = self._view.spec.traffic, self._view.namespace
        for host in traffic.hosts if traffic else ():
            if not self._tenancy.may_use_host(namespace, host):
                yield Obstacle("HostNotAllowed", f"spec.traffic.hosts: {self._host_refused(namespace, host)}")
        for gateway in self._provider.named_gateways(traffic):
            if not self._tenancy.may_use_gateway(namespace, gateway):
                refusal = self._provider.refusal_of(gateway, namespace)
                granted = f"; {self._tenancy.told_gateways(namespace)}" if gateway != MESH else ""
                text = f"{self._provider.terms.field}: {refusal}{granted}"
                yield Obstacle("GatewayNotAllowed", text)
        yield from self._refused_sources()
        yield from self._unbound()

    def _host_refused(self, namespace: str, host: str) -> str:
        domain = self._tenancy.domain
        if cluster_namespace(normal_host(host, namespace, domain), domain) is not None:
            return f"host {host} is the name of another namespace's Service: nobody else may route it"
        granted = self._tenancy.told_hosts(namespace)
        return f"namespace {namespace} may not use host {host}: ask your administrator to grant it (tenants); {granted}"

    def _unbound(self) -> Iterator[Obstacle]:
        """Say that requests for the hosts would reach nothing: the mesh has none of them."""
        traffic = self._view.spec.traffic
        if self._provider.bound_gateways(traffic) or (traffic and traffic.is_delegate):
            return
        hosts = traffic.hosts if traffic else ()
        usable = [host for host in hosts if self._tenancy.may_use_host(self._view.namespace, host)]
        field = self._provider.terms.field
        if not self._provider.serves_unbound:
            text = f"the route is bound to no gateway, and the mesh is off here: name one in {field}"
            yield Obstacle("NoGateway", text)
        elif usable:
            text = f"host {usable[0]} is bound to no gateway: name one in {field}"
            yield Obstacle("NoGateway", text)

    def _refused_sources(self) -> Iterator[Obstacle]:
        """Say which metrics ask a source that they may not; one that names none asks the first."""
        spec = self._view.spec
        for metric in spec.analysis.metrics if spec.analysis else default_metrics(spec.runtime):
            source = metric.source or next(iter(self._sources), "")
            if source not in self._sources:
                known = ", ".join(self._sources)
                yield Obstacle("SourceUnknown", f"metric {metric.name} asks {source}: the sources are {known}")
            elif not self._tenancy.may_use_source(self._view.namespace, source):
                yield Obstacle("SourceNotAllowed", _source_refused(self._view.namespace, metric.name, source))


def _source_refused(namespace: str, metric: str, source: str) -> str:
    return (
        f"metric {metric} asks the metrics source {source}, which namespace {namespace} may not use: ask your "
        f"administrator to grant it (tenants)"
    )
