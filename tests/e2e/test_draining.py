"""Long inferences outlive what happens to their pods: a promotion's takedown, a scale-down, a deletion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.asking import asking
from tests.e2e.cluster import Cluster, newest
from tests.e2e.flooding import flooding
from tests.e2e.serving import succeeded
from tests.e2e.sources import ask

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

CALLS = 12
PATIENCE = 90.0
SECONDS = 20
"""What an answer takes: less than the drainSeconds, more than the drain delay, the sleep of a pod, and a promotion."""
SLOW = f"x[0, 0] < 0 and {given.slow(1000 * SECONDS)}"
"""The sample request is answered at once."""


AT_ONCE: given.Manifest = {"canary": {"steps": [{"pause": {}}, {"setWeight": 100}]}}
"""Nothing, until somebody promotes it."""


def slow_version(name: str, number: int, **wishes: object) -> str:
    """Render a version that takes so long for each answer, and gives all of them at once."""
    settings = {"fails": SLOW, "instances": CALLS, "drain": 30, "guard": "1s", **wishes}
    return given.version(name, number, **settings)  # type: ignore[arg-type]


def pods_of(cluster: Cluster, name: str) -> set[str]:
    """Name the pods that nobody has told to stop."""
    pods = cluster.list("Pod", name).values()
    return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


@contextmanager
def serving(cluster: Cluster, name: str, *, replicas: int, routing: str = "istio") -> Iterator[None]:
    """Have version 1 serve for the time of the block."""
    try:
        cluster.apply(slow_version(name, 1, replicas=replicas, routing=routing))
        cluster.rollout(name, 1, succeeded, what="the first revision", limit=90)
        with asking(cluster.stack.gateway_address, name, rate=1.0) as asked:
            asked.wait_for("1")
        yield
    finally:
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")


def promote(cluster: Cluster, name: str) -> None:
    """Give version 2 everything, as an SRE does."""
    rollout = newest(cluster.list("Rollout", name), 2)
    assert rollout is not None
    patch = json.dumps({"spec": {"promote": {"full": True}}})
    cluster.kubectl("patch", "mro", rollout["metadata"]["name"], "--type=merge", "-p", patch)


def wait_until_sent(cluster: Cluster, name: str) -> None:
    """Wait until the gateway has sent every call, and none is answered."""
    query = f'sum(envoy_cluster_upstream_rq_active{{cluster_name=~".*{name}-.*"}})'
    url = cluster.stack.prometheus.url

    def sent() -> bool:
        found = ask(url, query)
        return bool(found) and float(found[0]["value"][1]) >= CALLS

    until(sent, what=f"{CALLS} calls under way", limit=10)


def still_open(cluster: Cluster, name: str) -> list[str]:
    """List what was said of requests that were not waited for."""
    events = json.loads(cluster.kubectl("get", "events", "-o", "json"))["items"]
    return [
        one["message"]
        for one in events
        if one["reason"] == "StillOpen" and one["involvedObject"]["name"].startswith(name)
    ]


@pytest.mark.parametrize("routing", list(given.ROUTED))
def test_a_version_that_was_replaced_finishes_its_answers(cluster: Cluster, routing: str) -> None:
    """Its pods are kept for them, so that none depends on how a pod ends."""
    name = f"replaced-{routing.lower()}"
    with serving(cluster, name, replicas=1, routing=routing):
        old = cluster.list("Deployment", name)
        cluster.apply(slow_version(name, 2, routing=routing, strategy=AT_ONCE))
        cluster.rollout(name, 2, lambda status: status.get("phase") == "Paused", what="to be ready", limit=90)
        with flooding(cluster.stack.gateway_address, name, number=CALLS, patience=PATIENCE) as statuses:
            wait_until_sent(cluster, name)
            promote(cluster, name)
            cluster.rollout(name, 2, succeeded, what="to succeed")
        until(lambda: not set(old) & set(cluster.list("Deployment", name)), what="the old version to go", limit=60)
        assert statuses == [200] * CALLS
        assert still_open(cluster, name) == []


def scale_down(cluster: Cluster, name: str) -> None:
    cluster.apply(slow_version(name, 1, replicas=1))


def delete_a_pod(cluster: Cluster, name: str) -> None:
    cluster.kubectl("delete", "pod", sorted(pods_of(cluster, name))[0], "--wait=false")


@pytest.mark.parametrize("happens", [scale_down, delete_a_pod])
def test_a_pod_that_is_told_to_stop_finishes_its_answers(
    cluster: Cluster, happens: Callable[[Cluster, str], None]
) -> None:
    """It gets no new request, and has drainSeconds for those that it has."""
    name = happens.__name__.replace("_", "-")
    with serving(cluster, name, replicas=2):
        with flooding(cluster.stack.gateway_address, name, number=CALLS, patience=PATIENCE) as statuses:
            wait_until_sent(cluster, name)
            before = pods_of(cluster, name)
            happens(cluster, name)
            until(lambda: not before <= pods_of(cluster, name), what="a pod to be told to stop", limit=15)
        assert statuses == [200] * CALLS
