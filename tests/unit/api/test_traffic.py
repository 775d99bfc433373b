"""spec.traffic as it is parsed where no API server has looked at it: in the command line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

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
