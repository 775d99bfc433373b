"""What a namespace may use: hosts, gateways and metrics sources, as granted in the operator's configuration.

A namespace needs no grant for its own Gateways, its own Services' names and the mesh: whoever may write there owns them
anyway. Names of other namespaces' Services are never granted. Several grants for a namespace add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from serinus.core.model.names import (
    CLUSTER_DOMAIN,
    EVERYTHING,
    MESH,
    cluster_namespace,
    normal_gateway,
    normal_host,
)

MOST_TOLD: Final = 5
"""Grants named in a message."""


@dataclass(frozen=True)
class Grant:
    """What is granted to a namespace, or to all of them (`*`).

    A host is exact, `*.suffix` (any number of labels in front) or `*`; a gateway is `namespace/name`, `namespace/*` or
    `*`; a source is its name or `*`; an artifact host, from which models may be fetched, is `host`, `host:port` or
    `*.suffix`; a registered model, whose versions may be marked, is a name, `prefix*` or `*`.
    """

    namespace: str
    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    artifact_hosts: tuple[str, ...] = ()
    registered_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tenancy:
    """All grants; `mesh` is whether routes may be bound to the mesh, `domain` is the cluster's."""

    grants: tuple[Grant, ...]
    mesh: bool = True
    domain: str = CLUSTER_DOMAIN

    def may_use_host(self, namespace: str, host: str) -> bool:
        """Tell whether a namespace may route a host: one of its own Services', or one that is granted to it."""
        host = normal_host(host, namespace, self.domain)
        inside = cluster_namespace(host, self.domain)
        if inside is not None:
            return inside == namespace
        return any(_covers_host(each, host) for grant in self._of(namespace) for each in grant.hosts)

    def may_use_gateway(self, namespace: str, gateway: str) -> bool:
        """Tell whether a namespace may bind to a gateway, written in any way that Istio reads."""
        if gateway == MESH:
            return self.mesh
        gateway = normal_gateway(gateway, namespace)
        where = gateway.partition("/")[0]
        if where == namespace:
            return True
        wanted = {gateway, f"{where}/{EVERYTHING}", EVERYTHING}
        return any(wanted.intersection(grant.gateways) for grant in self._of(namespace))

    def told_hosts(self, namespace: str) -> str:
        """Say which hosts are granted to a namespace."""
        return _told(host for grant in self._of(namespace) for host in grant.hosts)

    def told_gateways(self, namespace: str) -> str:
        """Say which gateways of other namespaces are granted to a namespace."""
        return _told(gateway for grant in self._of(namespace) for gateway in grant.gateways)

    def may_use_source(self, namespace: str, source: str) -> bool:
        """Tell whether a namespace may ask a metrics source."""
        return any({source, EVERYTHING}.intersection(grant.sources) for grant in self._of(namespace))

    def artifact_hosts(self, namespace: str) -> tuple[str, ...]:
        """List the hosts from which a namespace may fetch models."""
        return tuple(dict.fromkeys(host for grant in self._of(namespace) for host in grant.artifact_hosts))

    def may_mark(self, namespace: str, model: str) -> bool:
        """Tell whether what becomes of a namespace's rollouts is written to a registered model."""
        granted = (each for grant in self._of(namespace) for each in grant.registered_models)
        return any(each == model or (each.endswith("*") and model.startswith(each[:-1])) for each in granted)

    def _of(self, namespace: str) -> Iterable[Grant]:
        return (grant for grant in self.grants if grant.namespace in (namespace, EVERYTHING))


def _told(granted: Iterable[str]) -> str:
    """Name what is granted, as far as a sentence holds it."""
    names = list(dict.fromkeys(granted))
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return f"granted is {', '.join(names[:MOST_TOLD])}{more}" if names else "nothing is granted"


def _covers_host(pattern: str, host: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in (EVERYTHING, host)
