"""istiod is down: the gateway goes on as it did, nothing rises, nothing is deleted; and on it goes when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster, condition
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]

STEPS: tuple[given.Manifest, ...] = (
    {"setWeight": 50},
    {"pause": {"duration": "2s"}},
    {"setWeight": 75},
    {"pause": {}},
)
MANY = 150
"""Requests at the version that lost its traffic, a dozen a second: drain delay and drainSeconds are long over."""


@contextmanager
def without_istiod(cluster: Cluster) -> Iterator[None]:
    """Stop istiod for the time of the block."""
    cluster.stack.stop("istiod")
    try:
        yield
    finally:
        cluster.stack.restart("istiod")


def not_followed(status: given.Manifest) -> bool:
    found = condition(status, "Degraded")
    return (found["status"], found["reason"]) == ("True", "RouteNotFollowed")


@pytest.mark.parametrize("routing", list(given.ROUTED))
def test_a_gateway_that_hears_of_no_route_loses_no_request(cluster: Cluster, routing: str) -> None:
    """The first weight does not arrive, and later its end does not: each is said, and each is waited for."""
    name = f"unheard-{routing.lower()}"
    wishes = {"routing": routing, "steps": STEPS, "drain": 2}
    with served(cluster, name, **wishes) as asked:
        with without_istiod(cluster):
            cluster.apply(given.version(name, 2, **wishes))
            held = cluster.rollout(name, 2, lambda status: status.get("weight") == 50, what="to have a weight")
            cluster.deployed(name, not_followed, what="RouteNotFollowed", limit=40)
            cluster.rollout(name, 2, lambda status: status.get("reason") == "RouteNotFollowed", what="to be held")
        cluster.rollout(name, 2, lambda status: status.get("weight") == 75, what="to go on", limit=90)
        cluster.deployed(name, lambda status: not not_followed(status), what="the end of RouteNotFollowed", limit=90)
        asked.wait_for("2", more=20)
        with without_istiod(cluster):
            cluster.apply(given.version(name, 1, **wishes))
            cluster.rollout(name, 2, lambda status: status.get("phase") == "Superseded", what="to end")
            cluster.deployed(name, not_followed, what="RouteNotFollowed", limit=40)
            asked.wait_for("2", more=MANY, limit=60)
            assert held["spec"]["to"]["revision"] in cluster.list("Deployment", name)
        until(
            lambda: held["spec"]["to"]["revision"] not in cluster.list("Deployment", name),
            what="the canary's Deployment to go",
            limit=60,
        )
        cluster.deployed(name, lambda status: not not_followed(status), what="the end of RouteNotFollowed")
        asked.wait_for("1", more=20)
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
