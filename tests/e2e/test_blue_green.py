"""Blue-green: one switch, and one command back; testers see the new version first, through istiod and Envoy."""

from __future__ import annotations

import json

import pytest

from tests.e2e import given
from tests.e2e.asking import asking
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
PREVIEW = {"match": [{"headerName": "x-preview", "headerValue": {"exact": "yes"}}]}


@BOTH
def test_it_switches_and_switches_back_by_one_command_each(cluster: Cluster, routing: str) -> None:
    """Testers meet the new version before the switch; no request is lost on either way."""
    name = f"switch-{routing.lower()}"
    strategy = {"blueGreen": {"preview": PREVIEW}}
    with served(cluster, name, routing=routing, strategy=strategy, guard="5m") as users:
        cluster.apply(given.version(name, 2, routing=routing, strategy=strategy, guard="5m"))
        standing = cluster.rollout(name, 2, lambda status: "matches" in status, what="the preview")
        with asking(cluster.stack.gateway_address, name, headers={"x-preview": "yes"}) as testers:
            testers.wait_for("2", more=10)
            users.wait_for("1", more=10)
            assert users.tally.by_label.keys() == {"1"}
        rollout = standing["metadata"]["name"]
        pull(cluster, rollout, {"promote": {"throughStep": 3}})
        cluster.rollout(name, 2, lambda status: status.get("weight") == 100, what="the switch")
        users.wait_for("2", more=20)
        pull(cluster, rollout, {"abort": True})
        users.wait_for("1", more=20)
        cluster.rollout(name, 2, lambda status: status.get("phase") == "Aborted", what="the way back")
        assert users.tally.failures == []


def pull(cluster: Cluster, rollout: str, lever: given.Manifest) -> None:
    """Set a lever, as an SRE does."""
    cluster.kubectl("patch", "mro", rollout, "--type=merge", f"--patch={json.dumps({'spec': lever})}")
