"""Which Gateways exist, and which of our hosts they listen for: a host without a listener gets a 404."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serinus.core.model.names import EVERYTHING, normal_gateway, overlap
from serinus.core.model.snapshot import Unreached
from serinus.core.traffic.hosts import OurRoute


@dataclass(frozen=True)
class Listener:
    """A host that a Gateway listens for, and the namespace whose routes may have it (`*`: all of them)."""

    namespace: str
    host: str


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
    unheard = [host for host in sorted(ours.normal_hosts) if not _hears(heard, ours.key.namespace, host)]
    served = bool(there) and len(unheard) < len(ours.normal_hosts)
    if missing:
        text = f"there is no {terms.gateway} {', '.join(missing)}: correct {terms.field}, or create it"
        return Unreached("GatewayNotFound", text, served=served)
    if unheard:
        text = f"no {terms.listener} of Gateway {', '.join(there)} has host {', '.join(unheard)}"
        return Unreached("GatewayNotFound", f"{text}: add it there, or correct spec.traffic.hosts", served=served)
    return None


def _hears(listeners: Iterable[Listener], namespace: str, host: str) -> bool:
    return any(one.namespace in (EVERYTHING, namespace) and overlap(one.host, host) for one in listeners)
