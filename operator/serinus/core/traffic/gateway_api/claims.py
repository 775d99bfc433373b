"""What HTTPRoutes claim, what Gateways listen for, and what their controllers say about both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from serinus.core.model.identity import Key, is_ours
from serinus.core.model.kinds import GATEWAY, HTTP_ROUTE, SERVICE, Json
from serinus.core.model.names import CLUSTER_DOMAIN, EVERYTHING, service_fqdn
from serinus.core.model.snapshot import Unreached
from serinus.core.model.timestamps import from_rfc3339
from serinus.core.traffic.gateway_api.settings import read_settings
from serinus.core.traffic.hosts import EVERY_PATH, ForeignRoute, listener_of
from serinus.core.traffic.listeners import Listener, Listeners
from serinus.core.traffic.regexes import literal_path

_HTTP: Final = frozenset({"HTTP", "HTTPS"})
_REFUSING: Final = ("Accepted", "ResolvedRefs")
"""Conditions of a route and of a listener: while one is False, requests do not arrive."""
_HARMLESS: Final = frozenset({"AddressNotAssigned", "Pending"})
"""Reasons for which a Gateway is not programmed yet, and may serve all the same: a load balancer never gives one."""


def tie(key: Key) -> str:
    """Say what breaks a tie of two routes of one age: the API takes the first by namespace and name."""
    return f"{key.namespace}/{key.name}"


def read_foreign_route(manifest: Json, domain: str = CLUSTER_DOMAIN) -> ForeignRoute:
    """Read what an HTTPRoute claims on Gateways; one without hostnames claims all of them."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    namespace, rules = metadata["namespace"], spec.get("rules") or ()
    ours = is_ours(manifest)
    return ForeignRoute(
        kind=HTTP_ROUTE.name,
        key=Key(namespace, metadata["name"]),
        hosts=frozenset(spec.get("hostnames") or (EVERYTHING,)),
        gateways=frozenset(gateway for gateway, _ in _gateways(spec, namespace)),
        listeners=frozenset(listener_of(gateway, section) for gateway, section in _gateways(spec, namespace)),
        created=from_rfc3339(metadata["creationTimestamp"]),
        paths=read_settings(rules).claims if ours else _paths(rules),
        managed=ours,
        services=frozenset() if ours else frozenset(_services(rules, namespace, domain)),
    )


def _paths(rules: Sequence[Json]) -> frozenset[str]:
    """List what paths begin with; a prefix is whole elements here."""
    matches: list[Json] = [match for rule in rules for match in rule.get("matches") or [{}]]
    return frozenset(_begins(match.get("path") or {}) for match in matches) or EVERY_PATH


def _begins(path: Json) -> str:
    value, kind = str(path.get("value") or "/"), path.get("type", "PathPrefix")
    if kind == "RegularExpression":
        return literal_path(value)
    return value if kind == "Exact" else f"{value.rstrip('/')}/"


def _services(rules: Iterable[Json], namespace: str, domain: str) -> Iterator[str]:
    for rule in rules:
        for to in rule.get("backendRefs") or ():
            if to.get("kind", SERVICE.name) == SERVICE.name:
                yield service_fqdn(str(to.get("namespace") or namespace), str(to["name"]), domain)


def _gateways(spec: Json, namespace: str) -> Iterator[tuple[str, str | None]]:
    """Give each Gateway with the listener that a route is bound to; None is all of them."""
    for parent in spec.get("parentRefs") or ():
        if parent.get("kind", GATEWAY.name) == GATEWAY.name:
            yield f"{parent.get('namespace', namespace)}/{parent['name']}", parent.get("sectionName")


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


def route_refusal(route: Json) -> Unreached | None:
    """Say in its controller's words why a Gateway does not carry out our route; None when none has said so.

    A route that is new has no answer for a moment: who never answers is told by the Gateway itself. What was said of
    an earlier route, or of a Gateway that it is bound to no more, says nothing.
    """
    refusals = {parent: _refusal(conditions, _REFUSING) for parent, conditions in _answers(route).items()}
    refused = {parent: words for parent, words in refusals.items() if words}
    if not refused:
        return None
    parent, words = next(iter(sorted(refused.items())))
    text = f"Gateway {parent[0]}/{parent[1]} refuses HTTPRoute {route['metadata']['name']}: {words}"
    return Unreached("RouteNotAccepted", text, served=len(refused) < len(_parents(route)))


def is_accepted(route: Json) -> bool:
    """Whether every Gateway that a route is bound to has taken it as it is."""
    answers = _answers(route)
    return all(
        any((one["type"], one["status"]) == ("Accepted", "True") for one in answers.get(parent, ()))
        for parent in _parents(route)
    )


Parent = tuple[str, str, str, int]
"""Namespace, name, section (empty: all of them) and port (0: all of them)."""


def _parents(route: Json) -> list[Parent]:
    return [_parent(one, route) for one in route["spec"].get("parentRefs") or ()]


def _parent(given: Json, route: Json) -> Parent:
    namespace = str(given.get("namespace") or route["metadata"]["namespace"])
    return namespace, str(given["name"]), str(given.get("sectionName") or ""), int(given.get("port") or 0)


def _answers(route: Json) -> dict[Parent, list[Json]]:
    """List the conditions of what it is bound to, as far as they are of the route as it is now."""
    bound, generation = _parents(route), route["metadata"].get("generation", 0)
    found: dict[Parent, list[Json]] = {}
    for answer in (route.get("status") or {}).get("parents") or ():
        parent, told = _parent(answer["parentRef"], route), answer.get("conditions") or ()
        if parent in bound:
            current = [one for one in told if one.get("observedGeneration", generation) >= generation]
            found.setdefault(parent, []).extend(current)
    return found


def _refusal(conditions: object, types: tuple[str, ...]) -> str:
    assert isinstance(conditions, list | tuple)
    found: Mapping[str, Json] = {one["type"]: one for one in conditions}
    for wanted in types:
        condition = found.get(wanted)
        if condition is not None and condition["status"] == "False" and condition["reason"] not in _HARMLESS:
            return f"{condition['reason']}: {condition['message']}".rstrip(": ")
    return ""
