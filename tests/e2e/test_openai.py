"""The OpenAI protocol: streams through a canary that is good, one that breaks inside them, and one that never loads."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.given import host
from tests.e2e.serving import succeeded
from tests.e2e.tokens import BROKEN, streamed, version

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

SOON = {
    "interval": "1s",
    "metrics": [
        {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}, "minSamples": 5},
        {"name": "first-token", "preset": "time-to-first-token", "thresholdRange": {"max": "500ms"}, "minSamples": 5},
        {"name": "per-token", "preset": "time-per-output-token", "thresholdRange": {"max": "250ms"}, "minSamples": 5},
    ],
}
ADMITTED = {"/llm/v1/models": 200, "/llm/metrics": 404, "/llm/health": 404, "/v1/models": 404}


def test_a_version_that_breaks_inside_its_streams_is_reverted_by_default(cluster: Cluster) -> None:
    """Each answer begins with 200, so the gateway sees no error; the server's own counters name it, in seconds."""
    with streamed(cluster, "breaks", version("breaks", 1)) as asked:
        cluster.apply(version("breaks", 2, breaks="error", every=2))
        ended = cluster.rollout("breaks", 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        asked.wait_for("1", more=25)
        after = asked.tally.by_label["failed"]
        asked.wait_for("1", more=25)
    decision = ended["status"]["decisions"][-1]
    assert (decision["metric"], ended["status"]["reason"]) == ("stream-errors", "LimitExceeded")
    assert "vLLM error" in ended["status"]["message"]
    assert ended["status"]["weight"] == 0
    assert asked.tally.failures
    assert all(one.startswith(BROKEN) for one in asked.tally.failures)
    assert asked.tally.by_label["failed"] == after


def test_a_good_version_is_promoted_by_the_times_of_its_tokens(cluster: Cluster) -> None:
    """They come of the server, and no stream breaks on the way."""
    with streamed(cluster, "promoted", version("promoted", 1, analysis=SOON)) as asked:
        cluster.apply(version("promoted", 2, analysis=SOON))
        ended = cluster.rollout("promoted", 2, succeeded, what="the promotion")
        asked.wait_for("2", more=10)
    assert asked.tally.failures == []
    assert set(asked.tally.by_label) == {"1", "2"}
    compared = {one["metric"]: one["requestsCanary"] for one in ended["status"]["outlook"]["comparisons"]}
    assert min(compared["first-token"], compared["per-token"]) > 0


def test_a_version_that_becomes_slow_to_begin_is_reverted(cluster: Cluster) -> None:
    """How long the whole answer takes would tell it too, of a model that says as much as before."""
    with streamed(cluster, "slow", version("slow", 1, analysis=SOON)) as asked:
        cluster.apply(version("slow", 2, analysis=SOON, first_s=0.8))
        ended = cluster.rollout("slow", 2, lambda status: status.get("phase") == "Reverted", what="the revert")
    assert ended["status"]["decisions"][-1]["metric"] == "first-token"
    assert asked.tally.failures == []


def test_a_model_that_cannot_be_loaded_says_why(cluster: Cluster) -> None:
    """In the words of the server's log, and stable serves on."""
    with streamed(cluster, "unloadable", version("unloadable", 1)) as asked:
        cluster.apply(version("unloadable", 2, breaks="load"))
        found = cluster.rollout(
            "unloadable", 2, lambda status: status.get("reason") == "ModelLoadFailed", what="the reason"
        )
        assert "config.json says 11" in found["status"]["message"]
    assert set(asked.tally.by_label) == {"1"}


@pytest.mark.parametrize("routing", ["istio", "gatewayAPI"])
def test_below_a_prefix_inference_is_routed_and_nothing_else(cluster: Cluster, routing: str) -> None:
    """By both APIs, through a change of the version."""
    name = f"below-{routing.lower()}"
    wishes = {"analysis": SOON, "routing": routing, "prefix": "/llm"}
    with streamed(cluster, name, version(name, 1, **wishes), prefix="/llm") as asked:
        statuses = {path: _status(cluster, name, path) for path in ADMITTED}
        cluster.apply(version(name, 2, **wishes))
        cluster.rollout(name, 2, succeeded, what="the promotion")
        asked.wait_for("2", more=10)
    assert statuses == ADMITTED
    assert asked.tally.failures == []


def _status(cluster: Cluster, name: str, path: str) -> int:
    request = urllib.request.Request(f"http://{cluster.stack.gateway_address}{path}", headers={"Host": host(name)})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
