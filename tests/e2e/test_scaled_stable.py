"""Stable scaled down in the guard window, by a hand and by a real autoscaler: the way back stays open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import given
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster, condition
from tests.e2e.serving import served, wait_for_ready

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME = "scaled"
PODS = 3
GUARDED = {"guard": "1h", "replicas": PODS}


@pytest.fixture(scope="module")
def three(cluster: Cluster) -> Iterator[Asking]:
    """Give a model with three stable pods, under traffic, for both tests."""
    with served(cluster, NAME, **GUARDED) as asked:
        yield asked


def test_a_stable_scaled_to_zero_by_hand_is_put_right_and_a_revert_works(cluster: Cluster, three: Asking) -> None:
    """`kubectl scale` in the guard, while all traffic is on the canary: all of it goes back at once."""
    stable = in_guard(cluster, 2)
    before = cluster.get("Deployment", stable)["metadata"]["generation"]
    cluster.kubectl("scale", "deployment", stable, "--replicas=0")
    cluster.wait(
        "Deployment",
        NAME,
        lambda found: stable in found and put_right(found[stable], since=before),
        what="all pods of stable again",
    )
    with broken(three):
        cluster.rollout(NAME, 2, reverted, what="the revert")
        cluster.rollout(NAME, 2, lambda status: status.get("weight") == 0, what="weight 0")
        three.wait_for("1", more=20)
    assert three.tally.failures == []


def test_a_stable_that_an_autoscaler_keeps_at_one_takes_traffic_back_as_its_pods_come(
    cluster: Cluster, three: Asking
) -> None:
    """WayBackShort says it beforehand; one pod of three takes two thirds, more pods take the rest, nothing is lost."""
    stable = in_guard(cluster, 3)
    with autoscaled(cluster, stable):
        short = cluster.deployed(
            NAME, lambda status: condition(status, "Degraded")["reason"] == "WayBackShort", what="WayBackShort"
        )
        wait_for_ready(cluster, NAME, 1)
        with broken(three):
            part = cluster.rollout(NAME, 3, reverted, what="the revert")
            cluster.rollout(NAME, 3, lambda status: status.get("weight") == 0, what="weight 0", limit=120)
            three.wait_for("1", more=20)
    assert f"set minReplicas of that autoscaler to {PODS}" in condition(short["status"], "Degraded")["message"]
    assert part["status"]["weight"] == 34
    assert three.tally.failures == []


def in_guard(cluster: Cluster, number: int) -> str:
    """Bring a version that breaks on command to 100 %, and name stable's Deployment."""
    cluster.apply(given.version(NAME, number, fails=given.ON_COMMAND, **GUARDED))
    guarded = cluster.rollout(NAME, number, lambda status: status.get("phase") == "Guarding", what="100 %", limit=120)
    wait_for_ready(cluster, NAME, PODS)
    stable: str = guarded["spec"]["from"]["revision"]
    return stable


def put_right(deployment: given.Manifest, *, since: int) -> bool:
    """Tell whether a Deployment was scaled, and scaled back, and has all of its pods."""
    generation, status = deployment["metadata"]["generation"], deployment["status"]
    settled = status.get("observedGeneration") == generation and status.get("readyReplicas") == PODS
    return settled and generation >= since + 2 and deployment["spec"]["replicas"] == PODS


@contextmanager
def broken(asked: Asking) -> Iterator[None]:
    """Send what breaks the new version for the time of the block."""
    asked.ask_for(given.BREAKING)
    yield
    asked.ask_for((1.0, 2.0, 3.0, 4.0))


@contextmanager
def autoscaled(cluster: Cluster, deployment: str) -> Iterator[None]:
    """Have a Deployment kept at one pod by an autoscaler that needs no metrics: it has no choice."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": given.NAMESPACE},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 1},
    }
    cluster.apply(json.dumps(scaler))
    yield
    cluster.kubectl("delete", "hpa", NAME)


def reverted(status: given.Manifest) -> bool:
    """Tell whether a rollout was taken back."""
    return status.get("phase") == "Reverted"
