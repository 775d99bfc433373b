"""Which Gateways exist, and which of our hosts they listen for: a host without a listener gets a 404."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.names import EVERYTHING, normal_gateway, overlap
from serinus.core.model.snapshot import Unreached
from serinus.core.traffic.hosts import OurRoute

_TUNNELLED: Final = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})
_HTTP: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS"})


@dataclass(frozen=True)
class Listener:
    """A host that a Gateway listens for, and the namespace whose routes may have it (`*`: all of them)."""

    namespace: str
    host: str


Listeners = frozenset[Listener]


def read_listeners(manifest: Json) -> Listeners:
    """Read what an Istio Gateway listens for by HTTP; TLS that is passed through knows no VirtualService's http."""
    place = manifest["metadata"]["namespace"]
    servers = (manifest.get("spec") or {}).get("servers") or ()
    return frozenset(
        _listener(str(host), place) for server in servers if _speaks_http(server) for host in server.get("hosts") or ()
    )


def unreached(ours: OurRoute, listening: Mapping[str, Listeners]) -> Unreached | None:
    """Say which gateway of a route is not there, or which host of it no gateway listens for; None when all is well."""
    named = [normal_gateway(gateway, ours.key.namespace) for gateway in ours.gateways]
    missing = [gateway for gateway in named if gateway not in listening]
    there = [gateway for gateway in named if gateway in listening]
    heard = frozenset().union(*(listening[gateway] for gateway in there))
    unheard = [host for host in sorted(ours.normal_hosts) if not _hears(heard, ours.key.namespace, host)]
    served = bool(there) and len(unheard) < len(ours.normal_hosts)
    if missing:
        return Unreached("GatewayNotFound", _no_gateway(missing), served=served)
    if unheard:
        return Unreached("GatewayNotFound", _no_listener(unheard, there), served=served)
    return None


def _listener(written: str, place: str) -> Listener:
    namespace, slash, host = written.rpartition("/")
    if not slash:
        namespace = EVERYTHING
    return Listener(place if namespace == "." else namespace, host.lower())


def _speaks_http(server: Json) -> bool:
    protocol = str((server.get("port") or {}).get("protocol", "HTTP")).upper()
    return protocol in _HTTP and str((server.get("tls") or {}).get("mode", "")).upper() not in _TUNNELLED


def _hears(listeners: Iterable[Listener], namespace: str, host: str) -> bool:
    return any(one.namespace in (EVERYTHING, namespace) and overlap(one.host, host) for one in listeners)


def _no_gateway(missing: list[str]) -> str:
    named = ", ".join(missing)
    return f"there is no Istio Gateway {named}: correct spec.traffic.istio.gateways, or create it"


def _no_listener(unheard: list[str], gateways: list[str]) -> str:
    hosts, named = ", ".join(unheard), ", ".join(gateways)
    return f"no server of Gateway {named} has host {hosts}: add it there, or correct spec.traffic.hosts"
