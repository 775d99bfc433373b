"""A cohort sees the new version before others do: through istiod and Envoy, over HTTP and gRPC."""

from __future__ import annotations

import json

import pytest

from tests.e2e import given
from tests.e2e.asking import asking
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, succeeded

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME = "cohort"
COHORT = {
    "setHeaderRoute": {
        "match": [
            {"headerName": "X-Tier", "headerValue": {"exact": "premium"}},
            {"cookieName": "group", "cookieValue": {"prefix": "staff"}},
        ]
    }
}
BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
STEPS = (COHORT, {"pause": {}}, {"setWeight": 50}, {"pause": {"duration": "3s"}})


@BOTH
def test_a_premium_cohort_sees_the_new_version_before_others_do(cluster: Cluster, routing: str) -> None:
    """By a header or by a cookie among others; then everybody, and no request is lost."""
    gateway, name = cluster.stack.gateway_address, f"{NAME}-{routing.lower()}"
    with served(cluster, name, routing=routing) as others:
        cluster.apply(given.version(name, 2, steps=STEPS, routing=routing))
        waiting = cluster.rollout(name, 2, lambda status: "matches" in status, what="the cohort's exposure")
        assert waiting["status"]["exposure"] == "x-tier=premium, cookie group=staff*"
        staff = {"cookie": "a=1; group=staff-ml; b=2"}
        with (
            asking(gateway, name, headers={"x-tier": "premium"}) as premium,
            asking(gateway, name, headers=staff) as ml,
        ):
            premium.wait_for("2", more=20)
            ml.wait_for("2", more=20)
            safe = cluster.rollout(name, 2, lambda status: status.get("verdict") == "Safe", what="Safe for the cohort")
            assert safe["status"]["weight"] == 0
            others.wait_for("1", more=20)
            assert others.tally.by_label.keys() == {"1"}
            levers = json.dumps({"spec": {"promote": {"throughStep": 2}}})
            cluster.kubectl("patch", "mro", safe["metadata"]["name"], "--type=merge", f"--patch={levers}")
            cluster.rollout(name, 2, succeeded, what="everybody")
        for asked in (others, premium, ml):
            assert asked.tally.failures == []
            assert asked.tally.by_label["2"] > 0


@BOTH
def test_a_cohort_that_meets_a_bad_version_goes_back_and_others_never_met_it(cluster: Cluster, routing: str) -> None:
    """Its limit acts within seconds, before any evidence is weighed."""
    name = f"{NAME}-bad-{routing.lower()}"
    with served(cluster, name, routing=routing) as others:
        cluster.apply(given.version(name, 2, steps=STEPS, fails=given.ON_COMMAND, routing=routing))
        cluster.rollout(name, 2, lambda status: "matches" in status, what="the cohort's exposure")
        with asking(cluster.stack.gateway_address, name, headers={"x-tier": "premium"}) as premium:
            premium.wait_for("2", more=5)
            premium.ask_for(given.BREAKING)
            cluster.rollout(name, 2, lambda status: status.get("phase") == "Reverted", what="the revert")
            premium.wait_for("1")
        assert premium.tally.bad > 0
        assert others.tally.by_label.keys() == {"1"}
