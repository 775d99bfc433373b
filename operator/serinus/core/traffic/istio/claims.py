"""What VirtualServices claim, and what Gateways listen for."""

from __future__ import annotations

from typing import Final

from serinus.core.model.identity import Key
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.names import CLUSTER_DOMAIN, EVERYTHING, MESH, normal_gateway, normal_host
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.hosts import ForeignRoute
from serinus.core.traffic.listeners import Listener, Listeners

_TUNNELLED: Final = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})
_HTTP: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS"})


def read_foreign_route(manifest: Json, domain: str = CLUSTER_DOMAIN) -> ForeignRoute:
    """Read what a VirtualService claims."""
    metadata, spec = manifest["metadata"], manifest.get("spec", {})
    namespace = metadata["namespace"]
    return ForeignRoute(
        kind=VIRTUAL_SERVICE.name,
        key=Key(namespace, metadata["name"]),
        hosts=frozenset(normal_host(host, namespace, domain) for host in spec.get("hosts") or ()),
        gateways=frozenset(normal_gateway(gateway, namespace) for gateway in spec.get("gateways") or (MESH,)),
        created=from_rfc3339(metadata["creationTimestamp"]),
    )


def read_listeners(manifest: Json) -> Listeners:
    """Read what an Istio Gateway listens for by HTTP; TLS that is passed through knows no VirtualService's http."""
    place = manifest["metadata"]["namespace"]
    servers = (manifest.get("spec") or {}).get("servers") or ()
    return frozenset(
        _listener(str(host), place) for server in servers if _speaks_http(server) for host in server.get("hosts") or ()
    )


def _listener(written: str, place: str) -> Listener:
    namespace, slash, host = written.rpartition("/")
    if not slash:
        namespace = EVERYTHING
    return Listener(place if namespace == "." else namespace, host.lower())


def _speaks_http(server: Json) -> bool:
    protocol = str((server.get("port") or {}).get("protocol", "HTTP")).upper()
    return protocol in _HTTP and str((server.get("tls") or {}).get("mode", "")).upper() not in _TUNNELLED
