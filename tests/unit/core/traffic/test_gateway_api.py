"""The Gateway API: the split as an HTTPRoute and back, what is claimed, and what controllers answer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.split import Split
from serinus.core.traffic.gateway_api.claims import is_accepted, read_foreign_route, read_listeners, route_refusal
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.gateway_api.routes import read_split, render_http_route, resplit
from serinus.core.traffic.hosts import host_conflicts
from serinus.core.traffic.listeners import Listener, unreached

OWNER = Owner(namespace="ml", name="fraud", uid="5d2c8a3e-0000-4000-8000-000000000001")
STABLE, CANARY = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb"
HOST = "fraud.example.com"
TRAFFIC = Traffic.parse({"provider": "gatewayAPI", "hosts": [HOST], "gatewayAPI": {"parentRefs": [{"name": "public"}]}})
EVERY_PATH = TRAFFIC.model_copy(update={"all_paths": True})
HALF = Split(((STABLE, 75), (CANARY, 25)))
COHORT = (
    Match(Part.HEADER, "x-tier", By.EXACT, "premium"),
    Match(Part.HEADER, "x-user", By.PREFIX, "dev-"),
    Match(Part.HEADER, "x-user", By.REGEX, "dev-.*"),
    Match(Part.COOKIE, "tier", By.EXACT, "gold"),
)
GATEWAY_API = GatewayApi()


def _route(split: Split = HALF, traffic: Traffic = TRAFFIC) -> Json:
    return render_http_route(OWNER, traffic=traffic, split=split)


def _rule(route: Json, name: str) -> Any:
    return next(rule for rule in route["spec"]["rules"] if rule["name"] == name)


def test_one_route_carries_both_protocols() -> None:
    """Each to its own port of the same Services, by the same weights."""
    route = _route()
    assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert route["spec"]["hostnames"] == [HOST]
    for name, port in (("grpc", 8001), ("http", 8000)):
        found = [(one["name"], one["port"], one["weight"]) for one in _rule(route, name)["backendRefs"]]
        assert found == [(STABLE, port, 75), (CANARY, port, 25)]


def test_without_hosts_the_route_has_the_name_of_the_service() -> None:
    """An HTTPRoute without hostnames would have every host of the listener."""
    bare = TRAFFIC.model_copy(update={"hosts": ()})
    assert _route(traffic=bare)["spec"]["hostnames"] == ["fraud.ml.svc.cluster.local"]


def test_a_cohort_has_the_same_paths_and_a_header_more() -> None:
    """The most specific match has the request: by its path first, then by the number of headers."""
    route = _route(Split(HALF.weights, COHORT))
    for protocol in ("grpc", "http"):
        paths = [match["path"] for match in _rule(route, protocol)["matches"]]
        cohort = _rule(route, f"{protocol}-cohort")
        assert [match["path"] for match in cohort["matches"]] == paths * len(COHORT)
        assert all(len(match["headers"]) == 1 for match in cohort["matches"])
        assert [one["name"] for one in cohort["backendRefs"]] == [CANARY]


@pytest.mark.parametrize("traffic", [TRAFFIC, EVERY_PATH], ids=["inference paths", "all paths"])
def test_the_most_that_a_cohort_may_have_fits_into_a_route(traffic: Traffic) -> None:
    """The API admits 64 matches in a rule, and 128 in a route."""
    most = tuple(Match(Part.HEADER, "x-user", By.EXACT, str(number)) for number in range(16))
    sizes = [len(rule["matches"]) for rule in _route(Split(HALF.weights, most), traffic)["spec"]["rules"]]
    assert max(sizes) <= 64
    assert sum(sizes) <= 128


def test_copies_go_to_the_canary() -> None:
    """A filter of the general rules; who is in no cohort yet is copied."""
    mirrored = Split(((STABLE, 100), (CANARY, 0)), mirror=20)
    for name, port in (("grpc", 8001), ("http", 8000)):
        (only,) = _rule(_route(mirrored), name)["filters"]
        backend = {"group": "", "kind": "Service", "name": CANARY, "port": port}
        assert only == {"type": "RequestMirror", "requestMirror": {"backendRef": backend, "percent": 20}}


WEIGHTS = st.integers(0, 100).map(lambda weight: ((STABLE, 100 - weight), (CANARY, weight)))
MATCHES = st.lists(st.sampled_from(COHORT), unique=True).map(tuple)


@given(weights=WEIGHTS, matches=MATCHES, mirror=st.integers(0, 100), all_paths=st.booleans())
def test_what_is_rendered_is_read_back(
    weights: tuple[tuple[str, int], ...], matches: tuple[Match, ...], mirror: int, all_paths: bool
) -> None:
    """Whatever the split."""
    split = Split(weights, matches, mirror)
    assert read_split(_route(split, EVERY_PATH if all_paths else TRAFFIC)) == split


@pytest.mark.parametrize("traffic", [TRAFFIC, EVERY_PATH], ids=["inference paths", "all paths"])
def test_another_split_leaves_all_else_as_it_is(traffic: Traffic) -> None:
    """A route that its ModelDeployment has left for another API still follows a revert."""
    stable = Split(((STABLE, 100), (CANARY, 0)))
    assert resplit(OWNER, _route(HALF, traffic), stable) == _route(stable, traffic)


def _edited(edit: Callable[[Json], None]) -> Json:
    route = copy.deepcopy(_route())
    edit(route)
    return route


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda route: route["spec"]["rules"].append({"name": "mine"}), id="a rule more"),
        pytest.param(lambda route: route["spec"]["rules"].pop(), id="a rule less"),
        pytest.param(lambda route: route["spec"].pop("rules"), id="no rules"),
        pytest.param(lambda route: route["spec"]["rules"][0]["backendRefs"][0].update(weight=1), id="they differ"),
        pytest.param(lambda route: route["spec"]["rules"][1].update(timeouts={"request": "1s"}), id="a field more"),
    ],
)
def test_what_we_have_not_rendered_is_not_read(edit: Callable[[Json], None]) -> None:
    assert read_split(_edited(edit)) is None


def _foreign(**spec: Any) -> Json:
    metadata = {"name": "theirs", "namespace": "ml", "creationTimestamp": "2026-07-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {"parentRefs": [{"name": "public"}], **spec}}


@pytest.mark.parametrize(
    ("theirs", "conflicts"),
    [
        pytest.param(_foreign(hostnames=[HOST]), 1, id="the same host"),
        pytest.param(_foreign(), 1, id="every host"),
        pytest.param(_foreign(hostnames=["other.example.com"]), 0, id="another host"),
        pytest.param(_foreign(hostnames=[HOST], parentRefs=[{"name": "inner"}]), 0, id="another gateway"),
        pytest.param(
            _foreign(hostnames=[HOST], parentRefs=[{"name": "public", "namespace": "edge"}]),
            0,
            id="another namespace's",
        ),
        pytest.param(
            _foreign(hostnames=[HOST], parentRefs=[{"name": "public", "kind": "Service", "group": ""}]),
            0,
            id="a Service",
        ),
    ],
)
def test_who_claims_our_host_on_our_gateway_is_found(theirs: Json, conflicts: int) -> None:
    """Gateways merge the routes of one host, and the older one's rules win."""
    (ours,) = GATEWAY_API.claims(OWNER, TRAFFIC, {})
    assert len(host_conflicts(ours, [read_foreign_route(theirs)])) == conflicts


def test_of_two_routes_of_one_age_the_first_by_namespace_and_name_wins() -> None:
    """As the API says; Istio's own compares the name first."""
    there = {"fraud": {"metadata": {"creationTimestamp": "2026-07-01T00:00:00Z"}}}
    (ours,) = GATEWAY_API.claims(Owner("ns-b", "a", "uid"), TRAFFIC, {"a": there["fraud"]})
    theirs = _foreign(hostnames=[HOST], parentRefs=[{"name": "public", "namespace": "ns-b"}])
    theirs["metadata"].update(namespace="ns-a", name="z")
    (conflict,) = host_conflicts(ours, [read_foreign_route(theirs)])
    assert (conflict.blocking, conflict.theirs) == (True, Key("ns-a", "z"))


def _gateway(*listeners: Json, **status: Any) -> Json:
    return {
        "metadata": {"name": "public", "namespace": "ml"},
        "spec": {"gatewayClassName": "any", "listeners": list(listeners)},
        "status": status,
    }


def _listener(**fields: Any) -> Json:
    return {"name": "web", "port": 80, "protocol": "HTTP", **fields}


def _condition(kind: str, reason: str, message: str) -> Json:
    return {"type": kind, "status": "False", "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("listener", "found"),
    [
        pytest.param(_listener(), {Listener("ml", "*")}, id="any host of its own namespace"),
        pytest.param(_listener(hostname="*.Example.com"), {Listener("ml", "*.example.com")}, id="a wildcard"),
        pytest.param(
            _listener(allowedRoutes={"namespaces": {"from": "All"}}),
            {Listener("*", "*")},
            id="every namespace's routes",
        ),
        pytest.param(
            _listener(allowedRoutes={"namespaces": {"from": "Selector"}}),
            {Listener("*", "*")},
            id="those of a selector",
        ),
        pytest.param(_listener(protocol="TLS"), set(), id="TLS that is passed through"),
        pytest.param(_listener(protocol="TCP"), set(), id="TCP"),
    ],
)
def test_what_a_gateway_listens_for(listener: Json, found: set[Listener]) -> None:
    """Listeners that speak HTTP, and whose routes they take."""
    assert read_listeners(_gateway(listener)) == found


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(
            {
                "listeners": [
                    {"name": "web", "conditions": [_condition("ResolvedRefs", "InvalidCertificateRef", "no tls")]}
                ]
            },
            "host fraud.example.com: listener web: InvalidCertificateRef: no tls",
            id="the listener",
        ),
        pytest.param(
            {"conditions": [_condition("Accepted", "UnsupportedAddress", "no such address")]},
            "host fraud.example.com: Gateway ml/public: UnsupportedAddress: no such address",
            id="the gateway",
        ),
        pytest.param({"conditions": [_condition("Programmed", "AddressNotAssigned", "")]}, None, id="no address yet"),
        pytest.param(
            {"conditions": [{**_condition("Accepted", "Pending", "Waiting for controller"), "status": "Unknown"}]},
            "host fraud.example.com: Gateway ml/public: no controller has taken it: check its gatewayClassName (any)",
            id="no controller",
        ),
    ],
)
def test_a_listener_that_its_controller_refuses_is_told_in_its_words(status: Json, words: str | None) -> None:
    """A gateway that waits for its address may serve all the same."""
    (ours,) = GATEWAY_API.claims(OWNER, TRAFFIC, {})
    listening = {"ml/public": read_listeners(_gateway(_listener(), **status))}
    found = unreached(ours, listening, GATEWAY_API.terms)
    assert (found.message if found else None) == words


def _answered(*conditions: Json) -> Json:
    answer = {"parentRef": {"name": "public"}, "controllerName": "any/one", "conditions": list(conditions)}
    return {**_route(), "status": {"parents": [answer]}}


@pytest.mark.parametrize(
    ("route", "words"),
    [
        pytest.param(_route(), "", id="no word yet"),
        pytest.param(_answered(), "", id="all is well"),
        pytest.param(
            _answered(_condition("Accepted", "NotAllowedByListeners", "not from ml")),
            "Gateway ml/public refuses HTTPRoute fraud: NotAllowedByListeners: not from ml",
            id="not accepted",
        ),
        pytest.param(
            _answered(_condition("ResolvedRefs", "BackendNotFound", "")),
            "Gateway ml/public refuses HTTPRoute fraud: BackendNotFound",
            id="without a message",
        ),
    ],
)
def test_what_controllers_answer_is_told_in_their_words(route: Json, words: str) -> None:
    """Conditions speak of acceptance, and say nothing of the gateways' proxies."""
    refusal = route_refusal(route)
    assert (refusal.message if refusal else "") == words


def test_a_namespace_keeps_the_gateways_that_it_may_use() -> None:
    """A parentRef of a Gateway that is not granted is left out; the others keep their listener."""
    parents = [{"name": "public", "sectionName": "web"}, {"name": "mesh", "namespace": "edge"}]
    traffic = Traffic.parse({"provider": "gatewayAPI", "hosts": [HOST], "gatewayAPI": {"parentRefs": parents}})
    assert GATEWAY_API.named_gateways(traffic) == ("./public", "edge/mesh")
    bound = GATEWAY_API.bind(traffic, [HOST], ["./public"])
    assert _route(traffic=bound)["spec"]["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "sectionName": "web"}
    ]
    live = _route(traffic=traffic)
    assert _route(traffic=GATEWAY_API.kept(bound, [HOST], live))["spec"] == live["spec"]


def _bound_to(*names: str) -> Json:
    route = _route()
    route["metadata"]["generation"] = 2
    route["spec"]["parentRefs"] = [{"name": name} for name in names]
    return route


def _says(name: str, condition: Json, *, of: int = 2) -> Json:
    told = {**condition, "observedGeneration": of}
    return {"parentRef": {"name": name, "namespace": "ml"}, "controllerName": f"{name}/one", "conditions": [told]}


NO = _condition("Accepted", "NotAllowedByListeners", "no")
YES = {**_condition("Accepted", "Accepted", ""), "status": "True"}


@pytest.mark.parametrize(
    ("parents", "refused", "carried_out"),
    [
        pytest.param([_says("public", YES)], False, True, id="taken"),
        pytest.param([], False, False, id="no answer yet"),
        pytest.param([_says("public", YES), _says("old", NO)], False, True, id="of a gateway that it has left"),
        pytest.param([_says("public", NO, of=1)], False, False, id="of the route as it was"),
        pytest.param([_says("public", NO)], True, False, id="refused"),
    ],
)
def test_only_answers_about_the_route_as_it_is_count(parents: list[Json], refused: bool, carried_out: bool) -> None:
    """A controller that is gone leaves its last words behind."""
    route = {**_bound_to("public"), "status": {"parents": parents}}
    assert (route_refusal(route) is not None, is_accepted(route)) == (refused, carried_out)


def test_one_of_two_gateways_that_refuses_leaves_the_other_serving() -> None:
    """Said, and no outage."""
    route = {**_bound_to("public", "inner"), "status": {"parents": [_says("public", YES), _says("inner", NO)]}}
    refusal = route_refusal(route)
    assert refusal is not None
    assert refusal.served


def test_a_redirect_on_another_listener_claims_nothing_of_ours() -> None:
    """The commonest layout: HTTP is redirected, and HTTPS is served."""
    parents = [{"name": "public", "sectionName": "https"}]
    ours = Traffic.parse({"provider": "gatewayAPI", "hosts": [HOST], "gatewayAPI": {"parentRefs": parents}})
    (claim,) = GATEWAY_API.claims(OWNER, ours, {})
    redirect = _foreign(hostnames=[HOST], parentRefs=[{"name": "public", "sectionName": "http"}])
    whole = _foreign(hostnames=[HOST], parentRefs=[{"name": "public"}])
    assert host_conflicts(claim, [read_foreign_route(redirect)]) == ()
    assert len(host_conflicts(claim, [read_foreign_route(whole)])) == 1
