"""A split as an HTTPRoute, and back.

One route carries HTTP and gRPC: the API accepts only one of an HTTPRoute and a GRPCRoute where their hostnames
intersect on a listener, and one object is one write. Everything that the API server would fill in is written out, so
that what is read is what was rendered.

The API has no retries in its standard channel: how often a gateway tries again is its own business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serinus.api.gateway_api import ParentRef
from serinus.api.traffic import Traffic
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import GATEWAY, HTTP_ROUTE, Json
from serinus.core.model.matches import Match
from serinus.core.model.names import CLUSTER_DOMAIN
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT
from serinus.core.model.split import Split
from serinus.core.traffic.gateway_api.matches import read_header, render_header, render_paths
from serinus.core.traffic.gateway_api.settings import read_settings, render_answers, render_settings
from serinus.core.traffic.hosts import route_hosts
from serinus.core.traffic.paths import grpc_paths, http_paths
from serinus.core.traffic.settings import RuleSettings

GROUP = GATEWAY.api_version.partition("/")[0]


def parent_refs(traffic: Traffic | None) -> tuple[ParentRef, ...]:
    """List the gateways, or listeners of them, that the route is bound to."""
    return traffic.gateway_api.parent_refs if traffic and traffic.gateway_api else ()


def render_http_route(owner: Owner, *, traffic: Traffic | None, split: Split, domain: str = CLUSTER_DOMAIN) -> Json:
    """Render the route.

    Raises ValueError where it is bound to nothing: no gateway would carry it out.
    """
    parents = parent_refs(traffic)
    if not parents:
        raise ValueError("a route needs a gateway: an HTTPRoute without parentRefs serves nobody")
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": owner.metadata(owner.name),
        "spec": {
            "parentRefs": [_parent(parent) for parent in parents],
            "hostnames": [host.lower() for host in route_hosts(owner, traffic, domain)],
            "rules": _rules(split, RuleSettings.of(traffic)),
        },
    }


def resplit(owner: Owner, route: Json, split: Split) -> Json:
    """Render a route of ours with the hosts, gateways and settings that it has, and another split."""
    settings = read_settings(route["spec"].get("rules") or ())
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": owner.metadata(route["metadata"]["name"]),
        "spec": {**route["spec"], "rules": _rules(split, settings)},
    }


def read_split(manifest: Json) -> Split | None:
    """Read the split that an HTTPRoute carries; None when its rules are not what we render for any split."""
    try:
        rules = manifest["spec"]["rules"]
        found = _read(rules)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found if rules == _rules(found, read_settings(rules)) else None


def _parent(parent: ParentRef) -> Json:
    given = {"namespace": parent.namespace, "sectionName": parent.section_name, "port": parent.port}
    present = {field: value for field, value in given.items() if value is not None}
    return {"group": GROUP, "kind": GATEWAY.name, "name": parent.name, **present}


@dataclass(frozen=True)
class _Protocol:
    """One of the two: its name, its paths as matches, and the port of its Services."""

    name: str
    paths: Sequence[Json]
    port: int


def _rules(split: Split, settings: RuleSettings) -> list[Json]:
    """Render a rule for gRPC, known by its paths, and one for the rest; the same two for the cohort, with headers.

    A cohort goes before the users that a revision keeps: of matches that are alike the first one has the request.
    Clients of gRPC keep no cookies.
    """
    protocols = (
        _Protocol("grpc", render_paths(grpc_paths(all_paths=settings.all_paths)), GRPC_PORT),
        _Protocol("http", render_paths(http_paths(all_paths=settings.all_paths)), HTTP_PORT),
    )
    cohort = [_cohort_rule(split, protocol, settings) for protocol in protocols] if split.matches else []
    kept = [_kept_rule(name, protocols[-1], settings) for name in split.revisions if settings.keeps_users(split)]
    rules = [*cohort, *kept, *(_general_rule(split, protocol, settings) for protocol in protocols)]
    return [{**rule, **render_settings(settings)} for rule in rules]


def _general_rule(split: Split, protocol: _Protocol, settings: RuleSettings) -> Json:
    keeps = settings.keeps_users(split) and protocol.port == HTTP_PORT
    backends = [_weighted(name, weight, protocol, settings, keeps=keeps) for name, weight in split.destinations]
    rule = {"name": protocol.name, "matches": list(protocol.paths), "backendRefs": backends}
    if not split.mirror:
        return rule
    copies = {"backendRef": _backend(split.revisions[-1], protocol.port), "percent": split.mirror}
    return {**rule, "filters": [{"type": "RequestMirror", "requestMirror": copies}]}


def _cohort_rule(split: Split, protocol: _Protocol, settings: RuleSettings) -> Json:
    headers = [render_header(match) for match in split.matches]
    return {
        "name": f"{protocol.name}-cohort",
        "matches": [{**path, "headers": [header]} for header in headers for path in protocol.paths],
        "backendRefs": [_weighted(split.revisions[-1], FULL_WEIGHT, protocol, settings)],
    }


def _kept_rule(revision: str, protocol: _Protocol, settings: RuleSettings) -> Json:
    """Render the rule of the users that a revision keeps."""
    assert settings.affinity is not None
    header = render_header(settings.affinity.match(revision))
    return {
        "name": f"{protocol.name}-{revision}",
        "matches": [{**path, "headers": [header]} for path in protocol.paths],
        "backendRefs": [_weighted(revision, FULL_WEIGHT, protocol, settings)],
    }


def _weighted(name: str, weight: int, protocol: _Protocol, settings: RuleSettings, *, keeps: bool = False) -> Json:
    answers = render_answers(name, settings, keeps=keeps)
    return {**_backend(name, protocol.port), "weight": weight, **answers}


def _backend(name: str, port: int) -> Json:
    return {"group": "", "kind": "Service", "name": name, "port": port}


def _read(rules: list[Json]) -> Split:
    """Read a split; raises one of several errors for what is none."""
    *before, general = rules
    weights = tuple((entry["name"], entry["weight"]) for entry in general["backendRefs"])
    copies = [entry["requestMirror"]["percent"] for entry in general.get("filters") or ()]
    cohort = [rule for rule in before if rule["name"].endswith("-cohort")]
    return Split.read(weights, _read_matches(cohort[-1]) if cohort else (), copies[0] if copies else 0)


def _read_matches(rule: Json) -> tuple[Match, ...]:
    first = rule["matches"][0]["path"]
    return tuple(read_header(entry["headers"][0]) for entry in rule["matches"] if entry["path"] == first)
