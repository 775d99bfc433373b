"""A/B test: users split and sticky, conversions counted by an application's own counters, through istiod and Envoy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
RATE = 100.0
"""Each request is a new user: none of them brings a cookie."""
SHOP = """
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def initialize(self, args):
        def counter(name):
            return triton.MetricFamily(name=name, description=name, kind=triton.MetricFamily.COUNTER)
        self.families = [counter("shop_visits"), counter("shop_purchases")]
        self.visits, self.purchases = (family.Metric(labels={{"shop": "e2e"}}) for family in self.families)
        self.seen = 0

    def execute(self, requests):
        return [self.answer() for _ in requests]

    def answer(self):
        self.seen += 1
        self.visits.increment(1)
        if 37 * self.seen % 100 < {buyers}:
            self.purchases.increment(1)
        return triton.InferenceResponse([triton.Tensor("VERSION", np.array([{version}], dtype=np.int32))])
"""
OF = '{namespace="{{namespace}}", modeldeployment="{{name}}", revision="{{revision}}"}'
PURCHASES: dict[str, Any] = {
    "name": "purchases",
    "type": "Ratio",
    "query": f"sum(shop_purchases{OF})",
    "of": f"sum(shop_visits{OF})",
}


def shop(name: str, number: int, *, buyers: int, **wishes: Any) -> str:
    """Render a version of which so many of 100 visitors buy something."""
    manifest = json.loads(given.version(name, number, **wishes))
    manifest["items"][0]["data"]["model.py"] = SHOP.format(version=number, buyers=buyers)
    return json.dumps(manifest)


def wishes(routing: str, **test: Any) -> dict[str, Any]:
    """What both versions have in common: a test of twenty seconds at least."""
    goal = {"metric": "purchases", "direction": "Increase", "minimumEffect": "10%"}
    return {
        "routing": routing,
        "strategy": {"abTest": {"goal": goal, "minDuration": "20s", "maxDuration": "120s", **test}},
        "analysis": {"metrics": [given.ERROR_RATE, PURCHASES]},
        "traffic": {"sessionAffinity": {"cookie": {"maxAge": "672h"}}},
    }


def phase(wanted: str) -> Any:
    return lambda status: status.get("phase") == wanted


@BOTH
def test_a_canary_with_more_purchases_wins_and_is_promoted(cluster: Cluster, routing: str) -> None:
    """99 of 100 buy where 90 did, a tenth more; the status says how much better it is, and how sure that is."""
    name = f"winner-{routing.lower()}"
    common = wishes(routing)
    with served(cluster, name, rate=RATE, first=shop(name, 1, buyers=90, **common)) as users:
        cluster.apply(shop(name, 2, buyers=99, **common))
        rollout = cluster.rollout(name, 2, phase("Succeeded"), what="to win", limit=180)
        assert users.tally.failures == []
    goal = rollout["status"]["goal"]
    assert (goal["outcome"], goal["odds"] >= 20) == ("CanaryWon", True)
    assert 0 < goal["lower"] < 0.1 < goal["upper"]
    reasons = [one["reason"] for one in rollout["status"]["decisions"] if one["action"] in {"Decided", "Raised"}]
    assert reasons == ["WeightRaised", "CanaryWon", "WeightRaised"]


@BOTH
def test_without_a_difference_it_ends_as_asked(cluster: Cluster, routing: str) -> None:
    """As many buy: after maxDuration everybody is on stable again, and the version is rejected."""
    name = f"draw-{routing.lower()}"
    common = wishes(routing, maxDuration="30s", onNoDifference="KeepStable")
    with served(cluster, name, rate=RATE, first=shop(name, 1, buyers=90, **common)) as users:
        cluster.apply(shop(name, 2, buyers=90, **common))
        rollout = cluster.rollout(name, 2, phase("Reverted"), what="to end", limit=120)
        users.wait_for("1", more=100)
        assert users.tally.failures == []
    assert rollout["status"]["reason"] == "NoDifference"
    assert rollout["status"]["weight"] == 0
