"""What VirtualServices claim, and what Gateways listen for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from serinus.core.model.identity import Key, is_ours
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.matches import By
from serinus.core.model.names import CLUSTER_DOMAIN, EVERYTHING, MESH, normal_gateways, normal_host
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.hosts import EVERY_PATH, Delegation, ForeignRoute
from serinus.core.traffic.istio.settings import read_settings
from serinus.core.traffic.listeners import Listener, Listeners
from serinus.core.traffic.regexes import literal_path

_TUNNELLED: Final = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})
_HTTP: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS"})


def read_foreign_route(manifest: Json, domain: str = CLUSTER_DOMAIN) -> ForeignRoute:
    """Read what a VirtualService claims."""
    metadata, spec = manifest["metadata"], manifest.get("spec", {})
    namespace, rules = metadata["namespace"], spec.get("http") or ()
    ours = is_ours(manifest)
    return ForeignRoute(
        kind=VIRTUAL_SERVICE.name,
        key=Key(namespace, metadata["name"]),
        hosts=frozenset(normal_host(host, namespace, domain) for host in spec.get("hosts") or ()),
        gateways=normal_gateways(tuple(spec.get("gateways") or (MESH,)), namespace),
        created=from_rfc3339(metadata["creationTimestamp"]),
        paths=read_settings(rules).claims if ours else _paths(rules),
        managed=ours,
        services=frozenset() if ours else frozenset(_services(rules, namespace, domain)),
        delegations=frozenset(_delegations(rules, namespace)),
    )


def _paths(rules: Sequence[Json]) -> frozenset[str]:
    """List what paths begin with; a prefix is plain text here, and need not end with an element."""
    return frozenset(_begins(match) for rule in rules for match in _matches(rule)) or EVERY_PATH


def _matches(rule: Json) -> list[Json]:
    """List the matches of a rule; one without any has every request."""
    return list(rule.get("match") or [{}])


def _begins(match: Json) -> str:
    uri = match.get("uri") or {}
    if match.get("ignoreUriCase"):
        return "/"
    if By.REGEX in uri:
        return literal_path(str(uri[By.REGEX]))
    return str(uri.get(By.PREFIX) or uri.get(By.EXACT) or "/")


def _services(rules: Iterable[Json], namespace: str, domain: str) -> Iterator[str]:
    for rule in rules:
        for to in rule.get("route") or ():
            yield normal_host(str((to.get("destination") or {}).get("host", "")), namespace, domain)


def _delegations(rules: Iterable[Json], namespace: str) -> Iterator[Delegation]:
    for rule in rules:
        to = rule.get("delegate") or {}
        for match in _matches(rule) if to.get("name") else ():
            uri = match.get("uri")
            below = str(uri.get(By.PREFIX, "")) or None if uri else "/"
            yield Delegation(Key(str(to.get("namespace") or namespace), str(to["name"])), below)


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
