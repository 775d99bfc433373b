"""A route to another ModelDeployment, by both APIs: all rules go there, it is read back, and told from an edit."""

from __future__ import annotations

import copy

import pytest

from serinus.core.model.kinds import Json
from serinus.core.model.split import Split
from serinus.core.traffic.provider import TrafficProvider
from tests.unit.core.traffic.test_rule_settings import (
    BOTH,
    CANARY,
    HALF,
    OWNER,
    STABLE,
    answered_by,
    destinations,
    route,
    rules_of,
)

RULES = Split.to_fallback("fraud-rules")


def weights(rule: Json) -> list[int]:
    return [each["weight"] for each in destinations(rule)]


@BOTH
def test_every_rule_goes_to_the_others_root_service(api: TrafficProvider) -> None:
    """One for gRPC and one for HTTP; answers name who gave them."""
    live = route(api, RULES, timeout="30s")
    assert [rule["name"] for rule in rules_of(live)] == ["grpc", "http"]
    for rule in rules_of(live):
        assert [answered_by(each) for each in destinations(rule)] == [("fraud-rules", "fraud-rules")]
        assert weights(rule) == [100]


@BOTH
@pytest.mark.parametrize("wanted", [{}, {"timeout": "30s", "allPaths": True}, {"sessionAffinity": {"cookie": {}}}])
def test_it_is_read_as_what_was_rendered(api: TrafficProvider, wanted: Json) -> None:
    assert api.read(route(api, RULES, **wanted)) == RULES


@BOTH
@pytest.mark.parametrize(("before", "after"), [(HALF, RULES), (RULES, HALF)], ids=["there", "back"])
def test_a_route_that_is_left_or_refused_is_given_it_too(api: TrafficProvider, before: Split, after: Split) -> None:
    """With its own settings; only sticky users are forgotten, as they are by any route to one Service."""
    live = route(api, before, timeout="30s")
    again = api.resplit(OWNER, live, after)
    assert api.read(again) == after
    assert rules_of(again) == rules_of(route(api, after, timeout="30s"))


@BOTH
def test_half_of_a_fallback_is_no_route_of_ours(api: TrafficProvider) -> None:
    """One rule goes there, the other does not."""
    live, theirs = route(api, Split(((STABLE, 100),))), copy.deepcopy(route(api, RULES))
    rules_of(live)[0] = rules_of(theirs)[0]
    assert api.read(live) is None


@BOTH
def test_a_revision_alone_is_no_fallback(api: TrafficProvider) -> None:
    """Its name has a hash."""
    alone = Split(((CANARY, 100),))
    assert api.read(route(api, alone)) == alone
