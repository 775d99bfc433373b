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

from serinus.api.model_deployment import Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.model.split import Split
from serinus.core.plan import pods
from serinus.core.traffic import istio
from serinus.core.traffic.istio import read_split, render_destination_rule, render_virtual_service

OWNER = Owner(namespace="ml", name="fraud", uid="5d2c8a3e-0000-4000-8000-000000000001")
STABLE, CANARY = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb"
REVISION = Revision(name=STABLE, hash="aaaaaaaaaa", number=1, version="42", model="fraud", template={})
TRAFFIC = Traffic.parse({"hosts": ["fraud.ml.example.com"], "istio": {"gateways": ["public", "edge/shared"]}})
HALF = Split(((STABLE, 75), (CANARY, 25)))
IN_MESH = "fraud.ml.svc.cluster.local"


def _route(split: Split = HALF, traffic: Traffic | None = TRAFFIC, *, mesh: bool = True) -> Json:
    return render_virtual_service(OWNER, traffic=traffic, split=split, mesh=mesh)


def _expected(name: str) -> Any:
    return yaml.safe_load((Path(__file__).parent / "expected" / f"{name}.yaml").read_text())


def test_the_route_is_the_one_on_record() -> None:
    assert _route() == _expected("virtual-service")


@pytest.mark.parametrize(
    ("traffic", "mesh", "hosts", "gateways"),
    [
        pytest.param(None, True, [IN_MESH], ["mesh"], id="no traffic section"),
        pytest.param(
            TRAFFIC, True, ["fraud.ml.example.com", IN_MESH], ["public", "edge/shared", "mesh"], id="gateways and mesh"
        ),
        pytest.param(TRAFFIC, False, ["fraud.ml.example.com", IN_MESH], ["public", "edge/shared"], id="gateways alone"),
        pytest.param(Traffic.parse({"hosts": [IN_MESH]}), True, [IN_MESH], ["mesh"], id="no host twice"),
        pytest.param(
            Traffic.parse({"istio": {"gateways": ["mesh"]}}), True, [IN_MESH], ["mesh"], id="no gateway twice"
        ),
    ],
)
def test_the_route_has_the_users_hosts_and_gateways_and_the_mesh(
    traffic: Traffic | None, mesh: bool, hosts: list[str], gateways: list[str]
) -> None:
    spec = _route(traffic=traffic, mesh=mesh)["spec"]
    assert (spec["hosts"], spec["gateways"]) == (hosts, gateways)


def test_a_route_without_any_gateway_is_refused_because_istio_would_take_the_mesh() -> None:
    with pytest.raises(ValueError, match="needs a gateway"):
        _route(traffic=None, mesh=False)


def test_grpc_is_known_by_its_paths_and_everything_else_is_http() -> None:
    grpc, http = _route()["spec"]["http"]
    assert [match["uri"]["prefix"] for match in grpc["match"]] == [
        "/inference.GRPCInferenceService/",
        "/grpc.health.v1.Health/",
    ]
    assert {entry["destination"]["port"]["number"] for entry in grpc["route"]} == {8001}
    assert "match" not in http
    assert {entry["destination"]["port"]["number"] for entry in http["route"]} == {8000}


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


def test_the_ports_of_the_route_are_those_of_the_pods() -> None:
    assert (istio.HTTP_PORT, istio.GRPC_PORT) == (pods.HTTP_PORT, pods.GRPC_PORT)


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
