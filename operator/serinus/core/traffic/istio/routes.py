"""A split as VirtualServices, and back.

The user's hosts go only on the user's gateways. Callers in the mesh have a route of their own, for the root Service's
name only: every pod in the cluster sees the mesh's hosts, and nobody may claim another's there.

The route has both revisions from the moment both exist, even at weight 0: a gateway limited to the clusters that its
routes name (PILOT_FILTER_GATEWAY_CLUSTER_CONFIG) then knows the canary's cluster before its first weight. Envoy itself
gets no entry of weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.api.traffic import Traffic
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.names import CLUSTER_DOMAIN, MESH, service_fqdn
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.hosts import route_hosts
from serinus.core.traffic.istio.matches import read_match_of, render_match
from serinus.core.traffic.istio.settings import (
    PATH_HEADER,
    read_settings,
    render_below,
    render_header,
    render_settings,
    render_uris,
)
from serinus.core.traffic.paths import grpc_paths, http_paths
from serinus.core.traffic.settings import COHORT, GRPC_RULE, RuleSettings

MESH_SUFFIX: Final = ".mesh"
"""Ends the name of the mesh's VirtualService. No ModelDeployment's name has a dot, so no other one's route has it."""


@dataclass(frozen=True)
class MeshConfig:
    """What the administrator says of the mesh: the cluster's domain, and to which namespaces routes are exported."""

    domain: str = CLUSTER_DOMAIN
    export_to: tuple[str, ...] = ()


MESH_CONFIG: Final = MeshConfig()


def route_name(name: str, *, mesh: bool) -> str:
    """Name the VirtualService for the user's gateways, or that for the mesh."""
    return f"{name}{MESH_SUFFIX}" if mesh else name


def route_gateways(traffic: Traffic | None) -> tuple[str, ...]:
    """List the user's gateways; the mesh is none of them: it has a route of its own, and none of the user's hosts."""
    named = (traffic.istio.gateways if traffic and traffic.istio else None) or ()
    return tuple(gateway for gateway in named if gateway != MESH)


def render_virtual_services(
    owner: Owner,
    *,
    traffic: Traffic | None,
    split: Split,
    mesh: bool,
    config: MeshConfig = MESH_CONFIG,
    interface: Interface = OPEN_INFERENCE,
) -> tuple[Json, ...]:
    """Render every route of a ModelDeployment: that of the user's gateways, and that of the mesh, where it is on."""
    outside = bool(route_gateways(traffic)) or bool(traffic and traffic.is_delegate)
    wanted = (*((False,) if outside else ()), *((True,) if mesh else ()))
    return tuple(
        render_virtual_service(owner, traffic=traffic, split=split, mesh=one, config=config, interface=interface)
        for one in wanted
    )


def render_virtual_service(
    owner: Owner,
    *,
    traffic: Traffic | None,
    split: Split,
    mesh: bool,
    config: MeshConfig = MESH_CONFIG,
    interface: Interface = OPEN_INFERENCE,
) -> Json:
    """Render the route for callers in the mesh, with the root Service's name alone, or that of the user's gateways.

    The mesh's names one model, so its paths have no prefix. Raises ValueError where there is no gateway: Istio would
    take the mesh.
    """
    asked = traffic.model_copy(update={"path_prefix": None}) if mesh and traffic else traffic
    settings = RuleSettings.of(asked, interface)
    exported = {"exportTo": list(config.export_to)} if config.export_to else {}
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.name,
        "metadata": owner.metadata(route_name(owner.name, mesh=mesh)),
        "spec": {
            **_binding(owner, traffic, mesh=mesh, domain=config.domain),
            **exported,
            "http": _rules(Destinations(owner.namespace, config.domain, split), settings),
        },
    }


def _binding(owner: Owner, traffic: Traffic | None, *, mesh: bool, domain: str) -> Json:
    """Render what a route is bound to.

    A delegate has what its root has: its own lists are empty, and not left out, so that they stay ours.
    """
    if traffic and traffic.is_delegate and not mesh:
        return {"hosts": [], "gateways": []}
    gateways = (MESH,) if mesh else route_gateways(traffic)
    if not gateways:
        raise ValueError("a route needs a gateway: Istio reads none as the mesh")
    return {"hosts": list(route_hosts(owner, None if mesh else traffic, domain)), "gateways": list(gateways)}


def resplit(owner: Owner, route: Json, split: Split, config: MeshConfig = MESH_CONFIG) -> Json:
    """Render a route of ours with the hosts, gateways and settings that it has, and another split."""
    settings = read_settings(route["spec"].get("http") or ())
    http = _rules(Destinations(owner.namespace, config.domain, split), settings)
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.name,
        "metadata": owner.metadata(route["metadata"]["name"]),
        "spec": {**route["spec"], "http": http},
    }


def read_split(manifest: Json) -> Split | None:
    """Read the split that a VirtualService carries; None when its rules are not what we render for any split."""
    try:
        rules = manifest["spec"]["http"]
        found = _read_destinations(rules, manifest["metadata"]["namespace"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found.split if rules == _rules(found, read_settings(rules)) else None


@dataclass(frozen=True)
class Destinations:
    """A split, and how the Services that it names are called in full."""

    namespace: str
    domain: str
    split: Split

    def on(self, port: int, settings: RuleSettings, *, keeps: bool = False) -> list[Json]:
        """Render them with one of their ports; `keeps` says that each keeps the users that it gets."""
        return [self._weighted(name, weight, port, settings, keeps=keeps) for name, weight in self.split.destinations]

    def cohort_on(self, port: int, settings: RuleSettings) -> list[Json]:
        """Render where the requests of the cohort go: to the canary, all of them."""
        return self.all_to(self.split.revisions[-1], port, settings)

    def all_to(self, name: str, port: int, settings: RuleSettings) -> list[Json]:
        """Render one of them alone."""
        return [self._weighted(name, FULL_WEIGHT, port, settings)]

    def copies_on(self, port: int) -> Json:
        """Render where copies go, if any are made."""
        if not self.split.mirror:
            return {}
        to = self._of(self.split.revisions[-1], port)
        return {"mirrors": [{"destination": to, "percentage": {"value": self.split.mirror}}]}

    def _weighted(self, name: str, weight: int, port: int, settings: RuleSettings, *, keeps: bool = False) -> Json:
        headers = render_header(name, settings, keeps=self.split if keeps else None)
        return {"destination": self._of(name, port), "weight": weight, **headers}

    def _of(self, name: str, port: int) -> Json:
        return {"host": service_fqdn(self.namespace, name, self.domain), "port": {"number": port}}


def _rules(to: Destinations, settings: RuleSettings) -> list[Json]:
    """Render a rule for gRPC, known by its paths, and one for the rest; what neither admits is answered 404.

    The same two for the cohort come first, then the users that a revision keeps: the first rule that matches has the
    request. Clients of gRPC keep no cookies.
    """
    keeps = settings.keeps_users(to.split)
    protocols = _protocols(settings)
    rules = [
        _rule(name, matches, to.on(port, settings, keeps=keeps and port == HTTP_PORT), to.copies_on(port))
        for name, matches, port in protocols
    ]
    if keeps:
        rules = [*_kept(to, protocols[-1][1] or [{}], settings), *rules]
    if to.split.matches:
        headers = [render_match(match) for match in to.split.matches]
        cohort = [
            _rule(f"{name}{COHORT}", _with_headers(matches or [{}], headers), to.cohort_on(port, settings))
            for name, matches, port in protocols
        ]
        rules = [*cohort, *rules]
    return [{**rule, **render_settings(settings)} for rule in rules]


def _protocols(settings: RuleSettings) -> list[tuple[str, list[Json], int]]:
    """List what is routed: name, matches, and the port of its Services; HTTP, which may be the rest, is last."""
    if settings.prefix:
        return [("http", [render_below(settings)], HTTP_PORT)]
    grpc = render_uris(grpc_paths(settings.interface, all_paths=settings.all_paths))
    http = render_uris(http_paths(settings.interface, all_paths=settings.all_paths))
    return [*([(GRPC_RULE, grpc, GRPC_PORT)] if grpc else []), ("http", http, HTTP_PORT)]


def _kept(to: Destinations, http: list[Json], settings: RuleSettings) -> list[Json]:
    """Render a rule for the users of each revision."""
    assert settings.affinity is not None
    kept = [(name, render_match(settings.affinity.match(name, to.split))) for name in to.split.revisions]
    return [
        _rule(f"http-{name}", _with_headers(http, [header]), to.all_to(name, HTTP_PORT, settings))
        for name, header in kept
    ]


def _rule(name: str, match: list[Json], route: list[Json], copies: Json | None = None) -> Json:
    matched = {"match": match} if match else {}
    return {"name": name, **matched, "route": route, **(copies or {})}


def _with_headers(paths: list[Json], headers: list[Json]) -> list[Json]:
    return [{**path, "headers": {**path.get("headers", {}), **each}} for each in headers for path in paths]


def _read_destinations(rules: list[Json], namespace: str) -> Destinations:
    """Read Services of a namespace and what each is shown; raises ValueError for anything else."""
    between = f".{namespace}.svc."
    weights, domains = [], set()
    for entry in rules[-1]["route"]:
        name, found, domain = entry["destination"]["host"].partition(between)
        if not found:
            raise ValueError(f"{name} is no Service of {namespace}")
        weights.append((name, entry["weight"]))
        domains.add(domain)
    (domain,) = domains
    cohort: list[Json] = rules[0]["match"] if rules[0]["name"].endswith(COHORT) else []
    first = [entry["headers"] for entry in cohort if entry.get("uri") == cohort[0].get("uri")]
    headers = [{name: value for name, value in one.items() if name != PATH_HEADER} for one in first]
    mirror = rules[-1]["mirrors"][0]["percentage"]["value"] if "mirrors" in rules[-1] else 0
    return Destinations(namespace, domain, Split.read(tuple(weights), tuple(map(read_match_of, headers)), mirror))
