"""No data is neither good news nor bad news."""

from __future__ import annotations

import pytest

from serinus_local.waiting import now
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]

DARK_SECONDS = 20


def test_a_rollout_holds_while_prometheus_is_stopped_and_goes_on_afterwards(cluster: Cluster) -> None:
    """Blind for many intervals: the weight neither rises nor falls; seeing again, it walks to 100 %."""
    with served(cluster, "blind") as asked:
        cluster.apply(given.version("blind", 2))
        cluster.rollout("blind", 2, lambda status: status.get("weight") == 50, what="half of the weight")
        cluster.stack.stop("prometheus")
        began = now()
        cluster.rollout("blind", 2, lambda status: status.get("verdict") == "Blind", what="to be Blind")
        with pytest.raises(TimeoutError):
            cluster.rollout("blind", 2, moved, what="to move", limit=DARK_SECONDS - (now() - began))
        described = cluster.kubectl("get", "mdep", "blind")
        cluster.stack.restart("prometheus")
        cluster.rollout("blind", 2, lambda status: status.get("phase") == "Succeeded", what="to succeed")
    assert "Blind" in described
    assert (asked.tally.bad, asked.tally.failures) == (0, [])


def moved(status: given.Manifest) -> bool:
    """Tell whether a rollout is no longer where Prometheus was stopped."""
    return status.get("weight") != 50 or status["phase"] != "Progressing"
