"""A version that takes requests and answers none, on the real gateway: no error and no slow answer is counted."""

from __future__ import annotations

import pytest

from serinus_local.waiting import now
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]


def test_a_version_that_hangs_is_reverted_within_a_minute(cluster: Cluster) -> None:
    """It is ready, has answered its sample request, and then answers nothing: AnswersNothing, in the words of Envoy."""
    with served(cluster, "hung", grpc_every=1_000_000, steps=given.UNTIL_PROMOTED) as asked:
        cluster.apply(given.version("hung", 2, steps=given.UNTIL_PROMOTED, fails=given.HANGS))
        cluster.rollout("hung", 2, lambda status: status.get("verdict") == "Safe", what="to be judged Safe")
        asked.ask_for(given.BREAKING)
        began = now()
        ended = cluster.rollout(
            "hung", 2, lambda status: status.get("phase") == "Reverted", what="the revert", limit=90
        )
        took = now() - began
        asked.ask_for(given.BREAKING)
        asked.wait_for("1", more=20)
    assert (ended["status"]["reason"], ended["status"]["weight"]) == ("AnswersNothing", 0)
    assert 25 <= took <= 60
