"""Hosts and gateways in the one form that Istio reads them as.

Everything is compared and granted in this form, so that another spelling is not another host.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

MESH: Final = "mesh"
EVERYTHING: Final = "*"
CLUSTER_DOMAIN: Final = "cluster.local"

_ZONES: Final = (CLUSTER_DOMAIN, "clusterset.local", "")
"""Besides the cluster's own domain: the usual one, that of multi-cluster Services, and none, as search lists add it."""


def service_fqdn(namespace: str, name: str, domain: str = CLUSTER_DOMAIN) -> str:
    """Name a Service in full: a short name means another Service when the route is read in another namespace."""
    return f"{name}.{namespace}.svc.{domain}"


def normal_host(host: str, namespace: str, domain: str = CLUSTER_DOMAIN) -> str:
    """Write a host in lower case and without a trailing dot, a short name as a Service of the route's own namespace."""
    host = host.lower().rstrip(".")
    return host if "." in host or "*" in host else service_fqdn(namespace, host, domain)


def normal_gateway(gateway: str, namespace: str) -> str:
    """Write a gateway as namespace/name; `mesh` stays.

    Istio reads a name with a dot and no slash as `name.namespace`, whatever follows.
    """
    if gateway == MESH:
        return gateway
    place, slash, name = gateway.partition("/")
    if slash:
        return f"{namespace if place == '.' else place}/{name}"
    name, dot, rest = gateway.partition(".")
    return f"{rest.partition('.')[0] if dot else namespace}/{name}"


@lru_cache(maxsize=4096)
def normal_gateways(gateways: tuple[str, ...], namespace: str) -> frozenset[str]:
    """Write gateways as namespace/name; all routes of the same gateways share one set."""
    return frozenset(normal_gateway(gateway, namespace) for gateway in gateways)


def cluster_namespace(host: str, domain: str = CLUSTER_DOMAIN) -> str | None:
    """Tell whose in-cluster name a normalised host is: a namespace, `*` if it spans several; None for any other name.

    `payments.prod` is no in-cluster name here: it cannot be told from `example.com`, and a gateway resolves nothing.
    """
    if host == EVERYTHING:
        return EVERYTHING
    for root in _roots(domain):
        if host == root or (host.startswith("*.") and f".{root}".endswith(host[1:])):
            return EVERYTHING
        if host.endswith(f".{root}"):
            return host.removesuffix(f".{root}").rpartition(".")[2]
    return None


def overlap(host: str, other: str) -> bool:
    """Tell whether two normalised hosts can name the same: equal, or one a wildcard around the other."""
    return host == other or _covers(host, other) or _covers(other, host)


def _covers(wildcard: str, host: str) -> bool:
    return wildcard.startswith("*") and host.endswith(wildcard[1:])


def _roots(domain: str) -> Iterator[str]:
    """The names below which every namespace has its Services and pods."""
    for zone in dict.fromkeys((domain, *_ZONES)):
        for tree in ("svc", "pod"):
            yield f"{tree}.{zone}" if zone else tree
