"""The operator as its users run it: upgraded, rolled back and tested by helm, while a version is on its way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from serinus_local import chart
from serinus_local import stack as local
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served
from tests.e2e.test_kills import promote

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]

STEPS = ({"setWeight": 50}, {"pause": {}})


@pytest.fixture(scope="module", autouse=True)
def operator_pod(stack: local.Stack) -> Iterator[None]:
    """Run the operator as a pod, whatever the stack was brought up with."""
    before = stack.operator.way
    stack.operator.run("pod")
    yield
    stack.operator.run(before)


@pytest.mark.parametrize("way", ["upgrade", "rollback"])
def test_no_weight_moves_because_the_chart_does(cluster: Cluster, way: str) -> None:
    """Another pod of the operator takes over in the middle of a rollout; the route is not even written."""
    name = f"under-{way}"
    if way == "rollback":
        upgrade(cluster.stack)
    with served(cluster, name, steps=STEPS) as asked:
        cluster.apply(given.version(name, 2, steps=STEPS))
        rollout = cluster.rollout(name, 2, lambda status: status.get("phase") == "Paused", what="the pause")
        cluster.wait("VirtualService", name, lambda found: at_half(found.get(name)), what="half of the weight")
        before, pod = route(cluster, name), operator(cluster.stack)
        if way == "upgrade":
            upgrade(cluster.stack)
        else:
            chart.helm(cluster.stack.plane, "rollback", chart.RELEASE, "--wait")
        asked.wait_for("2", more=50)
        assert operator(cluster.stack) != pod
        assert route(cluster, name) == before
        promote(cluster, rollout["metadata"]["name"], through_step=2)
        cluster.rollout(name, 2, lambda status: status.get("phase") == "Succeeded", what="to succeed")
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
    assert operator(cluster.stack) != pod


def test_helm_test_says_whether_the_operator_leads(stack: local.Stack) -> None:
    """By its Service, from a pod that restricted Pod Security admits."""
    assert "Phase:          Succeeded" in chart.helm(stack.plane, "test", chart.RELEASE, "--timeout=90s")


def test_the_pod_of_the_operator_is_held_to_restricted_pod_security(stack: local.Stack) -> None:
    """Its namespace refuses anything less, and its process can write nowhere but to /tmp."""
    labels = json.loads(stack.kubectl("get", "namespace", chart.NAMESPACE, "--output=json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    tried = (
        "import os, sys; print(os.getuid(), *[os.access(d, os.W_OK) for d in ('/', '/opt/serinus', '/etc', '/tmp')])"
    )
    said = stack.kubectl("exec", operator(stack), f"--namespace={chart.NAMESPACE}", "--", "python", "-c", tried)
    assert said.split() == ["65532", "False", "False", "False", "True"]


def upgrade(stack: local.Stack) -> None:
    """Change a value by which no model is rendered: the pod is replaced all the same."""
    drained = json.loads(chart.helm(stack.plane, "get", "values", chart.RELEASE, "--output=json"))["config"]
    seconds = drained.get("drainSeconds", 5) + 1
    chart.helm(
        stack.plane, "upgrade", chart.RELEASE, str(chart.CHART), "--reuse-values", "--wait",
        f"--set=config.drainSeconds={seconds}",
    )  # fmt: skip


def operator(stack: local.Stack) -> str:
    """Name the one pod of the operator that is not on its way out."""
    selector = "--selector=app.kubernetes.io/name=serinus"
    found = json.loads(stack.kubectl("get", "pods", selector, f"--namespace={chart.NAMESPACE}", "--output=json"))
    (name,) = [one["metadata"]["name"] for one in found["items"] if "deletionTimestamp" not in one["metadata"]]
    return str(name)


def at_half(route: given.Manifest | None) -> bool:
    """Tell whether a route gives both versions half: the record of a weight comes before its route."""
    return route is not None and all(
        entry["weight"] == 50 for rule in route["spec"]["http"] if len(rule["route"]) > 1 for entry in rule["route"]
    )


def route(cluster: Cluster, name: str) -> tuple[int, given.Manifest]:
    """Say how often the route was changed, and what it says."""
    found = cluster.get("VirtualService", name)
    return found["metadata"]["generation"], found["spec"]
