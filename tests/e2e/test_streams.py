"""gRPC streams through a raise and a revert."""

from __future__ import annotations

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import at_half, served
from tests.e2e.streaming import streaming

FEW_ERRORS = 40
"""Of ten messages a second: Triton has two seconds to go, and a busy machine takes its time. It was four hundred."""

SOON = 2
"""Seconds that what is in flight has: streams do not end by themselves."""

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]


def _reason(status: given.Manifest, kind: str) -> str:
    return next((str(one["reason"]) for one in status.get("conditions", ()) if one["type"] == kind), "")


def test_streams_are_split_said_to_be_unwatched_and_end_with_the_canary(cluster: Cluster) -> None:
    """Those on stable never fail; the canary's, judged by nobody as a condition says, are reset when the drain ends."""
    with served(cluster, "streams", steps=given.UNTIL_PROMOTED, drain=SOON) as asked:
        at_half(cluster, "streams", drain=SOON)
        with streaming(cluster.stack.gateway_address, "streams", number=12) as streams:
            cluster.deployed(
                "streams", lambda status: _reason(status, "Serving") == "StreamsNotWatched", what="StreamsNotWatched"
            )
            on = {number: [one for one in streams if one.versions[0] == number] for number in (1, 2)}
            cluster.apply(given.version("streams", 1, steps=given.UNTIL_PROMOTED, drain=SOON))
            cluster.rollout("streams", 2, lambda status: status.get("phase") == "Superseded", what="to end")
            until(lambda: all(one.status for one in on[2]), what="the canary's streams to end", limit=40)
        asked.wait_for("1", more=5)
    assert on[1]
    assert on[2]
    assert all(set(one.versions) == {1} and not one.errors and one.status is None for one in on[1])
    assert all(set(one.versions) == {2} for one in on[2])
    assert {one.status for one in on[2]} <= {"INTERNAL", "UNAVAILABLE"}
    assert max(len(one.errors) for one in on[2]) <= FEW_ERRORS
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
