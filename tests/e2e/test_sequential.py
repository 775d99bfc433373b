"""What the sequential test bears, and how evidence paces a rollout; what it alone sees is in test_agreement."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serinus.api.parsing import unix_seconds
from tests.e2e import given
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(480)]

HALF = ({"setWeight": 50}, {"pause": {"duration": "10m"}})
OUTAGE_SECONDS = 30
LONGEST_PAUSES = ({"setWeight": 25}, {"pause": {"duration": "3m"}}, {"setWeight": 50}, {"pause": {"duration": "3m"}})
PAUSES_SECONDS = 360
PACED = "paced"


@pytest.fixture(scope="module", autouse=True)
def paced(cluster: Cluster) -> Iterator[Asking]:
    """Give a rollout at the pace of its evidence, which goes on while the other tests run."""
    wishes = {
        "pace": "Evidence",
        "steps": LONGEST_PAUSES,
        "analysis": {"riskBudget": "5%", "minDwell": "5s"},
    }
    with served(cluster, PACED, rate=60, **wishes) as asked:
        cluster.apply(given.version(PACED, 2, **wishes))
        yield asked


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


def test_with_pace_evidence_a_good_version_is_promoted_sooner_than_its_pauses_would_allow(
    cluster: Cluster, paced: Asking
) -> None:
    """The risk budget fits the traffic: six minutes of pauses are not waited for."""
    full = cluster.rollout(
        PACED, 2, lambda status: status.get("weight") == 100, what="all weight", limit=PAUSES_SECONDS
    )
    raises = [one for one in full["status"]["decisions"] if one["action"] == "Raised"]
    first, *_, last = (unix_seconds(one["firstTime"]) for one in raises)
    assert [one["weight"] for one in raises] == [25, 50, 100]
    assert last - first < PAUSES_SECONDS - 10
    assert (paced.tally.bad, paced.tally.failures) == (0, [])
