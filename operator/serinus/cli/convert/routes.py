"""From hosts, gateways and parentRefs of another tool to where requests come in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from serinus.api.constraints import GatewayName, Host
from serinus.api.gateway_api import ParentRef
from serinus.api.traffic import MOST_HOSTNAMES
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.original import Original, Place
from serinus.core.model.kinds import Json
from serinus.core.model.names import MESH

MOST_HOSTS: Final = 32
MOST_GATEWAYS: Final = 16
MOST_PARENTS: Final = 8
NO_TLS: Final = "the operator routes HTTP and gRPC; TLS ends at the gateway"
ROUTES: Final = {
    "spec.http": "the operator writes the routes; a timeout and retries that its rules agree on are carried over",
    "spec.tls": NO_TLS,
    "spec.tcp": "the operator routes HTTP and gRPC",
    "spec.rules": "the operator writes the routes; a timeout that its rules agree on is carried over",
    "spec.exportTo": "the routes are for the Gateways that are named, and for the mesh",
}
"""Why a field of a VirtualService or an HTTPRoute is left out."""
_IN_CLUSTER: Final = ".svc.cluster.local"


def istio_traffic(draft: Draft, source: Original, hosts: Place, gateways: Place) -> Json | None:
    """Carry over hosts and gateways; None where there are callers in the mesh only."""
    named = _first(draft, _gateways(draft, source, gateways), MOST_GATEWAYS, "spec.traffic.istio.gateways")
    wanted = _hosts(draft, source, hosts, MOST_HOSTS if named else 0)
    return {"hosts": wanted, "istio": {"gateways": named}} if named else None


def gateway_traffic(draft: Draft, source: Original, hosts: Place, parents: Place) -> Json | None:
    """Carry over hosts and parentRefs; None where no Gateway is named."""
    refs = _first(draft, _parents(draft, source, parents), MOST_PARENTS, "spec.traffic.gatewayAPI.parentRefs")
    wanted = _hosts(draft, source, hosts, MOST_HOSTNAMES if refs else 0)
    return {"hosts": wanted, "provider": "gatewayAPI", "gatewayAPI": {"parentRefs": refs}} if refs else None


def joined(draft: Draft, parts: Iterable[Json]) -> Json | None:
    """Put the hosts and gateways of several routes together."""
    hosts: list[Any] = []
    gateways: list[Any] = []
    for part in parts:
        hosts += part["hosts"]
        gateways += part["istio"]["gateways"]
    if not gateways:
        return None
    return {
        "hosts": _first(draft, hosts, MOST_HOSTS, "spec.traffic.hosts"),
        "istio": {"gateways": _first(draft, gateways, MOST_GATEWAYS, "spec.traffic.istio.gateways")},
    }


def set_traffic(draft: Draft, traffic: Json | None, name: str) -> None:
    """Write the traffic; hosts that are missing are made up, since a Gateway without any serves nobody."""
    if traffic is None:
        return
    if not traffic["hosts"]:
        traffic["hosts"] = [f"{name}.example.com"]
        draft.placeholder("spec.traffic.hosts", "write the DNS names that clients use")
    draft.spec["traffic"] = traffic


def made_up_traffic(draft: Draft, name: str, why: str) -> None:
    """Make up a host and a Gateway."""
    draft.spec["traffic"] = {"hosts": [f"{name}.example.com"], "istio": {"gateways": ["public"]}}
    draft.placeholder("spec.traffic.hosts", f"{why}: write the DNS names that clients use")
    draft.placeholder("spec.traffic.istio.gateways", "write the Istio Gateways that have these hosts")


def _gateways(draft: Draft, source: Original, place: Place) -> list[str]:
    """Read Istio Gateways; an in-cluster name becomes namespace/name."""
    found = []
    for index in source.items(*place):
        name = source.text(*place, index) or ""
        if name.endswith(_IN_CLUSTER) and name.count(".") == 4:
            gateway, namespace = name.split(".")[:2]
            name = f"{namespace}/{gateway}"
        if name != MESH and fitting(GatewayName, name) is not None:
            found.append(name)
        elif name != MESH:
            draft.lost((*place, index), f"{name} is not name, or namespace/name", of=source)
    return found


def _hosts(draft: Draft, source: Original, place: Place, most: int) -> list[str]:
    found: list[str] = []
    for index in source.items(*place):
        host = source.text(*place, index) or ""
        if most == 0:
            draft.lost((*place, index), "is not on a Gateway: callers in the mesh use the Service's name", of=source)
        elif host.endswith(_IN_CLUSTER) or fitting(Host, host) is None:
            why = "callers in the mesh use the Service's name" if host.endswith(_IN_CLUSTER) else "no DNS name"
            draft.lost((*place, index), f"{host}: {why}", of=source)
        elif host not in found and len(found) < most:
            found.append(host)
        elif host not in found:
            draft.lost((*place, index), f"{host}: there are more than {most} hosts: use a wildcard", of=source)
    return found


def _parents(draft: Draft, source: Original, place: Place) -> list[Json]:
    found = []
    for index in source.items(*place):
        one = (*place, index)
        kind = source.text(*one, "kind") or "Gateway"
        source.take(*one, "group")
        written = fitting(ParentRef, source.look(*one))
        if kind != "Gateway" or written is None:
            draft.lost(one, f"is a {kind}: a route is bound to Gateways", of=source)
        else:
            source.take_like(one, written)
            found.append(written)
    return found


def _first(draft: Draft, values: Iterable[Any], most: int, field: str) -> list[Any]:
    """Give each value once, as many as the field may have."""
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    if len(kept) > most:
        draft.note(field, f"has the first {most} of {len(kept)}")
    return kept[:most]
