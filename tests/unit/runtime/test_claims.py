"""Why what git asks for may not be tried: the configuration, and what others claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.identity import Key
from serinus.core.model.kinds import ISTIO_GATEWAY, MODEL_DEPLOYMENT, VIRTUAL_SERVICE, Json
from serinus.core.model.snapshot import Obstacle
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.traffic.claimants import Claimants
from serinus.core.traffic.hosts import ForeignRoute, OurRoute, host_conflicts
from serinus.core.traffic.istio.provider import Istio
from serinus.runtime.claims import Claims
from serinus.runtime.memory import Memory
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import deployment

ISTIO = Istio(mesh=True)
TENANCY = Tenancy((Grant("ml", hosts=("*.ml.example.com",), sources=("default",)),))


def claims(cache: ObjectCache | None = None) -> Claims:
    return Claims(cache or ObjectCache(), TENANCY, sources=("default", "other"), provider=ISTIO, clock=VirtualClock())


def reasons(traffic: Json | None = None, **analysis: Any) -> list[str]:
    view = deployment(**({"traffic": traffic} if traffic else {}), analysis=analysis)
    return [obstacle.reason for obstacle in claims().obstacles(view, Memory())]


def bound(*hosts: str) -> Json:
    return {"hosts": list(hosts), "istio": {"gateways": ["public"]}}


def metric(source: str | None) -> Json:
    named = {"source": source} if source else {}
    return {"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}, **named}


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        pytest.param(bound("fraud.ml.example.com"), [], id="a host of the namespace"),
        pytest.param(bound("fraud.shop.example.com"), ["HostNotAllowed"], id="a host of another"),
        pytest.param(bound("payments.shop.svc.cluster.local"), ["HostNotAllowed"], id="another's Service"),
        pytest.param({"hosts": ["payments.shop.svc"]}, ["HostNotAllowed"], id="another's Service in the mesh"),
        pytest.param({"hosts": ["fraud.ml.example.com"]}, ["NoGateway"], id="a host on no gateway"),
        pytest.param(
            {"hosts": ["fraud.ml.example.com"], "istio": {"gateways": ["mesh"]}}, ["NoGateway"], id="a host on the mesh"
        ),
        pytest.param({"hosts": [], "istio": {"gateways": ["public"]}}, [], id="a gateway of its own"),
        pytest.param({"istio": {"gateways": ["infra/public"]}}, ["GatewayNotAllowed"], id="a gateway of another"),
        pytest.param({"istio": {"gateways": ["public.infra"]}}, ["GatewayNotAllowed"], id="the same with a dot"),
    ],
)
def test_hosts_and_gateways_are_as_the_configuration_allows(traffic: Json, expected: list[str]) -> None:
    """Per namespace; by default the own Gateways and the mesh."""
    assert reasons(traffic) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [("default", []), ("other", ["SourceNotAllowed"]), ("http://elsewhere", ["SourceUnknown"])],
)
def test_metrics_sources_are_named_by_the_configuration(source: str, expected: list[str]) -> None:
    """A URL never stands in a user's object."""
    if source.startswith("http"):
        source = "elsewhere"
    assert reasons(metrics=[metric(source)]) == expected


@pytest.mark.parametrize("source", [None, "default"], ids=["omitted", "named"])
@pytest.mark.parametrize(("granted", "expected"), [(("*",), []), (("default",), []), ((), ["SourceNotAllowed"])])
def test_the_default_source_is_granted_like_any_other(
    source: str | None, granted: tuple[str, ...], expected: list[str]
) -> None:
    """Whether a metric names it or not."""
    tenancy = Tenancy((Grant("ml", sources=granted),))
    judge = Claims(ObjectCache(), tenancy, sources=("default", "other"), provider=ISTIO, clock=VirtualClock())
    view = deployment(analysis={"metrics": [metric(source)]})
    assert [one.reason for one in judge.obstacles(view, Memory())] == expected


def test_metrics_by_default_ask_the_default_source() -> None:
    """A spec without analysis is watched all the same."""
    judge = Claims(ObjectCache(), Tenancy(()), sources=("default",), provider=ISTIO, clock=VirtualClock())
    view = deployment()
    view = replace(view, spec=view.spec.model_copy(update={"analysis": None}))
    assert {one.reason for one in judge.obstacles(view, Memory())} == {"SourceNotAllowed"}


def test_a_delegate_needs_neither_a_grant_nor_a_gateway() -> None:
    """Its root's owner has both, also where there are no routes for the mesh."""
    view = deployment(traffic={"pathPrefix": "/fraud", "istio": {"delegate": True}})
    for provider in (ISTIO, Istio(mesh=False)):
        judge = Claims(ObjectCache(), TENANCY, sources=("default",), provider=provider, clock=VirtualClock())
        assert list(judge.obstacles(view, Memory())) == []
        assert judge.unreached(view) is None
        assert judge.admitted(view) == view.spec.traffic


def test_a_name_that_somebody_else_holds_is_an_obstacle() -> None:
    """As found when it was to be written."""
    memory = Memory()
    memory.conflicts["Service/fraud"] = Obstacle("NameConflict", "theirs")
    assert [one.reason for one in claims().obstacles(deployment(), memory)] == ["NameConflict"]


HOSTS = st.sampled_from(["a.example.com", "b.example.com", "*.example.com", "*", "*.com", "c.test"])
GATEWAYS = st.sampled_from(["ml/public", "ml/private", "mesh"])
PATHS = st.frozensets(st.sampled_from(["/", "/a", "/a/", "/a/v2", "/a/b/", "/ab/v2", "/b/v2"]), min_size=1, max_size=2)
ROUTES = st.builds(
    ForeignRoute,
    key=st.builds(Key, st.sampled_from(["ml", "shop"]), st.sampled_from(["a", "b", "c", "fraud"])),
    hosts=st.frozensets(HOSTS, max_size=3),
    gateways=st.frozensets(GATEWAYS, min_size=1, max_size=2),
    created=st.integers(0, 3).map(float),
    paths=PATHS,
    managed=st.booleans(),
)
EVENTS = st.lists(st.tuples(st.booleans(), ROUTES), max_size=15)
OURS = st.builds(
    OurRoute,
    key=st.just(Key("ml", "fraud")),
    hosts=st.lists(HOSTS, max_size=2).map(tuple),
    gateways=st.lists(GATEWAYS, max_size=2).map(tuple),
    created=st.sampled_from([None, 1.0, 2.0]),
    paths=PATHS,
    wins_below=st.sampled_from(["", "/a", "/a/b"]),
)


@given(EVENTS, OURS)
def test_the_index_finds_just_what_reading_all_routes_would(
    events: list[tuple[bool, ForeignRoute]], ours: OurRoute
) -> None:
    """Whatever came, changed and went before."""
    index, routes = Claimants(), dict[Key, ForeignRoute]()
    for comes, route in events:
        if comes:
            index.add(route)
            routes[route.key] = route
        else:
            index.drop(route.key)
            routes.pop(route.key, None)
    assert set(host_conflicts(ours, index.beside(ours))) == set(host_conflicts(ours, routes.values()))


def test_the_index_follows_the_cache() -> None:
    """Those that were there before it, and those that come and go."""
    cache = ObjectCache()
    manifest: Json = {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": "VirtualService",
        "metadata": {
            "name": "theirs",
            "namespace": "ml",
            "resourceVersion": "5",
            "creationTimestamp": "2020-01-01T00:00:00Z",
        },
        "spec": {"hosts": ["fraud.ml.example.com"], "gateways": ["public"]},
    }
    cache.store(manifest)
    view = deployment(traffic={"hosts": ["fraud.ml.example.com"], "istio": {"gateways": ["public"]}})
    judge = claims(cache)
    assert [one.reason for one in judge.obstacles(view, Memory())] == ["HostConflict"]
    cache.forget(VIRTUAL_SERVICE, "ml", "theirs", "6")
    assert list(judge.obstacles(view, Memory())) == []


def test_a_route_of_others_is_news_only_when_its_claims_change() -> None:
    """Somebody else's canary moves its weights every few seconds; ten thousand of ours need not look each time."""
    woken: list[str] = []
    cache = ObjectCache(lambda kind, namespace, owner, manifest: woken.append(kind.name))

    def stored(version: int, *hosts: str, weight: int) -> None:
        metadata = {"name": "theirs", "namespace": "ml", "resourceVersion": str(version)}
        spec = {"hosts": list(hosts), "gateways": ["public"], "http": [{"route": [{"weight": weight}]}]}
        kind = VIRTUAL_SERVICE
        metadata["creationTimestamp"] = "2020-01-01T00:00:00Z"
        cache.store({"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec})

    stored(1, "a.test", weight=10)
    stored(2, "a.test", weight=20)
    assert len(woken) == 1
    stored(3, "b.test", weight=20)
    assert len(woken) == 2


class Neighbours:
    """Three ModelDeployments whose passes have asked for conflicts, and what a route of others does to them."""

    def __init__(self, *, shared: bool = False) -> None:
        self.cache = ObjectCache()
        self.woken: list[str] = []
        self.claims = Claims(
            self.cache,
            TENANCY,
            sources=("default",),
            provider=ISTIO,
            clock=VirtualClock(),
            wake=lambda key: self.woken.append(key.name),
        )
        for name in ("a", "b", "c"):
            at = (
                {"hosts": ["api.example.com"], "pathPrefix": f"/{name}"}
                if shared
                else {"hosts": [f"{name}.example.com"]}
            )
            view = deployment(traffic={**at, "istio": {"gateways": ["public"]}})
            self.claims.conflicts(replace(view, name=name))
        self.version = 1

    def theirs(self, *hosts: str, name: str = "theirs", weight: int = 0, below: str = "/", **rule: Json) -> list[str]:
        """Let a route claim hosts, or be gone when it claims none; give who is woken."""
        self.woken.clear()
        self.version += 1
        metadata = {"name": name, "namespace": "ml", "resourceVersion": str(self.version)}
        metadata["creationTimestamp"] = "2020-01-01T00:00:00Z"
        matched = {"match": [{"uri": {"prefix": below}}], "route": [{"weight": weight}], **rule}
        spec = {"hosts": list(hosts), "gateways": ["public"], "http": [matched]}
        if hosts:
            self.cache.store(
                {"apiVersion": VIRTUAL_SERVICE.api_version, "kind": "VirtualService"}
                | {"metadata": metadata, "spec": spec}
            )
        else:
            self.cache.forget(VIRTUAL_SERVICE, "ml", name, str(self.version))
        return self.woken


def test_a_route_wakes_those_whose_hosts_it_overlaps() -> None:
    """Those that it claims and those that it did; ten thousand others sleep on."""
    beside = Neighbours()
    assert beside.theirs("a.example.com") == ["a"]
    assert beside.theirs("a.example.com", weight=9) == []
    assert beside.theirs("b.example.com") == ["a", "b"]
    assert beside.theirs() == ["b"]
    assert beside.theirs("elsewhere.test") == []
    assert beside.theirs("*.example.com") == ["a", "b", "c"]


def test_a_route_that_holds_our_name_wakes_us_when_it_goes() -> None:
    """Whatever it claims: the name is free for ours."""
    beside = Neighbours()
    beside.theirs("elsewhere.test", name="c")
    assert beside.theirs(name="c") == ["c"]


def test_a_deleted_model_deployment_is_not_woken() -> None:
    """Its claims went with it."""
    beside = Neighbours()
    kind = MODEL_DEPLOYMENT
    metadata = {"name": "a", "namespace": "ml", "resourceVersion": "1"}
    beside.cache.store({"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {}})
    beside.cache.forget(kind, "ml", "a", "2")
    assert beside.theirs("a.example.com", "b.example.com") == ["b"]


def a_gateway(cache: ObjectCache, version: int, *hosts: str, namespace: str = "ml") -> None:
    server = {"port": {"protocol": "HTTP"}, "hosts": list(hosts)}
    metadata = {"name": "public", "namespace": namespace, "resourceVersion": str(version)}
    kind = ISTIO_GATEWAY
    cache.store(
        {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {"servers": [server]}}
    )


def test_a_gateway_wakes_those_who_name_it() -> None:
    """When it comes, when its hosts change, and when it goes."""
    beside = Neighbours()
    a_gateway(beside.cache, 1, "*")
    assert beside.woken == ["a", "b", "c"]
    beside.woken.clear()
    a_gateway(beside.cache, 2, "*")
    a_gateway(beside.cache, 3, "*", namespace="edge")
    assert beside.woken == []
    a_gateway(beside.cache, 4, "a.example.com")
    assert beside.woken == ["a", "b", "c"]
    beside.woken.clear()
    beside.cache.forget(ISTIO_GATEWAY, "ml", "public", "5")
    assert beside.woken == ["a", "b", "c"]


def test_of_models_on_one_host_a_route_wakes_those_whose_paths_it_has() -> None:
    """A thousand others on the host sleep on."""
    beside = Neighbours(shared=True)
    assert beside.theirs("api.example.com", below="/a/v2/models") == ["a"]
    assert beside.theirs("api.example.com", below="/b/v2/models") == ["a", "b"]
    assert beside.theirs("api.example.com", below="/d/v2") == ["b"]
    assert beside.theirs("api.example.com", below="/") == ["a", "b", "c"]


def test_a_root_wakes_the_delegate_that_it_leaves_requests_to() -> None:
    """When it comes and when it goes."""
    beside = Neighbours(shared=True)
    delegate = {"name": "b", "namespace": "ml"}
    assert beside.theirs("elsewhere.test", below="/b", delegate=delegate) == ["b"]
    assert beside.theirs() == ["b"]


def test_nothing_is_told_of_gateways_that_a_namespace_may_not_use() -> None:
    """Whether they exist is their owner's business."""
    judge = claims()
    traffic = {"hosts": ["fraud.ml.example.com"], "istio": {"gateways": ["infra/public"]}}
    assert judge.unreached(deployment(traffic=traffic)) is None


def test_nothing_is_told_of_gateways_that_cannot_be_seen() -> None:
    """Where some namespaces are watched, one elsewhere may well be there."""
    traffic = {"hosts": ["fraud.ml.svc.cluster.local"], "istio": {"gateways": ["infra/public"]}}
    tenancy = Tenancy((Grant("ml", gateways=("*",)),))
    known: dict[str, Any] = {"sources": ("default",), "provider": ISTIO, "clock": VirtualClock()}
    seen = [
        Claims(ObjectCache(), tenancy, **known, gateway_namespaces=each).unreached(deployment(traffic=traffic))
        for each in ((), ("ml",), ("ml", "infra"))
    ]
    assert [each is None for each in seen] == [False, True, False]


def test_our_own_two_routes_are_no_conflict() -> None:
    """One from before the mesh had its own names the Service's host in the mesh, too."""
    cache = ObjectCache()
    metadata = {"name": "fraud", "namespace": "ml", "resourceVersion": "1", "creationTimestamp": "2020-01-01T00:00:00Z"}
    spec = {"hosts": ["fraud.ml.svc.cluster.local"], "gateways": ["mesh"]}
    kind = VIRTUAL_SERVICE
    cache.store({"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec})
    assert claims(cache).conflicts(deployment()) == ()
