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
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.gateway_api.matches import (
    paths_below,
    read_header,
    render_header,
    render_paths,
    render_rewrite,
)
from serinus.core.traffic.gateway_api.settings import read_settings, render_answers, render_settings
from serinus.core.traffic.hosts import route_hosts
from serinus.core.traffic.paths import grpc_paths, http_paths
from serinus.core.traffic.settings import COHORT, GRPC_RULE, RuleSettings

GROUP = GATEWAY.api_version.partition("/")[0]


def parent_refs(traffic: Traffic | None) -> tuple[ParentRef, ...]:
    """List the gateways, or listeners of them, that the route is bound to."""
    return traffic.gateway_api.parent_refs if traffic and traffic.gateway_api else ()


def render_http_route(
    owner: Owner,
    *,
    traffic: Traffic | None,
    split: Split,
    domain: str = CLUSTER_DOMAIN,
    interface: Interface = OPEN_INFERENCE,
) -> Json:
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
            "rules": _rules(split, RuleSettings.of(traffic, interface)),
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
    """What has a rule of its own: its name, its paths as matches, the port of its Services, and what is done to paths.

    `narrow` says that a rule has but one match, and so each header one of its own.
    """

    name: str
    paths: Sequence[Json]
    port: int
    rewrite: tuple[Json, ...] = ()

    @property
    def narrow(self) -> bool:
        return bool(self.rewrite)

    def rule(self, name: str, backends: list[Json], headers: Sequence[Json] = (), filters: Sequence[Json] = ()) -> Json:
        """Render a rule for its paths, each with each of the headers."""
        matches = [{**path, "headers": [header]} for header in headers for path in self.paths] or list(self.paths)
        done = [*self.rewrite, *filters]
        return {"name": name, "matches": matches, "backendRefs": backends, **({"filters": done} if done else {})}


def _rules(split: Split, settings: RuleSettings) -> list[Json]:
    """Render a rule for gRPC, known by its paths, and one for the rest; the same two for the cohort, with headers.

    A cohort goes before the users that a revision keeps: of matches that are alike the first one has the request.
    Clients of gRPC keep no cookies.
    """
    protocols = _protocols(settings)
    cohort = [rule for protocol in _for_users(protocols) for rule in _cohort_rules(split, protocol, settings)]
    kept = [_kept_rule(name, split, protocols[-1], settings) for name in split.revisions if settings.keeps_users(split)]
    general = [
        _general_rule(split, protocol, settings, keeps=bool(kept) and protocol is protocols[-1])
        for protocol in protocols
    ]
    rules = [*cohort, *kept, *general]
    return [{**rule, **render_settings(settings)} for rule in rules]


def _protocols(settings: RuleSettings) -> tuple[_Protocol, ...]:
    """List what is routed, the inference over HTTP last."""
    if settings.prefix:
        return tuple(
            _Protocol(below.name, [below.match], HTTP_PORT, (render_rewrite(below),))
            for below in paths_below(settings.prefix, settings.interface, all_paths=settings.all_paths)
        )
    grpc = grpc_paths(settings.interface, all_paths=settings.all_paths)
    http = http_paths(settings.interface, all_paths=settings.all_paths)
    called = (_Protocol(GRPC_RULE, render_paths(grpc), GRPC_PORT),) if grpc else ()
    return (*called, _Protocol("http", render_paths(http), HTTP_PORT))


def _for_users(protocols: tuple[_Protocol, ...]) -> tuple[_Protocol, ...]:
    """List what has rules for a cohort: below a prefix inference alone, because a route has no more than 16 rules."""
    return protocols[-1:] if protocols[-1].narrow else protocols


def _general_rule(split: Split, protocol: _Protocol, settings: RuleSettings, *, keeps: bool) -> Json:
    drawn = split if keeps else None
    backends = [_weighted(name, weight, protocol, settings, keeps=drawn) for name, weight in split.destinations]
    if not split.mirror:
        return protocol.rule(protocol.name, backends)
    copies = {"backendRef": _backend(split.revisions[-1], protocol.port), "percent": split.mirror}
    return protocol.rule(protocol.name, backends, filters=[{"type": "RequestMirror", "requestMirror": copies}])


def _cohort_rules(split: Split, protocol: _Protocol, settings: RuleSettings) -> list[Json]:
    if not split.matches:
        return []
    headers = [render_header(match) for match in split.matches]
    backends = [_weighted(split.revisions[-1], FULL_WEIGHT, protocol, settings)]
    if protocol.narrow:
        return [
            protocol.rule(f"{protocol.name}-{number}{COHORT}", backends, [header])
            for number, header in enumerate(headers)
        ]
    return [protocol.rule(f"{protocol.name}{COHORT}", backends, headers)]


def _kept_rule(revision: str, split: Split, protocol: _Protocol, settings: RuleSettings) -> Json:
    """Render the rule of the users that a revision keeps."""
    assert settings.affinity is not None
    header = render_header(settings.affinity.match(revision, split))
    return protocol.rule(
        f"{protocol.name}-{revision}", [_weighted(revision, FULL_WEIGHT, protocol, settings)], [header]
    )


def _weighted(
    name: str, weight: int, protocol: _Protocol, settings: RuleSettings, *, keeps: Split | None = None
) -> Json:
    answers = render_answers(name, settings, keeps=keeps)
    return {**_backend(name, protocol.port), "weight": weight, **answers}


def _backend(name: str, port: int) -> Json:
    return {"group": "", "kind": "Service", "name": name, "port": port}


def _read(rules: list[Json]) -> Split:
    """Read a split; raises one of several errors for what is none."""
    *before, general = rules
    weights = tuple((entry["name"], entry["weight"]) for entry in general["backendRefs"])
    copies = [one["requestMirror"]["percent"] for one in general.get("filters") or () if "requestMirror" in one]
    cohort = [rule for rule in before if rule["name"].startswith("http") and rule["name"].endswith(COHORT)]
    return Split.read(weights, _read_matches(cohort), copies[0] if copies else 0)


def _read_matches(cohort: list[Json]) -> tuple[Match, ...]:
    entries = [entry for rule in cohort for entry in rule["matches"]]
    return tuple(read_header(entry["headers"][0]) for entry in entries if entry["path"] == entries[0]["path"])
