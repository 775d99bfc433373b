"""Istio: the split as a VirtualService and back, and the traffic policy of a revision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.revision import Revision
from serinus.core.model.split import Split
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.policies import render_destination_rule
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.istio.routes import (
    MeshConfig,
    read_split,
    render_virtual_service,
    render_virtual_services,
)
from serinus.core.traffic.providers import TrafficProviders

OWNER = Owner(namespace="ml", name="fraud", uid="5d2c8a3e-0000-4000-8000-000000000001")
STABLE, CANARY = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb"
REVISION = Revision(name=STABLE, hash="aaaaaaaaaa", number=1, version="42", model="fraud", template={})
TRAFFIC = Traffic.parse({"hosts": ["fraud.ml.example.com"], "istio": {"gateways": ["public", "edge/shared"]}})
HALF = Split(((STABLE, 75), (CANARY, 25)))
HOST, IN_MESH = "fraud.ml.example.com", "fraud.ml.svc.cluster.local"
BOTH_APIS = TrafficProviders((Istio(mesh=True), GatewayApi()))
EVERY_PATH = TRAFFIC.model_copy(update={"all_paths": True})


def _route(split: Split = HALF, traffic: Traffic | None = TRAFFIC, *, mesh: bool = False) -> Json:
    return render_virtual_service(OWNER, traffic=traffic, split=split, mesh=mesh)


def _expected(name: str) -> Any:
    return yaml.safe_load((Path(__file__).parent / "expected" / f"{name}.yaml").read_text())


@pytest.mark.parametrize(("mesh", "file"), [(False, "virtual-service"), (True, "virtual-service-mesh")])
def test_the_routes_are_those_on_record(mesh: bool, file: str) -> None:
    assert _route(mesh=mesh) == _expected(file)


@pytest.mark.parametrize(
    ("traffic", "mesh", "bound"),
    [
        pytest.param(None, True, {"mesh": [IN_MESH]}, id="no traffic section"),
        pytest.param(
            TRAFFIC, True, {"public": [HOST], "edge/shared": [HOST], "mesh": [IN_MESH]}, id="gateways and mesh"
        ),
        pytest.param(TRAFFIC, False, {"public": [HOST], "edge/shared": [HOST]}, id="gateways alone"),
        pytest.param(Traffic.parse({"hosts": [HOST]}), True, {"mesh": [IN_MESH]}, id="hosts alone"),
        pytest.param(
            Traffic.parse({"hosts": [HOST], "istio": {"gateways": ["mesh"]}}),
            True,
            {"mesh": [IN_MESH]},
            id="the mesh among the gateways",
        ),
        pytest.param(
            Traffic.parse({"istio": {"gateways": ["public"]}}),
            True,
            {"public": [IN_MESH], "mesh": [IN_MESH]},
            id="a gateway alone",
        ),
        pytest.param(None, False, {}, id="nothing"),
    ],
)
def test_the_users_hosts_are_bound_to_the_users_gateways_alone(
    traffic: Traffic | None, mesh: bool, bound: dict[str, list[str]]
) -> None:
    """In the mesh there is no host but the root Service's."""
    routes = render_virtual_services(OWNER, traffic=traffic, split=HALF, mesh=mesh)
    assert {gateway: one["spec"]["hosts"] for one in routes for gateway in one["spec"]["gateways"]} == bound


def test_a_route_without_any_gateway_is_refused_because_istio_would_take_the_mesh() -> None:
    with pytest.raises(ValueError, match="needs a gateway"):
        _route(traffic=None)


def test_the_clusters_domain_and_the_export_are_the_administrators() -> None:
    config = MeshConfig("corp.internal", (".", "edge"))
    routes = render_virtual_services(OWNER, traffic=TRAFFIC, split=HALF, mesh=True, config=config)
    assert [one["spec"]["exportTo"] for one in routes] == [[".", "edge"]] * 2
    assert routes[1]["spec"]["hosts"] == ["fraud.ml.svc.corp.internal"]
    assert read_split(routes[0]) == HALF
    rule = render_destination_rule(OWNER, REVISION, TRAFFIC, config)
    assert rule["spec"]["host"] == f"{STABLE}.ml.svc.corp.internal"


def test_grpc_and_http_have_a_port_each() -> None:
    grpc, http = _route()["spec"]["http"]
    assert {entry["destination"]["port"]["number"] for entry in grpc["route"]} == {8001}
    assert {entry["destination"]["port"]["number"] for entry in http["route"]} == {8000}


@pytest.mark.parametrize("mesh", [False, True])
def test_all_paths_are_routed_when_asked(mesh: bool) -> None:
    grpc, http = _route(traffic=EVERY_PATH, mesh=mesh)["spec"]["http"]
    assert [match["uri"]["prefix"] for match in grpc["match"]] == [
        "/inference.GRPCInferenceService/",
        "/grpc.health.v1.Health/",
    ]
    assert "match" not in http


def test_retries_are_off_and_no_timeout_is_set() -> None:
    for rule in _route()["spec"]["http"]:
        assert rule["retries"] == {"attempts": 0}
        assert "timeout" not in rule


def test_a_canary_of_weight_0_stands_in_the_route() -> None:
    rule = _route(Split(((STABLE, 100), (CANARY, 0))))["spec"]["http"][1]
    assert [entry["weight"] for entry in rule["route"]] == [100, 0]


@given(st.integers(0, 100))
def test_a_split_reads_back_as_it_was_rendered(weight: int) -> None:
    split = Split(((STABLE, 100 - weight), (CANARY, weight)))
    assert read_split(_route(split)) == split
    assert read_split(_route(split, EVERY_PATH, mesh=True)) == split


def _split(weight: int) -> Split:
    return Split(((STABLE, 100 - weight), (CANARY, weight)))


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        pytest.param([], (None, False), id="no route"),
        pytest.param([_split(25)], (_split(25), False), id="one"),
        pytest.param([_split(25), _split(25)], (_split(25), False), id="two of a mind"),
        pytest.param([_split(0), _split(25)], (_split(25), True), id="a write of two has failed"),
        pytest.param([_split(25), Split(((STABLE, 100),))], (_split(25), True), id="one without the canary"),
    ],
)
def test_of_two_routes_that_differ_the_canarys_larger_share_counts(
    splits: list[Split], expected: tuple[Split | None, bool]
) -> None:
    """And it is said that they are not clear."""
    assert BOTH_APIS.read(_route(split) for split in splits) == expected


def test_of_two_routes_one_may_be_unreadable() -> None:
    route = copy.deepcopy(_route())
    route["spec"]["http"].pop()
    assert BOTH_APIS.read([route, _route(mesh=True)]) == (HALF, True)


def test_a_lone_revision_reads_back() -> None:
    split = Split(((STABLE, 100),))
    assert read_split(_route(split)) == split


def _weights(spec: Json) -> None:
    for rule in spec["http"]:
        rule["route"][0]["weight"], rule["route"][1]["weight"] = 40, 60


def test_weights_edited_by_hand_read_as_the_split_that_they_are() -> None:
    route = copy.deepcopy(_route())
    _weights(route["spec"])
    assert read_split(route) == Split(((STABLE, 40), (CANARY, 60)))


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda spec: spec["http"][0]["route"][0].update(weight=10), id="weights of gRPC only"),
        pytest.param(lambda spec: spec["http"][1]["route"].pop(), id="a destination less"),
        pytest.param(lambda spec: spec["http"].pop(), id="a rule less"),
        pytest.param(lambda spec: spec["http"].insert(0, {"name": "mine"}), id="a rule more"),
        pytest.param(lambda spec: spec["http"][1].update(fault={"abort": {}}), id="a fault"),
        pytest.param(lambda spec: spec["http"][1].update(match=[{"uri": {"exact": "/"}}]), id="a match"),
        pytest.param(lambda spec: spec["http"][1].pop("match"), id="every path of HTTP"),
        pytest.param(lambda spec: spec["http"][0]["match"].pop(), id="a method less"),
        pytest.param(lambda spec: spec["http"][1].pop("retries"), id="retries back on"),
        pytest.param(
            lambda spec: spec["http"][0]["route"][0]["destination"].update(host="other.svc"), id="another destination"
        ),
        pytest.param(lambda spec: spec["http"][0]["route"][0].update(weight="75"), id="a weight as text"),
        pytest.param(lambda spec: spec.update(http=[]), id="no rules"),
        pytest.param(lambda spec: spec.update(http=None), id="null rules"),
        pytest.param(lambda spec: spec.pop("http"), id="no http section"),
    ],
)
def test_a_route_edited_into_something_else_is_no_split(edit: Callable[[Json], object]) -> None:
    route = copy.deepcopy(_route())
    edit(route["spec"])
    assert read_split(route) is None


def test_a_traffic_policy_without_wishes_only_balances() -> None:
    assert render_destination_rule(OWNER, REVISION, TRAFFIC) == _expected("destination-rule")


def test_limits_and_ejection_are_rendered_when_asked() -> None:
    traffic = Traffic.parse(
        {
            "istio": {
                "connectionPool": {"maxConnections": 10, "http2MaxRequests": 20, "http1MaxPendingRequests": 5},
                "outlierDetection": {"consecutive5xxErrors": 3, "interval": "5s", "maxEjectionPercent": 50},
            }
        }
    )
    policy = render_destination_rule(OWNER, REVISION, traffic)["spec"]["trafficPolicy"]
    assert policy["connectionPool"] == {
        "tcp": {"maxConnections": 10},
        "http": {"http1MaxPendingRequests": 5, "http2MaxRequests": 20},
    }
    assert policy["outlierDetection"] == {"consecutive5xxErrors": 3, "interval": "5s", "maxEjectionPercent": 50}


def test_an_empty_wish_for_limits_asks_for_nothing() -> None:
    policy = render_destination_rule(OWNER, REVISION, Traffic.parse({"istio": {"connectionPool": {}}}))
    assert policy["spec"]["trafficPolicy"] == {"loadBalancer": {"simple": "LEAST_REQUEST"}}


PREMIUM = Match(Part.HEADER, "x-tier", By.EXACT, "premium")
STAFF = Match(Part.COOKIE, "group", By.PREFIX, "staff")


@pytest.mark.parametrize("traffic", [TRAFFIC, EVERY_PATH], ids=["inference", "every path"])
@pytest.mark.parametrize("mirror", [0, 20])
@pytest.mark.parametrize("matches", [(), (PREMIUM,), (PREMIUM, STAFF)], ids=["none", "one", "two"])
@pytest.mark.parametrize("weight", [0, 30])
def test_cohorts_and_copies_are_read_back(
    traffic: Traffic, mirror: int, matches: tuple[Match, ...], weight: int
) -> None:
    split = Split(((STABLE, 100 - weight), (CANARY, weight)), matches, mirror)
    assert read_split(_route(split, traffic)) == split


def test_a_cohort_is_asked_first_and_goes_to_the_canary_alone() -> None:
    """With the same paths as everybody."""
    rules = _route(Split(((STABLE, 100), (CANARY, 0)), (PREMIUM, STAFF)))["spec"]["http"]
    assert [rule["name"] for rule in rules] == ["grpc-cohort", "http-cohort", "grpc", "http"]
    for cohort, everybody in zip(rules[:2], rules[2:], strict=True):
        assert [entry["weight"] for entry in cohort["route"]] == [100]
        assert cohort["route"][0]["destination"]["host"].startswith(CANARY)
        assert [entry["uri"] for entry in cohort["match"]] == 2 * [entry["uri"] for entry in everybody["match"]]
        assert {next(iter(entry["headers"])) for entry in cohort["match"]} == {"x-tier", "cookie"}


def test_copies_go_to_the_canary_of_every_request_but_the_cohorts() -> None:
    rules = _route(Split(((STABLE, 100), (CANARY, 0)), (PREMIUM,), 20))["spec"]["http"]
    assert ["mirrors" in rule for rule in rules] == [False, False, True, True]
    assert [rule["mirrors"][0]["destination"]["port"]["number"] for rule in rules[2:]] == [8001, 8000]
    assert all(rule["mirrors"][0]["percentage"] == {"value": 20} for rule in rules[2:])


def _policy(**traffic: Any) -> Json:
    policy: Json = render_destination_rule(OWNER, REVISION, Traffic.parse(traffic))["spec"]["trafficPolicy"]
    return policy


SAFE = {"tcp": {"maxConnections": 256}, "http": {"http1MaxPendingRequests": 128, "http2MaxRequests": 256}}


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        pytest.param(None, SAFE, id="none"),
        pytest.param({}, SAFE, id="an empty one"),
        pytest.param({"maxConnections": 10}, {**SAFE, "tcp": {"maxConnections": 10}}, id="connections"),
        pytest.param(
            {"http2MaxRequests": 2000, "maxRequestsPerConnection": 1},
            {**SAFE, "http": {**SAFE["http"], "http2MaxRequests": 2000, "maxRequestsPerConnection": 1}},
            id="requests",
        ),
    ],
)
def test_a_circuit_breaker_has_safe_limits_which_a_connection_pool_overrides(pool: Json | None, limits: Json) -> None:
    """Field by field; no pod is ejected, because a canary may have a single one."""
    istio = {} if pool is None else {"istio": {"connectionPool": pool}}
    policy = _policy(circuitBreaker={}, **istio)
    assert policy == {"loadBalancer": {"simple": "LEAST_REQUEST"}, "connectionPool": limits}


def test_ejection_is_the_users_own_choice_beside_a_circuit_breaker() -> None:
    policy = _policy(circuitBreaker={}, istio={"outlierDetection": {"maxEjectionPercent": 50}})
    assert policy["outlierDetection"] == {"maxEjectionPercent": 50}
    assert policy["connectionPool"] == SAFE
