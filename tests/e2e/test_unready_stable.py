"""A bad canary while stable is not well: what stable can carry goes back at once, the rest follows pod by pod."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import given
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster, condition
from tests.e2e.freezing import frozen
from tests.e2e.serving import at_half, served, stable_pods, wait_for_ready

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME = "unwell"
WISHES = {
    "steps": given.UNTIL_PROMOTED,
    "replicas": 4,
    "analysis": {"mode": "Threshold", "metrics": [given.MODEL_ERRORS]},
}
"""By limits alone: to compare a number that covers five seconds takes twenty times as long, and is not the question."""


@pytest.fixture(scope="module")
def four(cluster: Cluster) -> Iterator[Asking]:
    """Give a model with four stable pods, under traffic, for both tests."""
    with served(cluster, NAME, **WISHES) as asked:
        yield asked


def test_with_one_of_four_stable_pods_unready_a_bad_canary_loses_all_of_its_weight(
    cluster: Cluster, four: Asking
) -> None:
    """Three of four can carry everything."""
    at_half(cluster, NAME, fails=given.ON_COMMAND, replicas=4, analysis=WISHES["analysis"])
    with frozen(stable_pods(cluster, NAME)[:1]):
        wait_for_ready(cluster, NAME, 3)
        four.ask_for(given.BREAKING)
        ended = cluster.rollout(NAME, 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        four.ask_for((1.0, 2.0, 3.0, 4.0))
    assert ended["status"]["weight"] == 0
    wait_for_ready(cluster, NAME, 4)


def test_with_no_stable_pod_ready_the_weight_waits_and_follows_as_they_come_back(
    cluster: Cluster, four: Asking
) -> None:
    """It is Reverted at once, never raised, said in a condition, and gone once stable can carry the traffic."""
    cluster.apply(given.version(NAME, 3, fails=given.ON_COMMAND, **WISHES))
    cluster.rollout(
        NAME, 3, lambda status: (status.get("weight"), status.get("verdict")) == (50, "Safe"), what="Safe at half"
    )
    with frozen(stable_pods(cluster, NAME)):
        wait_for_ready(cluster, NAME, 0)
        four.ask_for(given.BREAKING)
        ended = cluster.rollout(NAME, 3, lambda status: status.get("phase") == "Reverted", what="the revert")
        status = cluster.deployed(
            NAME, lambda seen: "canary" in condition(seen, "Degraded").get("message", ""), what="to be Degraded"
        )["status"]
        four.ask_for((1.0, 2.0, 3.0, 4.0))
    assert ended["status"]["weight"] == 50
    assert "50% stay on the canary" in condition(status, "Degraded")["message"]
    cluster.rollout(NAME, 3, lambda seen: seen.get("weight") == 0 and "settledAt" in seen, what="weight 0")
    four.wait_for("1", more=20)
