"""setCanaryScale as it is parsed where no API server has looked at it: in the command line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serinus.api.canary_scale import CanaryScale

EXACTLY_ONE = "needs exactly one of replicas, weight and matchTrafficWeight: true"


@pytest.mark.parametrize(
    ("scale", "asks"),
    [
        pytest.param({"replicas": 1}, True, id="one pod"),
        pytest.param({"replicas": 1000}, True, id="as many as minReplicas may be"),
        pytest.param({"weight": 100}, True, id="full size"),
        pytest.param({"matchTrafficWeight": True}, False, id="as the weight needs"),
    ],
)
def test_a_scale_is_one_of_three(scale: dict[str, Any], asks: bool) -> None:
    """And asks for pods of its own, or leaves that to the weight."""
    assert CanaryScale.parse(scale).asks is asks


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        pytest.param({}, EXACTLY_ONE, id="nothing"),
        pytest.param({"matchTrafficWeight": False}, EXACTLY_ONE, id="not the weight, but what"),
        pytest.param({"replicas": 3, "weight": 50}, EXACTLY_ONE, id="two sizes"),
        pytest.param({"replicas": 3, "matchTrafficWeight": True}, EXACTLY_ONE, id="a size and none"),
        pytest.param({"replicas": 3, "matchTrafficWeight": False}, EXACTLY_ONE, id="a size, and said twice"),
        pytest.param({"replicas": 0}, "greater than or equal to 1", id="no pod"),
        pytest.param({"replicas": 1001}, "less than or equal to 1000", id="too many pods"),
        pytest.param({"weight": 101}, "less than or equal to 100", id="more than everything"),
    ],
)
def test_any_other_form_is_refused(scale: dict[str, Any], says: str) -> None:
    """In the API server's own words, where it is our rule."""
    with pytest.raises(ValidationError, match=says):
        CanaryScale.parse(scale)
