"""What HTTPRoutes claim, what Gateways listen for, and what their controllers say about both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from serinus.core.model.identity import Key
from serinus.core.model.kinds import GATEWAY, HTTP_ROUTE, Json
from serinus.core.model.names import EVERYTHING
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.hosts import ForeignRoute
from serinus.core.traffic.listeners import Listener, Listeners

_HTTP: Final = frozenset({"HTTP", "HTTPS"})
_REFUSING: Final = ("Accepted", "ResolvedRefs")
"""Conditions of a route and of a listener: while one is False, requests do not arrive."""
_HARMLESS: Final = frozenset({"AddressNotAssigned", "Pending"})
"""Reasons for which a Gateway is not programmed yet, and may serve all the same: a load balancer never gives one."""


def tie(key: Key) -> str:
    """Say what breaks a tie of two routes of one age: the API takes the first by namespace and name."""
    return f"{key.namespace}/{key.name}"


def read_foreign_route(manifest: Json) -> ForeignRoute:
    """Read what an HTTPRoute claims on Gateways; one without hostnames claims all of them."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    namespace = metadata["namespace"]
    return ForeignRoute(
        kind=HTTP_ROUTE.name,
        key=Key(namespace, metadata["name"]),
        hosts=frozenset(spec.get("hostnames") or (EVERYTHING,)),
        gateways=frozenset(_gateways(spec, namespace)),
        created=from_rfc3339(metadata["creationTimestamp"]),
    )


def _gateways(spec: Json, namespace: str) -> Iterator[str]:
    for parent in spec.get("parentRefs") or ():
        if parent.get("kind", GATEWAY.name) == GATEWAY.name:
            yield f"{parent.get('namespace', namespace)}/{parent['name']}"


def read_listeners(manifest: Json) -> Listeners:
    """Read what a Gateway listens for by HTTP, and for which of it the controller says that it cannot."""
    place, spec = manifest["metadata"]["namespace"], manifest.get("spec") or {}
    status = manifest.get("status") or {}
    refused = _untaken(manifest) or _refusal(status.get("conditions") or (), ("Accepted", "Programmed"))
    troubles = {one["name"]: _refusal(one.get("conditions") or (), _REFUSING) for one in status.get("listeners") or ()}
    return frozenset(
        Listener(
            _admitted(listener, place),
            str(listener.get("hostname") or EVERYTHING).lower(),
            _told(f"Gateway {place}/{manifest['metadata']['name']}", refused)
            or _told(f"listener {listener['name']}", troubles.get(listener["name"], "")),
        )
        for listener in spec.get("listeners") or ()
        if listener.get("protocol") in _HTTP
    )


def _untaken(gateway: Json) -> str:
    """Say that no controller has taken a Gateway: until one does, the API server's own condition is Unknown."""
    conditions = (gateway.get("status") or {}).get("conditions") or ()
    waits = any((one["type"], one["status"]) == ("Accepted", "Unknown") for one in conditions)
    named = gateway["spec"].get("gatewayClassName", "")
    return f"no controller has taken it: check its gatewayClassName ({named})" if waits else ""


def _admitted(listener: Json, place: str) -> str:
    """Tell whose routes a listener takes; what a selector selects is not known here, and the route is told of it."""
    wanted = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
    return place if wanted == "Same" else EVERYTHING


def _told(who: str, refusal: str) -> str:
    return f"{who}: {refusal}" if refusal else ""


def route_refusal(route: Json) -> str:
    """Say in its controller's words why a Gateway does not carry out our route; empty when none has said so.

    A route that is new has no answer for a moment: who never answers is told by the Gateway itself.
    """
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    answers = (route.get("status") or {}).get("parents") or ()
    for answer in answers:
        refusal = _refusal(answer.get("conditions") or (), _REFUSING)
        if refusal:
            parent = answer["parentRef"]
            gateway = f"{parent.get('namespace', namespace)}/{parent['name']}"
            return f"Gateway {gateway} refuses HTTPRoute {name}: {refusal}"
    return ""


def _refusal(conditions: object, types: tuple[str, ...]) -> str:
    assert isinstance(conditions, list | tuple)
    found: Mapping[str, Json] = {one["type"]: one for one in conditions}
    for wanted in types:
        condition = found.get(wanted)
        if condition is not None and condition["status"] == "False" and condition["reason"] not in _HARMLESS:
            return f"{condition['reason']}: {condition['message']}".rstrip(": ")
    return ""
