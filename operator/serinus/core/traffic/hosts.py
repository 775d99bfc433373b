"""Who else claims our hosts: routes with one host on one gateway are merged in silence, or lose rules.

Ages are compared as routing APIs do: the older route's rules win; how a tie is broken is each one's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.names import CLUSTER_DOMAIN, normal_gateway, normal_host, overlap, service_fqdn


@dataclass(frozen=True)
class ForeignRoute:
    """Anybody's route, trimmed to what it claims; hosts and gateways are normalised. `kind` is its object's.

    `listeners` are gateways with the part that it is bound to, where an API knows such parts; see `listener_of`.
    """

    kind: str
    key: Key
    hosts: frozenset[str]
    gateways: frozenset[str]
    created: float
    listeners: frozenset[str] = frozenset()


def route_hosts(owner: Owner, traffic: Traffic | None, domain: str = CLUSTER_DOMAIN) -> tuple[str, ...]:
    """List the hosts on the user's gateways: the user's, or the root Service's own where there is none.

    A route without any would have every host of its gateway.
    """
    return (traffic.hosts if traffic else ()) or (service_fqdn(owner.namespace, owner.name, domain),)


def by_name(key: Key) -> str:
    """Say what breaks a tie in Istio."""
    return f"{key.name}.{key.namespace}"


@dataclass(frozen=True)
class OurRoute:
    """What a route of ours claims, as the spec writes it; `created` is None while it does not exist.

    Of two routes of one age that of the smaller `tie` wins.
    """

    key: Key
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    created: float | None
    domain: str = CLUSTER_DOMAIN
    tie: Callable[[Key], str] = by_name
    listeners: frozenset[str] = frozenset()

    @cached_property
    def normal_hosts(self) -> frozenset[str]:
        return frozenset(normal_host(host, self.key.namespace, self.domain) for host in self.hosts)

    @cached_property
    def normal_gateways(self) -> frozenset[str]:
        return frozenset(normal_gateway(gateway, self.key.namespace) for gateway in self.gateways)


def listener_of(gateway: str, section: str | None) -> str:
    """Name one listener of a gateway, or all of them."""
    return f"{gateway}#{section or ''}"


def _meet(gateway: str, ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two routes are bound to one listener: a redirect on one of them claims nothing on another."""
    mine, others = ({one for one in each if one.startswith(f"{gateway}#")} for each in (ours, theirs))
    everything = listener_of(gateway, None)
    return not mine or not others or everything in mine | others or not mine.isdisjoint(others)


@dataclass(frozen=True)
class HostConflict:
    """A host of ours that another route claims on the same gateway.

    `blocking` when theirs is older and names just this host: ours must not start. Otherwise it is only reported: ours
    goes on (a revert must not be blocked), or one is a wildcard around the other, where the exact host wins in Envoy.
    """

    host: str
    gateway: str
    theirs: Key
    blocking: bool
    message: str


def host_conflicts(ours: OurRoute, others: Iterable[ForeignRoute]) -> tuple[HostConflict, ...]:
    """List the conflicts, blocking ones first; our own route among `others` is passed over."""
    found = [
        _conflict(ours, theirs, host, gateway)
        for theirs in others
        if theirs.key != ours.key
        for gateway in ours.normal_gateways & theirs.gateways
        if _meet(gateway, ours.listeners, theirs.listeners)
        for host in ours.normal_hosts
        if any(overlap(host, other) for other in theirs.hosts)
    ]
    return tuple(sorted(found, key=lambda conflict: (not conflict.blocking, conflict.host, conflict.gateway)))


def _conflict(ours: OurRoute, theirs: ForeignRoute, host: str, gateway: str) -> HostConflict:
    exact = host in theirs.hosts
    older = ours.created is None or (theirs.created, ours.tie(theirs.key)) < (ours.created, ours.tie(ours.key))
    how = "claims" if exact else "covers"
    fix = "remove the host from one of the two" if exact else "the exact host wins over the wildcard"
    return HostConflict(
        host=host,
        gateway=gateway,
        theirs=theirs.key,
        blocking=exact and older,
        message=f"{theirs.kind} {theirs.key} {how} host {host} on gateway {gateway}: {fix}",
    )
