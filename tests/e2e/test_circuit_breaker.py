"""Beside the split, on the real gateway: answers name their revision, and a model that hangs hurts no other."""

from __future__ import annotations

import json
import urllib.request

import pytest

from serinus_local.demo.callers import FEATURES
from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.flooding import flooding
from tests.e2e.serving import at_half, served

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]

SETTINGS: dict[str, given.Manifest] = {
    "istio": {
        "timeout": "1m30s",
        "retries": {"attempts": 1, "perTryTimeout": "45s", "retryOn": ["connect-failure", "unavailable"]},
    },
    "gatewayAPI": {"timeout": "1m30s"},
}
FLOOD = 700
LET_IN = 384
"""Of a circuit breaker's requests under way and requests that wait."""
RACING = 50
"""Envoy's threads count together, and each a moment late."""


def answer_of(gateway: str, name: str) -> tuple[int, str]:
    """Ask a model: the version that it answers with, and the revision that the answer's header names."""
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": list(FEATURES)}
    request = urllib.request.Request(
        f"http://{gateway}/v2/models/{name}/infer",
        data=json.dumps({"inputs": [tensor]}).encode(),
        headers={"Host": given.host(name), "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["outputs"][0]["data"][0], answer.headers["x-serinus-revision"]


@pytest.mark.parametrize("routing", list(given.ROUTED))
def test_answers_name_the_revision_that_gave_them(cluster: Cluster, routing: str) -> None:
    """Under a timeout and retries that the gateway's controller takes as they are written."""
    name = f"named-{routing.lower()}"
    wishes = {"routing": routing, "traffic": SETTINGS[routing]}
    with served(cluster, name, **wishes) as asked:
        spec = at_half(cluster, name, **wishes)["spec"]
        found = {answer_of(cluster.stack.gateway_address, name) for _ in range(40)}
    assert found == {(1, spec["from"]["revision"]), (2, spec["to"]["revision"])}
    assert asked.tally.failures == []


def test_a_model_that_hangs_takes_nothing_from_its_neighbours(cluster: Cluster) -> None:
    """Beyond its limits it is answered for at once, and others behind the same gateway never notice."""
    breaker = {"circuitBreaker": {}}
    with (
        served(cluster, "neighbour") as neighbour,
        served(cluster, "stuck", fails=given.HANGS, traffic=breaker),
        flooding(cluster.stack.gateway_address, "stuck", number=FLOOD) as statuses,
    ):
        until(lambda: len(statuses) >= FLOOD - LET_IN - RACING, what="requests beyond the limits", limit=15)
        neighbour.wait_for("1", more=50)
    assert set(statuses) == {503}
    assert (neighbour.tally.bad, neighbour.tally.failures) == (0, [])
