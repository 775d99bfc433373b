"""A hotfix while stable fails: what is to be replaced holds nobody up."""

from __future__ import annotations

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.freezing import frozen
from tests.e2e.serving import served, stable_pods, succeeded, wait_for_ready

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

STEPS = ({"setWeight": 10}, {"pause": {"duration": "4s"}}, {"setWeight": 50}, {"pause": {"duration": "4s"}})
LONG = ({"setWeight": 10}, {"pause": {"duration": "1h"}})


def test_a_fix_walks_past_a_stable_that_fails_half_of_its_requests(cluster: Cluster) -> None:
    """By its ordinary pauses, under the sequential test; afterwards nobody sees an error."""
    with served(cluster, "failing", fails=given.HALF, steps=STEPS) as asked:
        asked.wait_for("bad", more=50)
        cluster.apply(given.version("failing", 2, steps=STEPS))
        fixed = cluster.rollout("failing", 2, succeeded, what="to succeed", limit=120)
        errors = asked.tally.bad
        asked.wait_for("2", more=50)
    assert raises(fixed) == [(10, "WeightRaised"), (50, "WeightRaised"), (100, "WeightRaised")]
    assert asked.tally.bad == errors
    assert asked.tally.failures == []


def test_a_fix_gets_everything_at_once_when_stable_has_no_ready_pod(cluster: Cluster) -> None:
    """A pause of an hour is not waited for: nobody else could answer."""
    with served(cluster, "down", steps=LONG) as asked, frozen(stable_pods(cluster, "down")):
        wait_for_ready(cluster, "down", 0)
        cluster.apply(given.version("down", 2, steps=LONG))
        fixed = cluster.rollout("down", 2, lambda status: status.get("weight") == 100, what="all traffic", limit=120)
        asked.wait_for("2", more=50)
        failed = asked.tally.failed
        cluster.rollout("down", 2, succeeded, what="to succeed", limit=120)
    assert raises(fixed) == [(100, "StableFailing")]
    assert asked.tally.failed == failed


def raises(rollout: given.Manifest) -> list[tuple[int, str]]:
    """List what gave the canary weight, and for which reason."""
    decisions = rollout["status"]["decisions"]
    return [(one["weight"], one["reason"]) for one in decisions if one["action"] == "Raised"]
