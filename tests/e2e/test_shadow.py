"""A shadow stage: copies of requests find a bad version before anybody sees it, through istiod and Envoy."""

from __future__ import annotations

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, succeeded

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
STEPS = (
    {"setMirrorRoute": {"percentage": 100}},
    {"pause": {"duration": "10s"}},
    {"setWeight": 50},
    {"pause": {"duration": "3s"}},
)
A_FIFTH = "__import__('random').random() < 0.2"


@BOTH
def test_a_version_that_fails_a_fifth_is_found_and_no_user_saw_an_error(cluster: Cluster, routing: str) -> None:
    """Its answers are thrown away; the gateway's own counters tell of them."""
    name = f"shadow-bad-{routing.lower()}"
    with served(cluster, name, routing=routing) as asked:
        cluster.apply(given.version(name, 2, steps=STEPS, fails=A_FIFTH, routing=routing))
        cluster.rollout(name, 2, lambda status: status.get("exposure") == "mirror 100%", what="copies")
        ended = cluster.rollout(name, 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        assert ended["status"]["decisions"][-1]["metric"] == "error-rate"
        asked.wait_for("1", more=20)
        assert asked.tally.failures == []
        assert asked.tally.bad == 0
        assert asked.tally.by_label.keys() == {"1"}


@BOTH
def test_a_good_version_passes_its_shadow_stage_and_is_seen_only_after_it(cluster: Cluster, routing: str) -> None:
    """While it gets copies everybody is answered by stable."""
    name = f"shadow-{routing.lower()}"
    with served(cluster, name, routing=routing) as asked:
        cluster.apply(given.version(name, 2, steps=STEPS, routing=routing))
        cluster.rollout(name, 2, lambda status: status.get("exposure") == "mirror 100%", what="copies")
        asked.wait_for("1", more=20)
        assert asked.tally.by_label.keys() == {"1"}
        cluster.rollout(name, 2, succeeded, what="everybody")
        asked.wait_for("2", more=5)
        assert asked.tally.failures == []
