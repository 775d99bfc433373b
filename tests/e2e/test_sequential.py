"""What the sequential test bears, and how evidence paces a rollout; what it alone sees is in test_agreement."""

from __future__ import annotations

import pytest

from serinus_local.waiting import now
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

HALF = ({"setWeight": 50}, {"pause": {"duration": "10m"}})
OUTAGE_SECONDS = 30
LONGEST_PAUSES = ({"setWeight": 25}, {"pause": {"duration": "1m"}}, {"setWeight": 50}, {"pause": {"duration": "1m"}})


def test_an_outage_that_both_revisions_share_reverts_nothing(cluster: Cluster) -> None:
    """A dependency of both is down for half a minute: CommonCause holds the weight, and the rollout goes on."""
    with served(cluster, "shared", fails=given.ON_COMMAND) as asked:
        cluster.apply(given.version("shared", 2, fails=given.ON_COMMAND, steps=HALF))
        cluster.rollout("shared", 2, lambda status: status.get("verdict") == "Safe", what="Safe at half")
        asked.ask_for(given.BREAKING)
        cluster.rollout("shared", 2, lambda status: status.get("reason") == "CommonCause", what="to see it is shared")
        with pytest.raises(TimeoutError):
            cluster.rollout(
                "shared", 2, lambda status: status.get("weight") != 50, what="to move", limit=OUTAGE_SECONDS
            )
        asked.ask_for((1.0, 2.0, 3.0, 4.0))
        after = cluster.rollout("shared", 2, lambda status: status.get("verdict") == "Safe", what="Safe", limit=90)
    assert (after["status"]["phase"], after["status"]["weight"]) == ("Progressing", 50)


def test_with_pace_evidence_a_good_version_is_promoted_sooner_than_its_pauses_would_allow(cluster: Cluster) -> None:
    """The risk budget fits the traffic: two minutes of pauses are not waited for."""
    wishes = {
        "pace": "Evidence",
        "steps": LONGEST_PAUSES,
        "analysis": {"riskBudget": "5%", "minDwell": "5s"},
    }
    with served(cluster, "paced", rate=60, **wishes) as asked:
        cluster.apply(given.version("paced", 2, **wishes))
        cluster.rollout("paced", 2, lambda status: status.get("weight") == 25, what="a first weight")
        began = now()
        cluster.rollout("paced", 2, lambda status: status.get("weight") == 100, what="all weight", limit=110)
    assert now() - began < 110
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
