"""gRPC is split, judged and gated as HTTP is."""

from __future__ import annotations

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]


def test_grpc_requests_are_split_and_their_failures_take_the_weight_away(cluster: Cluster) -> None:
    """A client that speaks gRPC only is answered by both versions, and is rid of the bad one within seconds."""
    with served(cluster, "grpc", grpc_every=1, steps=given.UNTIL_PROMOTED) as asked:
        cluster.apply(given.version("grpc", 2, steps=given.UNTIL_PROMOTED, fails=given.ON_COMMAND))
        cluster.rollout("grpc", 2, lambda status: status.get("verdict") == "Safe", what="to be judged Safe")
        split = cluster.weights("grpc")
        before = dict(asked.tally.by_label)
        asked.wait_for("2", more=25)
        asked.ask_for(given.BREAKING)
        cluster.rollout("grpc", 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        first = asked.tally.by_label["1"] - before["1"]
    assert split["grpc"] == split["http"]
    assert sorted(split["grpc"].values()) == [50, 50]
    assert first >= 15
    assert asked.tally.bad > 0
    assert asked.tally.failures == []


def test_a_version_that_does_not_answer_its_probe_over_grpc_gets_no_traffic(cluster: Cluster) -> None:
    """Its pods are ready for the kubelet, but the sample request fails: weight 0 until the deadline, then Aborted."""
    with served(cluster, "probed") as asked:
        cluster.apply(given.version("probed", 2, fails=given.ALWAYS, deadline=20))
        held = cluster.rollout(
            "probed", 2, lambda status: status.get("reason") == "ProbeFailed",
            what="the probe's failure",
        )  # fmt: skip
        ended = cluster.rollout("probed", 2, lambda status: status.get("phase") == "Aborted", what="to be aborted")
    assert held["status"].get("weight", 0) == ended["status"].get("weight", 0) == 0
    assert "no such column" in held["status"]["message"]
    assert set(asked.tally.by_label) == {"1"}
