"""spec.traffic as it is parsed where no API server has looked at it: in the command line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serinus.api.parsing import parse_spec
from serinus.api.problems import ApiError
from serinus.api.retries import Retries
from serinus.api.traffic import Traffic

BY_GATEWAY_API: dict[str, Any] = {"provider": "gatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "public"}]}}


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        pytest.param({"retries": {"attempts": 1}}, "retries: an HTTPRoute has no retries: leave it out", id="retries"),
        pytest.param({"retries": {}}, "retries: an HTTPRoute has no retries: leave it out", id="empty retries"),
        pytest.param({"circuitBreaker": {}}, "circuitBreaker: its limits are Istio's DestinationRule", id="limits"),
    ],
)
def test_what_an_http_route_does_not_have_is_refused(traffic: dict[str, Any], says: str) -> None:
    """With the sentence that the API server answers with."""
    with pytest.raises(ValidationError, match=says):
        Traffic.parse({**BY_GATEWAY_API, **traffic})
    assert Traffic.parse(traffic).api.value == "istio"


@pytest.mark.parametrize(
    ("retries", "says"),
    [
        pytest.param({"perTryTimeout": "1s"}, "need attempts of at least 1", id="a time for no try"),
        pytest.param({"attempts": 0, "retryOn": ["5xx"]}, "need attempts of at least 1", id="a reason for no try"),
        pytest.param({"attempts": 11}, "less than or equal to 10", id="too many"),
        pytest.param({"attempts": 1, "retryOn": ["anything"]}, "Input should be '5xx'", id="an unknown reason"),
        pytest.param({"attempts": 1, "perTryTimeout": "0s"}, "is not positive", id="no time"),
    ],
)
def test_retries_that_istio_would_refuse_are_refused(retries: dict[str, Any], says: str) -> None:
    """Istio's webhook refuses the route, and then nothing could be written into it."""
    with pytest.raises(ValidationError, match=says):
        Retries.parse(retries)


@pytest.mark.parametrize("timeout", ["1.5s", "1d", "100000s", "1h1m1s1ms1ms", "0ms", ""])
def test_a_timeout_that_an_http_route_cannot_hold_is_refused(timeout: str) -> None:
    """The same for both APIs: a change of the API changes nothing else."""
    with pytest.raises(ValidationError, match="timeout"):
        Traffic.parse({"timeout": timeout})


@pytest.mark.parametrize(
    "prefix", ["fraud", "/", "/fraud/", "//fraud", "/a/../b", "/.a", "/a b", "/a%2fb", "/1/2/3/4/5", ""]
)
def test_a_prefix_that_paths_do_not_begin_with_as_they_are_written_is_refused(prefix: str) -> None:
    """The gateway and the server read a path in one way, and a rule has one prefix."""
    with pytest.raises(ValidationError, match="pathPrefix"):
        Traffic.parse({"pathPrefix": prefix})


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        pytest.param({"istio": {"delegate": True}}, "istio.delegate needs pathPrefix", id="no prefix"),
        pytest.param(
            {"pathPrefix": "/a", "hosts": ["a.b"], "istio": {"delegate": True}}, "leave out hosts", id="hosts"
        ),
        pytest.param(
            {"pathPrefix": "/a", "istio": {"delegate": True, "gateways": ["a"]}}, "leave out hosts", id="gateways"
        ),
    ],
)
def test_a_delegate_has_a_prefix_and_is_bound_to_nothing(traffic: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Traffic.parse(traffic)


MATCH = {"headerName": "x-tier", "headerValue": {"exact": "premium"}}


@pytest.mark.parametrize(
    ("traffic", "fits"),
    [
        pytest.param({**BY_GATEWAY_API, "pathPrefix": "/a"}, False, id="an HTTPRoute below a prefix"),
        pytest.param(BY_GATEWAY_API, True, id="an HTTPRoute"),
        pytest.param({"pathPrefix": "/a"}, True, id="a VirtualService below a prefix"),
    ],
)
@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param({"canary": {"steps": [{"setHeaderRoute": {"match": [MATCH] * 6}}] * 2}}, id="canary"),
        pytest.param({"blueGreen": {"preview": {"match": [MATCH] * 11}}}, id="blueGreen"),
    ],
)
def test_an_http_route_below_a_prefix_has_room_for_fewer_matches(
    traffic: dict[str, Any], strategy: dict[str, Any], *, fits: bool
) -> None:
    """Each is a rule of its own there."""
    model = {"version": "1", "storageUri": "pvc://models/fraud/1"}
    spec = {"model": model, "runtime": {"image": "triton:1"}, "traffic": traffic, "strategy": strategy}
    if fits:
        assert parse_spec(spec).traffic is not None
    else:
        with pytest.raises(ApiError, match="has more than 10 matches, and an HTTPRoute with pathPrefix"):
            parse_spec(spec)
