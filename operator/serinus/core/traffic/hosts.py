"""Who else claims our hosts: two VirtualServices with one host on one gateway are merged or lose a rule, silently.

Ages are compared as Istio does: the older VirtualService's rules win, and a tie goes to the smaller `name.namespace`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.istio import MESH, service_fqdn


@dataclass(frozen=True)
class ForeignRoute:
    """A VirtualService, trimmed to what it claims; hosts and gateways are normalised."""

    key: Key
    hosts: frozenset[str]
    gateways: frozenset[str]
    created: float


@dataclass(frozen=True)
class OurRoute:
    """What our VirtualService claims, as the spec writes it; `created` is None while it does not exist."""

    key: Key
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    created: float | None


@dataclass(frozen=True)
class HostConflict:
    """A host of ours that another VirtualService claims on the same gateway.

    `blocking` when theirs is older and names just this host: ours must not start. Otherwise it is only reported: ours
    goes on (a revert must not be blocked), or one is a wildcard around the other, where the exact host wins in Envoy.
    """

    host: str
    gateway: str
    theirs: Key
    blocking: bool
    message: str


def read_foreign_route(manifest: Json) -> ForeignRoute:
    """Read what a VirtualService claims."""
    metadata, spec = manifest["metadata"], manifest.get("spec", {})
    namespace = metadata["namespace"]
    return ForeignRoute(
        key=Key(namespace, metadata["name"]),
        hosts=frozenset(normal_host(host, namespace) for host in spec.get("hosts") or ()),
        gateways=frozenset(normal_gateway(gateway, namespace) for gateway in spec.get("gateways") or (MESH,)),
        created=from_rfc3339(metadata["creationTimestamp"]),
    )


def host_conflicts(ours: OurRoute, others: Iterable[ForeignRoute]) -> tuple[HostConflict, ...]:
    """List the conflicts, blocking ones first; our own route among `others` is passed over."""
    hosts = {normal_host(host, ours.key.namespace) for host in ours.hosts}
    gateways = {normal_gateway(gateway, ours.key.namespace) for gateway in ours.gateways}
    found = [
        _conflict(ours, theirs, host, gateway)
        for theirs in others
        if theirs.key != ours.key
        for gateway in gateways & theirs.gateways
        for host in hosts
        if any(overlap(host, other) for other in theirs.hosts)
    ]
    return tuple(sorted(found, key=lambda conflict: (not conflict.blocking, conflict.host, conflict.gateway)))


def overlap(host: str, other: str) -> bool:
    """Tell whether two normalised hosts can name the same: equal, or one a wildcard around the other."""
    return host == other or _covers(host, other) or _covers(other, host)


def normal_host(host: str, namespace: str) -> str:
    """Write a host as Istio reads it: lower case, a short name as a Service of the route's own namespace."""
    host = host.lower()
    return host if "." in host or "*" in host else service_fqdn(namespace, host)


def normal_gateway(gateway: str, namespace: str) -> str:
    """Write a gateway as namespace/name; `mesh` stays."""
    if gateway == MESH:
        return gateway
    place, slash, name = gateway.partition("/")
    if slash:
        return f"{namespace if place == '.' else place}/{name}"
    name, dot, rest = gateway.partition(".")
    return f"{rest.partition('.')[0] if dot else namespace}/{name}"


def _covers(wildcard: str, host: str) -> bool:
    return wildcard.startswith("*") and host.endswith(wildcard[1:])


def _conflict(ours: OurRoute, theirs: ForeignRoute, host: str, gateway: str) -> HostConflict:
    exact = host in theirs.hosts
    older = ours.created is None or _age(theirs.key, theirs.created) < _age(ours.key, ours.created)
    how = "claims" if exact else "covers"
    fix = "remove the host from one of the two" if exact else "the exact host wins over the wildcard"
    return HostConflict(
        host=host,
        gateway=gateway,
        theirs=theirs.key,
        blocking=exact and older,
        message=f"VirtualService {theirs.key} {how} host {host} on gateway {gateway}: {fix}",
    )


def _age(key: Key, created: float) -> tuple[float, str]:
    return created, f"{key.name}.{key.namespace}"
