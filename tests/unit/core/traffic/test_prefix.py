"""Below a prefix: what is admitted, what the server gets, and what an API has no room for."""

from __future__ import annotations

from typing import Any

import pytest
import re2

from serinus.api.policy_rules import MOST_MATCHES_BELOW
from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.split import Split
from serinus.core.traffic.provider import RoutePlan
from tests.unit.core.traffic.test_paths import MOST_INSTRUCTIONS
from tests.unit.core.traffic.test_rule_settings import (
    BOTH,
    CANARY,
    COHORT,
    GATEWAY_API,
    HALF,
    ISTIO,
    OWNER,
    SHARED,
    STABLE,
    STICKY,
    cookies_of,
    route,
    rules_of,
    traffic_of,
)

PREFIX = "/models/fraud-2.1"
BELOW: Json = {"pathPrefix": PREFIX}
MODEL = "/v2/models/fraud"
EXACT, PATH_PREFIX = "Exact", "PathPrefix"


def served(manifest: Json, request: str) -> str | None:
    """Give the path with which a request arrives at the server, or nothing where no rule matches."""
    reads = _by_istio if "http" in manifest["spec"] else _by_gateway_api
    found = [path for rule in rules_of(manifest) if (path := reads(rule, request)) is not None]
    return found[-1] if found else None


def _by_istio(rule: Json, request: str) -> str | None:
    (match,) = rule["match"]
    prefix, header = match["uri"]["prefix"], match.get("headers", {}).get(":path", {}).get("regex")
    if not request.startswith(prefix) or (header and not re2.fullmatch(header, request)):
        return None
    return str(rule["rewrite"]["uri"]) + request.removeprefix(prefix)


def _by_gateway_api(rule: Json, request: str) -> str | None:
    """Whole elements; the query goes along."""
    path, mark, query = request.partition("?")
    (match,) = rule["matches"]
    (rewrite,) = [one["urlRewrite"]["path"] for one in rule["filters"] if "urlRewrite" in one]
    kind, value = match["path"]["type"], match["path"]["value"]
    if kind == EXACT:
        return f"{rewrite['replaceFullPath']}{mark}{query}" if path == value else None
    assert kind == PATH_PREFIX
    if not f"{path}/".startswith(f"{value}/"):
        return None
    return f"{rewrite['replacePrefixMatch'].rstrip('/')}{path.removeprefix(value)}{mark}{query}"


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        MODEL,
        f"{MODEL}/infer",
        f"{MODEL}/infer?timeout=5&x=/v2/logging",
        f"{MODEL}/versions/1/stats",
        f"{MODEL}/generate_stream",
    ],
)
def test_the_server_gets_the_path_without_the_prefix(api: Any, path: str) -> None:
    """Inference, metadata, statistics and health."""
    assert served(route(api, SHARED, **BELOW), f"{PREFIX}{path}") == path


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        f"{MODEL}/infer",
        f"/models/fraud-2x1{MODEL}/infer",
        f"{PREFIX}-eu{MODEL}/infer",
        f"{PREFIX}{PREFIX}{MODEL}/infer",
        f"/x{PREFIX}{MODEL}/infer",
        PREFIX,
        f"{PREFIX}/",
        f"{PREFIX}/metrics",
        f"{PREFIX}/v2/logging",
        f"{PREFIX}/v2/logging?x={MODEL}/infer",
        f"{PREFIX}/v2/repository/index",
        f"{PREFIX}/v2/repository/models/fraud/load",
        f"{PREFIX}/v2/trace/setting",
        f"{PREFIX}/v2/systemsharedmemory/status",
        f"{PREFIX}//v2/models/fraud/infer",
        "/inference.GRPCInferenceService/ModelInfer",
        f"{PREFIX}/inference.GRPCInferenceService/ModelInfer",
    ],
)
def test_what_is_not_below_the_prefix_or_administration_is_nobodys(api: Any, path: str) -> None:
    """Nor gRPC: its path is the method, and takes no prefix."""
    assert served(route(api, SHARED, **BELOW), path) is None


def test_istio_keeps_a_models_own_trace_settings_out() -> None:
    """And whatever else hides below a model's path."""
    manifest = route(ISTIO, SHARED, **BELOW)
    for path in (f"{MODEL}/trace/setting", "/v2/models/..%2Flogging", "/v2/models/%2e%2e/logging", f"{MODEL}/infer/x"):
        assert served(manifest, f"{PREFIX}{path}") is None


@BOTH
def test_every_path_below_the_prefix_is_routed_when_that_is_asked_for(api: Any) -> None:
    """And nothing beside it."""
    manifest = route(api, SHARED, **BELOW, allPaths=True)
    assert served(manifest, f"{PREFIX}/v2/repository/index") == "/v2/repository/index"
    assert served(manifest, f"{PREFIX}-eu/v2") is None


def test_a_delegates_rules_name_no_uri_but_by_a_prefix() -> None:
    """Istiod drops a rule with a regex, or one beside its root's prefix, and tells nobody."""
    rules = rules_of(route(ISTIO, HALF, **BELOW, **STICKY))
    assert {str(match["uri"]) for rule in rules for match in rule["match"]} == {str({"prefix": f"{PREFIX}/"})}


def test_a_rule_of_an_http_route_that_takes_a_prefix_off_has_one_match() -> None:
    """The API server refuses a second one."""
    rules = rules_of(route(GATEWAY_API, HALF, **BELOW, **STICKY))
    assert [len(rule["matches"]) for rule in rules] == [1] * len(rules)
    assert len({rule["name"] for rule in rules}) == len(rules)


@pytest.mark.parametrize("more", [{}, {"allPaths": True}], ids=["inference", "all paths"])
def test_the_most_that_a_cohort_may_have_below_a_prefix_fits_into_an_http_route(more: Json) -> None:
    """It holds sixteen rules, those of sticky users among them."""
    most = tuple(Match(Part.HEADER, "x-user", By.EXACT, str(number)) for number in range(MOST_MATCHES_BELOW))
    split = Split(HALF.weights, most, 20)
    manifest = route(GATEWAY_API, split, **BELOW, **STICKY, **more)
    assert len(rules_of(manifest)) <= 16
    assert GATEWAY_API.read(manifest) == split


@BOTH
def test_the_cookie_of_sticky_users_is_for_the_prefix_alone(api: Any) -> None:
    """Models that share a host and a cookie's name would else overwrite each other's."""
    *before, last = rules_of(route(api, SHARED, **BELOW, **STICKY))
    assert cookies_of(last) == [
        f"model={revision}.{CANARY.rpartition('-')[2]}; Path={PREFIX}; Max-Age=3600; HttpOnly; SameSite=Lax"
        for revision in (STABLE, CANARY)
    ]
    assert {cookie for rule in before for cookie in cookies_of(rule)} == {""}


@BOTH
def test_copies_and_a_cohort_are_sent_without_the_prefix(api: Any) -> None:
    """Every rule takes it off."""
    rules = rules_of(route(api, Split(HALF.weights, COHORT, 20), **BELOW))
    for rule in rules:
        assert "rewrite" in rule or any("urlRewrite" in one for one in rule["filters"])


def test_callers_in_the_mesh_use_no_prefix() -> None:
    """The Service's own name is nobody else's; they call over gRPC, too."""
    traffic = traffic_of(ISTIO, **BELOW, **STICKY)
    _, mesh = ISTIO.render_routes(RoutePlan(OWNER, traffic, SHARED), {})
    _, plain = ISTIO.render_routes(RoutePlan(OWNER, traffic_of(ISTIO, **STICKY), SHARED), {})
    assert mesh["spec"] == plain["spec"]


def test_a_delegate_has_neither_hosts_nor_gateways() -> None:
    """And its split is read and changed like any other's."""
    traffic = traffic_of(ISTIO, pathPrefix=PREFIX, istio={"delegate": True})
    delegate, mesh = ISTIO.render_routes(RoutePlan(OWNER, traffic, HALF), {})
    assert delegate["spec"] | {"http": []} == {"hosts": [], "gateways": [], "http": []}
    assert mesh["spec"]["gateways"] == ["mesh"]
    assert ISTIO.read(delegate) == HALF
    again = ISTIO.resplit(OWNER, delegate, SHARED)
    assert again["spec"] | {"http": []} == {"hosts": [], "gateways": [], "http": []}
    assert ISTIO.claims(OWNER, traffic, {})[0].hosts == ()


@BOTH
def test_grpc_is_said_to_be_routed_nowhere(api: Any) -> None:
    caution = api.caution(traffic_of(api, **BELOW))
    assert caution is not None
    assert caution.reason == "GrpcNotRouted"
    assert api.caution(traffic_of(api)) != caution


def test_an_http_route_below_a_prefix_has_no_regex_that_envoy_refuses() -> None:
    """Istio's own proxies take the larger one of a VirtualService; other controllers' gateways need not."""
    rules = rules_of(route(GATEWAY_API, HALF, **BELOW))
    headers = [header for rule in rules for match in rule["matches"] for header in match.get("headers", ())]
    regexes = [header["value"] for header in headers if header["type"] == "RegularExpression"]
    assert regexes
    assert all(re2.compile(regex).programsize <= MOST_INSTRUCTIONS for regex in regexes)
