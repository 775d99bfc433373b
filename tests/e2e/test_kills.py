"""The operator is killed in every phase and started again: it goes on, and no traffic is ever unexplained."""

from __future__ import annotations

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [
    pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400), pytest.mark.usefixtures("operator_process"),
]  # fmt: skip

STEPS = ({"setWeight": 50}, {"pause": {"duration": "4s"}}, {"setWeight": 60}, {"pause": {}})


def test_an_operator_killed_in_each_phase_goes_on_and_loses_no_request(cluster: Cluster) -> None:
    """Pending, Progressing, Paused, Guarding: after each kill the route is what the Rollout says, then it goes on."""
    with served(cluster, "killed", steps=STEPS) as asked:
        cluster.apply(given.version("killed", 2, steps=STEPS))
        for phase in ("Pending", "Progressing", "Paused", "Guarding"):
            rollout = cluster.rollout(
                "killed", 2, lambda status, phase=phase: status.get("phase") == phase, what=f"to be {phase}"
            )
            cluster.stack.kill("operator")
            assert_explained(cluster, "killed", 2)
            cluster.stack.restart("operator")
            assert_explained(cluster, "killed", 2)
            if phase == "Paused":
                promote(cluster, rollout["metadata"]["name"], through_step=4)
        cluster.rollout("killed", 2, lambda status: status.get("phase") == "Succeeded", what="to succeed")
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
    assert asked.tally.by_label["2"] > 0


def test_an_operator_killed_at_the_first_bad_answer_and_at_the_revert_takes_the_weight_away(cluster: Cluster) -> None:
    """Once before it could judge, once between its verdict and what follows: weight 0 all the same, and it stays."""
    with served(cluster, "reverted", steps=given.UNTIL_PROMOTED) as asked:
        cluster.apply(given.version("reverted", 2, steps=given.UNTIL_PROMOTED, fails=given.ON_COMMAND))
        cluster.rollout("reverted", 2, lambda status: status.get("verdict") == "Safe", what="to be judged Safe")
        asked.ask_for(given.BREAKING)
        asked.wait_for("bad")
        cluster.stack.kill("operator")
        cluster.stack.restart("operator")
        rollout = cluster.rollout("reverted", 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        cluster.stack.kill("operator")
        assert rollout["status"]["weight"] == 0
        cluster.stack.restart("operator")
        cluster.wait("VirtualService", "reverted", lambda found: only_stable(found["reverted"]), what="weight 0")
        asked.wait_for("1", more=20)
        assert asked.tally.failures == []
        cluster.deployed("reverted", lambda status: status["weight"] == 0, what="the summary to say weight 0")


def assert_explained(cluster: Cluster, name: str, version: int) -> None:
    """Hold the live route against the Rollout: a weight that no status explains must never be there.

    The operator may raise the weight meanwhile: its record comes first, so what is on record afterwards explains it.
    """
    before = cluster.rollout(name, version, lambda status: True, what="its status")
    routed = cluster.weights(name)
    after = cluster.rollout(name, version, lambda status: True, what="its status")
    most = max(seen["status"].get("weight", 0) for seen in (before, after))
    for rule, weights in routed.items():
        assert sum(weights.values()) == 100, rule
        assert weights.get(after["spec"]["to"]["revision"], 0) <= most, rule


def promote(cluster: Cluster, rollout: str, *, through_step: int) -> None:
    """Promote as an SRE does."""
    patch = f'{{"spec": {{"promote": {{"throughStep": {through_step}}}}}}}'
    cluster.kubectl("patch", "mro", rollout, "--type=merge", f"--patch={patch}")


def only_stable(route: given.Manifest) -> bool:
    """Tell whether a route sends everything to one revision."""
    return all(entry["weight"] in (0, 100) for rule in route["spec"]["http"] for entry in rule["route"])
