"""Who else claims our hosts: routes with one host on one gateway are merged in silence, or lose rules.

Ages are compared as routing APIs do: the older route's rules win; how a tie is broken is each one's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.names import CLUSTER_DOMAIN, normal_gateways, normal_host, overlap, service_fqdn
from serinus.core.model.snapshot import Obstacle

EVERY_PATH: Final = frozenset({"/"})


@dataclass(frozen=True)
class Delegation:
    """Whom a route leaves requests to whose paths begin like this; None where the other cannot name a path at all."""

    to: Key
    below: str | None


@dataclass(frozen=True, slots=True)
class ForeignRoute:
    """Anybody's route, trimmed to what it claims; hosts and gateways are normalised. `kind` is its object's.

    `listeners` are gateways with the part that it is bound to, where an API knows such parts; see `listener_of`.
    `paths` are what the paths of its requests begin with, `services` those that its requests go to, by their full
    names, and `delegations` the routes that it leaves the rest to. Of a ModelDeployment's (`managed`) only the first is
    told.
    """

    kind: str
    key: Key
    hosts: frozenset[str]
    gateways: frozenset[str]
    created: float
    listeners: frozenset[str] = frozenset()
    paths: frozenset[str] = EVERY_PATH
    managed: bool = False
    services: frozenset[str] = frozenset()
    delegations: frozenset[Delegation] = frozenset()


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

    Of two routes of one age that of the smaller `tie` wins. `paths` are what the paths of its requests begin with, by
    the `prefix` that the spec asks for; where an API gives a request to the route that names more of its path,
    `wins_below` is the prefix.
    """

    key: Key
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    created: float | None
    domain: str = CLUSTER_DOMAIN
    tie: Callable[[Key], str] = by_name
    listeners: frozenset[str] = frozenset()
    paths: frozenset[str] = EVERY_PATH
    prefix: str = ""
    wins_below: str = ""

    @cached_property
    def normal_hosts(self) -> frozenset[str]:
        return frozenset(normal_host(host, self.key.namespace, self.domain) for host in self.hosts)

    @cached_property
    def normal_gateways(self) -> frozenset[str]:
        return normal_gateways(self.gateways, self.key.namespace)


def listener_of(gateway: str, section: str | None) -> str:
    """Name one listener of a gateway, or all of them."""
    return f"{gateway}#{section or ''}"


def _meet(gateway: str, ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two routes are bound to one listener: a redirect on one of them claims nothing on another."""
    mine, others = ({one for one in each if one.startswith(f"{gateway}#")} for each in (ours, theirs))
    everything = listener_of(gateway, None)
    return not mine or not others or everything in mine | others or not mine.isdisjoint(others)


def meet_on_a_path(ours: Iterable[str], theirs: ForeignRoute, wins_below: str) -> bool:
    """Whether the path of a request may begin as both say.

    Below a prefix that `wins_below` names, ours has whatever theirs has by less of a path than the prefix: a website
    does not miss it, and from another model it is not taken.
    """
    root = f"{wins_below}/" if wins_below and not theirs.managed else ""
    asked = [their for their in theirs.paths if their == root or not root.startswith(their)]
    return any(their.startswith(our) or our.startswith(their) for our, their in product(ours, asked))


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
        if theirs.key != ours.key and meet_on_a_path(ours.paths, theirs, ours.wins_below)
        for gateway in ours.normal_gateways & theirs.gateways
        if _meet(gateway, ours.listeners, theirs.listeners)
        for host in ours.normal_hosts
        if any(overlap(host, other) for other in theirs.hosts)
    ]
    return tuple(sorted(found, key=lambda conflict: (not conflict.blocking, conflict.host, conflict.gateway)))


def not_delegated(ours: Key, prefix: str, roots: Iterable[ForeignRoute]) -> Obstacle | None:
    """Say that no route leaves a delegate the requests below its prefix: nobody reaches it, and nobody else says so.

    A root whose match names anything but a beginning of the delegate's loses the delegate's rules.
    """
    asks = f"match uri prefix: {prefix} in a rule with delegate: {{name: {ours.name}, namespace: {ours.namespace}}}"
    found = [(root, one) for root in roots for one in root.delegations if one.to == ours]
    if not found:
        return Obstacle("NotDelegated", f"no VirtualService delegates to {ours}: {asks}")
    if any(one.below is not None and f"{prefix}/".startswith(one.below) for _, one in found):
        return None
    root = found[0][0].key
    return Obstacle(
        "NotDelegated", f"VirtualService {root} delegates to {ours}, but not what is below {prefix}: {asks}"
    )


def _conflict(ours: OurRoute, theirs: ForeignRoute, host: str, gateway: str) -> HostConflict:
    exact = host in theirs.hosts
    older = ours.created is None or (theirs.created, ours.tie(theirs.key)) < (ours.created, ours.tie(ours.key))
    how = "claims" if exact else "covers"
    prefix = ours.prefix
    another = "use another pathPrefix, or " if prefix else ""
    fix = f"{another}remove the host from one of the two" if exact else "the exact host wins over the wildcard"
    below = f" below {prefix}" if prefix else ""
    return HostConflict(
        host=host,
        gateway=gateway,
        theirs=theirs.key,
        blocking=exact and older,
        message=f"{theirs.kind} {theirs.key} {how} host {host}{below} on gateway {gateway}: {fix}",
    )
