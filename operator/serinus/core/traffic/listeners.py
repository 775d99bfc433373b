"""Which Gateways exist, and which of our hosts they listen for: a host without a listener gets a 404."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serinus.core.model.names import EVERYTHING, normal_gateway, overlap
from serinus.core.model.snapshot import Unreached
from serinus.core.traffic.hosts import OurRoute


@dataclass(frozen=True)
class Listener:
    """A host that a Gateway listens for, and the namespace whose routes may have it (`*`: all of them).

    `trouble` is why nothing listens after all, in the words of whoever should.
    """

    namespace: str
    host: str
    trouble: str = ""


Listeners = frozenset[Listener]


@dataclass(frozen=True)
class Terms:
    """How a routing API calls what a route is bound to, and the field of the spec that names it."""

    gateway: str
    listener: str
    field: str


def unreached(ours: OurRoute, listening: Mapping[str, Listeners], terms: Terms) -> Unreached | None:
    """Say which gateway of a route is not there, or which host of it no gateway listens for; None when all is well."""
    named = [normal_gateway(gateway, ours.key.namespace) for gateway in ours.gateways]
    missing = [gateway for gateway in named if gateway not in listening]
    there = [gateway for gateway in named if gateway in listening]
    heard = frozenset().union(*(listening[gateway] for gateway in there))
    place = ours.key.namespace
    unheard = [host for host in sorted(ours.normal_hosts) if not any(_takes(one, place, host) for one in heard)]
    served = bool(there) and len(unheard) < len(ours.normal_hosts)
    if missing:
        text = f"there is no {terms.gateway} {', '.join(missing)}: correct {terms.field}, or create it"
        return Unreached("GatewayNotFound", text, served=served)
    if unheard:
        text = f"no {terms.listener} of Gateway {', '.join(there)} has host {', '.join(unheard)}"
        return Unreached("GatewayNotFound", f"{text}: add it there, or correct spec.traffic.hosts", served=served)
    return _troubled(ours, heard)


def _troubled(ours: OurRoute, heard: frozenset[Listener]) -> Unreached | None:
    """Say why a host is not listened for, although listeners have it."""
    place = ours.key.namespace
    troubles = {host: [one.trouble for one in heard if _takes(one, place, host)] for host in ours.normal_hosts}
    deaf = sorted(host for host, found in troubles.items() if all(found))
    if not deaf:
        return None
    text = f"host {deaf[0]}: {min(troubles[deaf[0]])}"
    return Unreached("RouteNotAccepted", text, served=len(deaf) < len(troubles))


def _takes(listener: Listener, namespace: str, host: str) -> bool:
    return listener.namespace in (EVERYTHING, namespace) and overlap(listener.host, host)
