"""Whose requests a route has on a host that others have, too: by what their paths begin with."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.hosts import Delegation, ForeignRoute, host_conflicts, not_delegated
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.provider import RoutePlan
from serinus.core.traffic.regexes import literal_path
from tests.unit.core.traffic.test_rule_settings import BOTH, GATEWAY_API, ISTIO, OWNER, SHARED, traffic_of

HOST = "api.example.com"
METADATA: Json = {"name": "theirs", "namespace": "ml", "creationTimestamp": "2020-01-01T00:00:00Z"}


def istio_route(*matches: Json, **rule: Any) -> Json:
    """Somebody's VirtualService for the host; without matches for every path of it."""
    matched = {"match": list(matches)} if matches else {}
    return {"metadata": METADATA, "spec": {"hosts": [HOST], "gateways": ["public"], "http": [{**matched, **rule}]}}


def http_route(kind: str, value: str, **rule: Any) -> Json:
    """Somebody's HTTPRoute for the host."""
    matches = [{"path": {"type": kind, "value": value}}]
    spec = {"hostnames": [HOST], "parentRefs": [{"name": "public"}], "rules": [{"matches": matches, **rule}]}
    return {"metadata": METADATA, "spec": spec}


def blocked(api: Istio | GatewayApi, theirs: ForeignRoute, **wanted: Any) -> list[str]:
    """List why ours may not begin beside theirs."""
    ours = api.claims(OWNER, traffic_of(api, hosts=[HOST], **wanted), {})[0]
    return [one.message for one in host_conflicts(ours, [theirs]) if one.blocking]


def another(api: Istio | GatewayApi, **wanted: Any) -> ForeignRoute:
    """Another ModelDeployment's route for the host, as it is read from the cluster."""
    owner = type(OWNER)(namespace="ml", name="another", uid="2")
    route = api.render_routes(RoutePlan(owner, traffic_of(api, hosts=[HOST], **wanted), SHARED), {})[0]
    return api.read_claims({**route, "metadata": {**METADATA, **route["metadata"]}})


@BOTH
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param({"pathPrefix": "/a"}, {"pathPrefix": "/b"}, id="two prefixes"),
        pytest.param({"pathPrefix": "/a"}, {"pathPrefix": "/a-b"}, id="one begins as the other"),
        pytest.param({"pathPrefix": "/a/b"}, {"pathPrefix": "/a"}, id="one below the other"),
        pytest.param({"pathPrefix": "/a"}, {"pathPrefix": "/a/b"}, id="one above the other"),
        pytest.param({"pathPrefix": "/a"}, {}, id="theirs has no prefix"),
        pytest.param({}, {"pathPrefix": "/a"}, id="ours has no prefix"),
        pytest.param(
            {"pathPrefix": "/a", "allPaths": True}, {"pathPrefix": "/a-b", "allPaths": True}, id="all paths of two"
        ),
    ],
)
def test_models_share_a_host_where_no_request_is_for_both(api: Any, ours: Json, theirs: Json) -> None:
    assert blocked(api, another(api, **theirs), **ours) == []


@BOTH
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param({}, {}, id="no prefix"),
        pytest.param({"pathPrefix": "/a"}, {"pathPrefix": "/a"}, id="one prefix"),
        pytest.param({"pathPrefix": "/a"}, {"pathPrefix": "/a", "allPaths": True}, id="all paths of one prefix"),
        pytest.param(
            {"pathPrefix": "/a", "allPaths": True}, {"pathPrefix": "/a/b"}, id="theirs is among all paths of ours"
        ),
        pytest.param({"allPaths": True}, {"pathPrefix": "/a"}, id="ours has all paths of the host"),
        pytest.param({"pathPrefix": "/a"}, {"allPaths": True}, id="theirs has all paths of the host"),
        pytest.param(
            {"pathPrefix": "/a/b"}, {"pathPrefix": "/a", "allPaths": True}, id="ours is among all paths of theirs"
        ),
        pytest.param({"pathPrefix": "/v2/models", "allPaths": True}, {}, id="ours would take the inference of theirs"),
    ],
)
def test_the_older_model_has_the_paths_of_both(api: Any, ours: Json, theirs: Json) -> None:
    """What to do is said: another prefix, where there is one."""
    messages = blocked(api, another(api, **theirs), **ours)
    assert len(messages) == 1
    assert ("use another pathPrefix" in messages[0]) is ("pathPrefix" in ours)


@pytest.mark.parametrize(
    ("theirs", "conflict"),
    [
        pytest.param(istio_route(), True, id="no match"),
        pytest.param(istio_route({"headers": {"x": {"exact": "1"}}}), True, id="a match of a header alone"),
        pytest.param(istio_route({"uri": {"prefix": "/"}}), True, id="every path"),
        pytest.param(istio_route({"uri": {"prefix": "/fr"}}), True, id="text that is no element"),
        pytest.param(istio_route({"uri": {"prefix": "/fraud"}}), True, id="the same prefix"),
        pytest.param(istio_route({"uri": {"prefix": "/fraud-eu"}}), False, id="a longer one"),
        pytest.param(istio_route({"uri": {"prefix": "/FRAUD"}, "ignoreUriCase": True}), True, id="whatever the case"),
        pytest.param(istio_route({"uri": {"exact": "/fraud/v2"}}), True, id="one of our paths"),
        pytest.param(istio_route({"uri": {"exact": "/fraud"}}), True, id="the prefix itself, to be careful"),
        pytest.param(istio_route({"uri": {"regex": "/shop/.*"}}), False, id="a regex beside"),
        pytest.param(istio_route({"uri": {"regex": "/shop|/fraud.*"}}), True, id="a regex of several"),
        pytest.param(istio_route({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/fraud"}}), True, id="one of two"),
        pytest.param(istio_route({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}}), False, id="none of two"),
        pytest.param({"metadata": METADATA, "spec": {"hosts": [HOST], "gateways": ["public"]}}, True, id="no rules"),
    ],
)
def test_with_istio_a_foreign_route_conflicts_where_paths_may_overlap(theirs: Json, conflict: bool) -> None:
    assert bool(blocked(ISTIO, ISTIO.read_claims(theirs), pathPrefix="/fraud")) is conflict


@pytest.mark.parametrize(
    ("theirs", "conflict"),
    [
        pytest.param(http_route("PathPrefix", "/"), False, id="a website at the root"),
        pytest.param(http_route("PathPrefix", "/fraud"), True, id="the same prefix"),
        pytest.param(http_route("Exact", "/fraud"), False, id="the prefix itself, and nothing below"),
        pytest.param(http_route("PathPrefix", "/fraud/v2/models"), True, id="below ours"),
        pytest.param(http_route("Exact", "/fraud/v2"), True, id="one of our paths"),
        pytest.param(http_route("PathPrefix", "/fraud-eu"), False, id="a longer element"),
        pytest.param(http_route("RegularExpression", "/fraud/v2/.*"), True, id="a regex of ours"),
    ],
)
def test_of_http_routes_the_longer_path_wins(theirs: Json, conflict: bool) -> None:
    """So only what is below ours takes anything from us."""
    assert bool(blocked(GATEWAY_API, GATEWAY_API.read_claims(theirs), pathPrefix="/fraud")) is conflict


def test_without_a_prefix_a_prefix_of_theirs_wins_over_our_regexes() -> None:
    """As with every route before there were prefixes."""
    theirs = GATEWAY_API.read_claims(http_route("PathPrefix", "/"))
    assert len(blocked(GATEWAY_API, theirs)) == 1


@pytest.mark.parametrize(
    ("regex", "path"),
    [
        ("/fraud/.*", "/fraud/"),
        ("^/fraud(/.*)?$", "/fraud"),
        ("/ab?c", "/a"),
        ("/ab*", "/a"),
        ("/ab{2}", "/a"),
        ("/ab+", "/ab"),
        (r"/v1\.2/x", "/v1.2/x"),
        (r"/a\.*x", "/a"),
        ("/a|/b", "/"),
        (".*", "/"),
        ("(?i)/a", "/"),
        ("a", "/"),
        ("", "/"),
    ],
)
def test_what_every_path_begins_with_that_a_regex_matches(regex: str, path: str) -> None:
    """Never more than is sure."""
    assert literal_path(regex) == path


def test_it_is_known_which_services_a_foreign_route_sends_to() -> None:
    """A short name is of the route's own namespace."""
    found = ISTIO.read_claims(
        istio_route(route=[{"destination": {"host": "fraud"}}, {"destination": {"host": "A.b.c"}}])
    )
    assert found.services == {"fraud.ml.svc.cluster.local", "a.b.c"}
    backends = [{"name": "fraud"}, {"name": "a", "namespace": "b"}, {"kind": "InferencePool", "name": "c"}]
    named = GATEWAY_API.read_claims(http_route("PathPrefix", "/", backendRefs=backends))
    assert named.services == {"fraud.ml.svc.cluster.local", "a.b.svc.cluster.local"}


@BOTH
def test_another_models_route_goes_past_nobody(api: Any) -> None:
    assert another(api).services == frozenset()


OURS = Key("ml", "fraud")


@pytest.mark.parametrize(
    ("matches", "says"),
    [
        pytest.param([{"uri": {"prefix": "/a/fraud"}}], "", id="the prefix"),
        pytest.param([{"uri": {"prefix": "/a/fraud/"}}], "", id="with a slash at its end"),
        pytest.param([{"uri": {"prefix": "/"}}], "", id="every path"),
        pytest.param([], "", id="no match"),
        pytest.param([{"headers": {"x": {"exact": "1"}}}], "", id="a header alone"),
        pytest.param([{"uri": {"exact": "/x"}}, {"uri": {"prefix": "/a"}}], "", id="one of two"),
        pytest.param([{"uri": {"prefix": "/b"}}], "not what is below /a/fraud", id="another prefix"),
        pytest.param([{"uri": {"prefix": "/a/fraud/v2"}}], "not what is below /a/fraud", id="less than the prefix"),
        pytest.param([{"uri": {"regex": "/a/.*"}}], "not what is below /a/fraud", id="a regex"),
        pytest.param([{"uri": {"exact": "/a/fraud"}}], "not what is below /a/fraud", id="one path"),
    ],
)
def test_a_delegate_is_told_what_its_root_leaves_it(matches: list[Json], says: str) -> None:
    """As istiod merges the two."""
    root = ISTIO.read_claims(istio_route(*matches, delegate={"name": "fraud"}))
    told = not_delegated(OURS, "/a/fraud", [root])
    assert says in told.message if told else not says


def test_a_delegate_that_nobody_delegates_to_is_told_what_to_write() -> None:
    elsewhere = ForeignRoute("VirtualService", Key("ml", "root"), frozenset(), frozenset(), 0.0)
    other = Delegation(Key("ml", "other"), "/")
    for roots in ((), (elsewhere,), (ISTIO.read_claims(istio_route(delegate={"name": "other"})),)):
        told = not_delegated(OURS, "/a", roots)
        assert told is not None
        assert "no VirtualService delegates to ml/fraud: match uri prefix: /a in a rule with delegate" in told.message
    assert roots[0].delegations == {other}
