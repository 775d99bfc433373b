"""From a Rollout's trafficRouting to hosts and gateways: those of the VirtualServices or the HTTPRoute it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from serinus.cli.convert.draft import Draft
from serinus.cli.convert.original import Original, Place
from serinus.cli.convert.routes import gateway_traffic, istio_traffic, joined, made_up_traffic, set_traffic
from serinus.cli.convert.rule_settings import Rule, add_settings

ROUTING: Final[Place] = ("spec", "strategy", "canary", "trafficRouting")
GATEWAY_API: Final[Place] = (*ROUTING, "plugins", "argoproj-labs/gatewayAPI")
NOT_OURS: Final = "traffic is split by Istio or the Gateway API only: name hosts and Gateways under spec.traffic"
BY_PODS: Final = (
    "left out, so callers in the mesh only: without trafficRouting Argo Rollouts splits by the number of pods, and here"
    " Istio or the Gateway API splits requests: name hosts and Gateways under spec.traffic"
)
BY_SERVICE: Final = (
    "left out, so callers in the mesh only: Argo Rollouts switches a Service, and here routes are switched: name hosts"
    " and Gateways under spec.traffic"
)


def argo_traffic(draft: Draft, name: str) -> None:
    """Write the traffic."""
    original = draft.original
    if original.look("spec", "strategy", "blueGreen") is not None:
        draft.note("spec.traffic", BY_SERVICE)
        return
    if original.look(*ROUTING) is None:
        draft.note("spec.traffic", BY_PODS)
        return
    original.take(*ROUTING, "managedRoutes")
    if original.look(*ROUTING, "istio") is not None:
        _istio(draft, name)
    elif original.look(*ROUTING, "plugins") is not None and original.look(*GATEWAY_API) is not None:
        _gateway_api(draft, name)
    for router in original.keys(*ROUTING):
        if router not in {"istio", "plugins", "managedRoutes", "maxTrafficWeight"}:
            draft.lost((*ROUTING, router), NOT_OURS)
    for plugin in original.keys(*ROUTING, "plugins"):
        if plugin != GATEWAY_API[-1]:
            draft.lost((*ROUTING, "plugins", plugin), NOT_OURS)


def _istio(draft: Draft, name: str) -> None:
    """Read the VirtualServices that are in the file."""
    place: Place = (*ROUTING, "istio")
    places = [(*place, "virtualService")] if draft.original.look(*place, "virtualService") is not None else []
    places += [(*place, "virtualServices", index) for index in draft.original.items(*place, "virtualServices")]
    parts, missing, rules = [], [], []
    for one in places:
        wanted = draft.original.text(*one, "name") or ""
        named = [draft.original.text(*one, "routes", index) for index in draft.original.items(*one, "routes")]
        found = draft.find(wanted.partition(".")[0], "VirtualService")
        if found is None:
            missing.append(wanted)
            continue
        rules += _rules(found, "http", named)
        parts.append(istio_traffic(draft, found, ("spec", "hosts"), ("spec", "gateways")))
    traffic = joined(draft, (part for part in parts if part is not None))
    for wanted in missing if traffic is not None else ():
        draft.note("spec.traffic", f"VirtualService {wanted} is not in the file: add its hosts and gateways")
    if traffic is None and missing:
        made_up_traffic(draft, name, f"VirtualService {missing[0]} is not in the file")
    set_traffic(draft, traffic, name)
    add_settings(draft, rules)


def _rules(route: Original, field: str, named: Sequence[object] = ()) -> list[Rule]:
    """Give the rules of a route that Argo Rollouts changes: those that are named, or all."""
    places: list[Place] = [("spec", field, index) for index in route.items("spec", field)]
    rules = [(place, route.look(*place)) for place in places]
    wanted = [place for place, one in rules if isinstance(one, dict) and (not named or one.get("name") in named)]
    # What is read of a rule is read of a copy: the rules as a whole have no equal, and one line says so.
    return [(Original(route.content), place) for place in wanted]


def _gateway_api(draft: Draft, name: str) -> None:
    """Read the first HTTPRoute; both revisions have one route."""
    original = draft.original
    original.take(*GATEWAY_API, "namespace")
    wanted = original.text(*GATEWAY_API, "httpRoute")
    if wanted is None and original.items(*GATEWAY_API, "httpRoutes"):
        wanted = original.text(*GATEWAY_API, "httpRoutes", 0, "name")
    found = draft.find(wanted or "", "HTTPRoute")
    if found is None:
        why = f"(HTTPRoute {wanted}) is not in the file: write provider: gatewayAPI and its parentRefs in spec.traffic"
        draft.lost(GATEWAY_API, why)
        return
    set_traffic(draft, gateway_traffic(draft, found, ("spec", "hostnames"), ("spec", "parentRefs")), name)
    add_settings(draft, _rules(found, "rules"))
