"""The ways back that no verdict takes: the spec set back, and the ModelDeployment deleted, in mid-rollout."""

from __future__ import annotations

import pytest

from serinus_local.waiting import now
from tests.e2e import given
from tests.e2e.cluster import LABEL, PATHS, Cluster
from tests.e2e.serving import at_half, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]


def test_the_spec_set_back_to_stable_takes_the_weight_away_at_once_and_loses_nothing(cluster: Cluster) -> None:
    """`git revert` in mid-rollout: Superseded for SpecRestored, weight 0 within seconds, nothing is rejected."""
    with served(cluster, "restored", steps=given.UNTIL_PROMOTED) as asked:
        at_half(cluster, "restored")
        began = now()
        cluster.apply(given.version("restored", 1, steps=given.UNTIL_PROMOTED))
        ended = cluster.rollout("restored", 2, lambda status: status.get("phase") == "Superseded", what="to end")
        took = now() - began
        status = cluster.deployed("restored", lambda seen: seen.get("weight", 0) == 0, what="weight 0")["status"]
        asked.wait_for("1", more=20)
    assert (ended["status"]["reason"], ended["status"]["weight"]) == ("SpecRestored", 0)
    assert took < 5
    assert status.get("rejected", []) == []
    assert (asked.tally.bad, asked.tally.failures) == (0, [])


def test_a_modeldeployment_deleted_in_mid_rollout_leaves_nothing_behind(cluster: Cluster) -> None:
    """Route, Services, pods, copies and history: all of it goes with its owner; the user's ConfigMaps stay."""
    with served(cluster, "deleted", steps=given.UNTIL_PROMOTED):
        at_half(cluster, "deleted")
    for kind in PATHS:
        if kind not in ("ModelDeployment", "Event"):
            cluster.wait(kind, "deleted", lambda found: not found, what=f"no {kind} with {LABEL}=deleted", limit=60)
    assert cluster.get("ConfigMap", "deleted-model-1")["data"]
