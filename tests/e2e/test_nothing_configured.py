"""What a team gets that configures nothing but a host: behind two gateways, scraped as seldom as usual."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from serinus_local import gateway
from serinus_local.waiting import now
from tests.e2e import given, sources
from tests.e2e.asking import asking
from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(600)]

CALLERS = 4
"""Connections: a gateway's replica is chosen for each."""
OFTEN, SELDOM, SLOW = "scraped-often", "scraped-seldom", "twice-as-slow"
EVERY = {OFTEN: "5s", SELDOM: "15s"}
RATES = {OFTEN: 100.0, SELDOM: 100.0, SLOW: 60.0}
PAUSES_SECONDS = 180
SUSPICIOUS_SECONDS = 60
"""The robust test may be on its way to a revert, which holds under another name for a while."""
PODS_SECONDS = 45
"""An equal version has its pods by then, and everything when the pauses are over, too."""
VERSIONS = {OFTEN: (given.GOOD, given.ONE_IN_A_HUNDRED), SELDOM: (given.GOOD, given.ONE_IN_A_HUNDRED)}
VERSIONS[SLOW] = (given.slow(40), given.slow(80))
"""In milliseconds: a machine that does everything else beside it is late by a dozen of them."""
INSTANCES = {SLOW: 8}
"""Enough for all requests that are there at once."""


def held_or_reverted(status: given.Manifest) -> bool:
    """Tell whether the sharp test holds a version, or the robust one has reverted it."""
    return status.get("phase") == "Reverted" or status.get("reason") == "LooksWorse"


@pytest.fixture(scope="module")
def models(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[float]:
    """Give the models under traffic, version 1 with a past of its own, and version 2 on its way since a time."""
    configs = {every: sources.scraped_every(cluster.stack, every) for every in EVERY.values()}
    with ExitStack() as leaving:
        leaving.enter_context(gateways(cluster, 2))
        leaving.enter_context(sources.asked(cluster.stack, tmp_path_factory.mktemp("sources"), configs))
        for name in RATES:
            leaving.enter_context(serving(cluster, name))
        for name in RATES:
            cluster.apply(version(name, 2))
        yield now()


@pytest.mark.parametrize("name", [OFTEN, SELDOM])
def test_one_error_in_a_hundred_against_none_is_not_promoted(cluster: Cluster, models: float, name: str) -> None:
    """At 100 requests a second an equal version would have everything after three minutes of pauses."""
    left = max(1.0, models + PAUSES_SECONDS + PODS_SECONDS - now())
    with suppress(TimeoutError):
        cluster.rollout(name, 2, given_all_or_nothing, what="everything or nothing", limit=left)
    status = cluster.rollout(name, 2, held_or_reverted, what="held, or reverted", limit=SUSPICIOUS_SECONDS)["status"]
    assert status["weight"] < 100


def given_all_or_nothing(status: given.Manifest) -> bool:
    """Whether a version has everything, or has lost it."""
    return status.get("weight") == 100 or status.get("phase") == "Reverted"


def test_a_version_twice_as_slow_is_held_and_reverted(cluster: Cluster, models: float) -> None:
    """At 60 requests a second, by the p99 that is compared with stable's."""
    ended = cluster.rollout(SLOW, 2, lambda status: status.get("phase") == "Reverted", what="the revert", limit=400)
    assert "latency" in ended["status"]["message"]


def version(name: str, number: int) -> str:
    """Render a version of one of the models."""
    fails, instances = VERSIONS[name][number - 1], INSTANCES.get(name, 3)
    return given.plain(name, number, fails=fails, source=EVERY.get(name, ""), instances=instances)


@contextmanager
def serving(cluster: Cluster, name: str) -> Iterator[None]:
    """Let version 1 serve, and send requests over several connections."""
    with ExitStack() as leaving:
        cluster.apply(version(name, 1))
        leaving.callback(cluster.kubectl, "delete", "mdep", name, "--ignore-not-found", "--wait=false")
        cluster.rollout(name, 1, lambda status: status.get("phase") == "Succeeded", what="the first revision")
        for _ in range(CALLERS):
            leaving.enter_context(asking(cluster.stack.gateway_address, name, rate=RATES[name] / CALLERS))
        yield


@contextmanager
def gateways(cluster: Cluster, replicas: int) -> Iterator[None]:
    """Run so many replicas of the gateway for the time of the block."""
    scale(cluster, replicas)
    try:
        yield
    finally:
        scale(cluster, 1)


def scale(cluster: Cluster, replicas: int) -> None:
    """Scale the gateway, and wait until all of it is there."""
    there = f"--namespace={gateway.NAMESPACE}"
    cluster.stack.kubectl("scale", "deployment", gateway.SERVICE, there, f"--replicas={replicas}")
    cluster.stack.kubectl("rollout", "status", f"deployment/{gateway.SERVICE}", there, "--timeout=90s")
    found = json.loads(cluster.stack.kubectl("get", "deployment", gateway.SERVICE, there, "--output=json"))
    assert found["status"]["readyReplicas"] == replicas
