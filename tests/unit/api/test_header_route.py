"""setHeaderRoute as it is parsed where no API server has looked at it: in the command line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serinus.api.canary import Canary
from serinus.api.header_route import RESERVED, RequestMatch
from serinus.api.policy_rules import MOST_MATCHES

PREMIUM = {"headerName": "x-tier", "headerValue": {"exact": "premium"}}


@pytest.mark.parametrize("name", [*RESERVED, *(name.upper() for name in RESERVED)])
def test_a_header_that_chooses_the_route_itself_is_refused(name: str) -> None:
    """Istio leaves such a match out, and a rule without its match is everybody's."""
    with pytest.raises(ValidationError, match="headerName must be none of"):
        RequestMatch.parse({"headerName": name, "headerValue": {"exact": "a"}})


@pytest.mark.parametrize(
    ("match", "says"),
    [
        pytest.param({**PREMIUM, "cookieName": "tier"}, "needs headerName and headerValue, or", id="half a cookie"),
        pytest.param({"headerName": "a"}, "needs headerName and headerValue, or", id="no value"),
        pytest.param({}, "needs headerName and headerValue, or", id="nothing"),
        pytest.param({"headerName": "a", "headerValue": {}}, "exactly one of exact, prefix and regex", id="no way"),
        pytest.param(
            {"headerName": "a", "headerValue": {"exact": "b", "prefix": "b"}}, "exactly one of", id="two ways"
        ),
    ],
)
def test_what_no_route_could_match_is_refused(match: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RequestMatch.parse(match)


@pytest.mark.parametrize("regex", [r"\pL+", r"premium\z", "a(?i)b", r"\Qa.b\E"])
def test_a_regex_is_envoys_business_and_not_pythons(regex: str) -> None:
    """The API server has compiled it as RE2."""
    found = RequestMatch.parse({"headerName": "a", "headerValue": {"regex": regex}})
    assert found.header_value is not None
    assert found.header_value.regex == regex


@pytest.mark.parametrize(("number", "fits"), [(MOST_MATCHES // 2, True), (MOST_MATCHES // 2 + 1, False)])
def test_all_steps_together_have_as_many_matches_as_a_status_holds(number: int, fits: bool) -> None:
    """A rollout that cannot be recorded could not go on."""
    steps = [{"setHeaderRoute": {"match": [PREMIUM] * number}}, {"pause": {}}] * 2
    if fits:
        assert len(Canary.parse({"steps": steps}).steps) == 4
        return
    with pytest.raises(ValidationError, match="more than 16 matches"):
        Canary.parse({"steps": steps})
