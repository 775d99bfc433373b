"""Models share a host by a path, over both APIs and as delegates: through istiod and Envoy, as a caller finds it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import given
from tests.e2e.asking import Below, asking
from tests.e2e.cluster import Cluster, condition
from tests.e2e.serving import at_half, served, succeeded

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
COHORT = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}
COPIES = {"setMirrorRoute": {"percentage": 100}}


def shared(routing: str) -> str:
    return given.host(f"models-{routing.lower()}")


def below(routing: str, prefix: str) -> given.Manifest:
    return {"hosts": [shared(routing)], "pathPrefix": prefix}


def status_of(cluster: Cluster, host: str, path: str, method: str = "GET") -> int:
    """Ask for a path as it is written; give the status of the answer."""
    connection = http.client.HTTPConnection(cluster.stack.gateway_address, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.putheader("Content-Length", "2")
        connection.endheaders(b"{}")
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def root(cluster: Cluster, host: str, *rules: given.Manifest) -> Iterator[None]:
    """Apply a VirtualService of the user's own, for the time of the block."""
    manifest = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "root", "namespace": given.NAMESPACE},
        "spec": {"hosts": [host], "gateways": ["public"], "http": list(rules)},
    }
    cluster.apply(json.dumps(manifest))
    try:
        yield
    finally:
        cluster.kubectl("delete", "virtualservice", "root")


@BOTH
def test_two_models_share_a_host_and_one_moves_while_the_other_does_not(cluster: Cluster, routing: str) -> None:
    """The prefix of one is the beginning of the other's, and no part of its path."""
    host, name, other = shared(routing), f"left-{routing.lower()}", f"right-{routing.lower()}"
    here, there = below(routing, "/left"), below(routing, "/left-2")
    with (
        served(cluster, name, routing=routing, traffic=here, below=Below(host, "/left")) as left,
        served(cluster, other, routing=routing, traffic=there, below=Below(host, "/left-2")) as right,
    ):
        told = cluster.get("ModelDeployment", name)["status"]
        assert condition(told, "Degraded")["reason"] == "GrpcNotRouted"
        rollout = at_half(cluster, name, routing=routing, traffic=here)
        left.wait_for("1", more=5)
        left.wait_for("2", more=5)
        levers = json.dumps({"spec": {"promote": {"full": True}}})
        cluster.kubectl("patch", "mro", rollout["metadata"]["name"], "--type=merge", f"--patch={levers}")
        cluster.rollout(name, 2, succeeded, what="everybody")
        left.wait_for("2", more=20)
        right.wait_for("1", more=20)
        for path in ("/left/v2", "/left/v2/health/ready", f"/left/v2/models/{name}/ready?x=1"):
            assert status_of(cluster, host, path) == 200, path
        for path in ("/v2", "/left", "/left/", "/left/v2/repository/index", "/left/v2/logging", "/left/metrics"):
            assert status_of(cluster, host, path, "POST") == 404, path
    assert left.tally.failures == right.tally.failures == []
    assert set(right.tally.by_label) == {"1"}


@BOTH
def test_a_prefix_that_another_has_is_refused(cluster: Cluster, routing: str) -> None:
    """Who comes second never starts, and takes nothing from who is there."""
    host, name, late = shared(routing), f"first-{routing.lower()}", f"late-{routing.lower()}"
    traffic = below(routing, "/taken")
    with served(cluster, name, routing=routing, traffic=traffic, below=Below(host, "/taken")) as asked:
        try:
            cluster.apply(given.version(late, 1, routing=routing, traffic=traffic))
            told = cluster.deployed(
                late, lambda status: condition(status, "Stalled")["reason"] == "HostConflict", what="the conflict"
            )
            assert "below /taken" in condition(told["status"], "Stalled")["message"]
            asked.wait_for("1", more=20)
            assert asked.tally.failures == []
        finally:
            cluster.kubectl("delete", "mdep", late, "--wait=false")


@BOTH
def test_copies_and_a_cohort_find_the_canary_below_a_prefix(cluster: Cluster, routing: str) -> None:
    """The model gets its own path in a copy, too: a copy of any other would be an error, and no weight would come."""
    host, name = shared(routing), f"deep-{routing.lower()}"
    traffic, at = below(routing, "/a/b.c"), Below(host, "/a/b.c")
    steps = (COPIES, {"pause": {"duration": "3s"}}, COHORT, {"pause": {}})
    with served(cluster, name, routing=routing, traffic=traffic, below=at) as others:
        cluster.apply(given.version(name, 2, steps=steps, routing=routing, traffic=traffic))
        cluster.rollout(name, 2, lambda status: "matches" in status, what="the cohort, after its copies were judged")
        with asking(cluster.stack.gateway_address, name, headers={"x-tier": "premium"}, below=at) as premium:
            premium.wait_for("2", more=20)
            others.wait_for("1", more=20)
        assert premium.tally.failures == others.tally.failures == []
        assert set(others.tally.by_label) == {"1"}


def test_a_delegate_walks_and_reverts_below_the_users_own_root(cluster: Cluster) -> None:
    """The root has another rule for the same host; until it delegates, that is said."""
    name, host = "delegate", given.host("root")
    traffic = {"hosts": [], "pathPrefix": "/models/delegate", "istio": {"delegate": True}}
    at = Below(host, "/models/delegate")
    delegated = {
        "match": [{"uri": {"prefix": "/models/"}}],
        "delegate": {"name": name, "namespace": given.NAMESPACE},
    }
    rest = {"directResponse": {"status": 418}}
    try:
        cluster.apply(given.version(name, 1, traffic=traffic))
        cluster.deployed(
            name, lambda status: condition(status, "Degraded")["reason"] == "NotDelegated", what="an idle delegate"
        )
        with root(cluster, host, delegated, rest), served(cluster, name, traffic=traffic, below=at) as asked:
            cluster.deployed(
                name,
                lambda status: condition(status, "Degraded")["reason"] == "GrpcNotRouted",
                what="a root for the delegate",
            )
            cluster.apply(given.version(name, 2, traffic=traffic))
            cluster.rollout(name, 2, succeeded, what="a good version")
            cluster.apply(
                given.version(
                    name, 3, traffic=traffic, fails=given.ON_COMMAND, steps=({"setWeight": 50}, {"pause": {}})
                )
            )
            cluster.rollout(name, 3, lambda status: status.get("weight") == 50, what="half for a bad one")
            asked.wait_for("3", more=5)
            assert asked.tally.failures == []
            asked.ask_for(given.BREAKING)
            cluster.rollout(name, 3, lambda status: status.get("phase") == "Reverted", what="the revert")
            asked.wait_for("2", more=20)
            assert status_of(cluster, host, "/models/delegate/v2/models/delegate/trace/setting", "POST") == 418
            assert status_of(cluster, host, "/elsewhere") == 418
    finally:
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")


def test_a_route_that_goes_past_ours_is_named_when_nobody_reaches_the_canary(cluster: Cluster) -> None:
    """Requests for the root Service are stable's alone."""
    name, host = "passed", given.host("passed")
    traffic = {"hosts": [given.host("unused")]}
    past = {"route": [{"destination": {"host": name, "port": {"number": 8000}}}]}
    try:
        cluster.apply(given.version(name, 1, traffic=traffic))
        with (
            root(cluster, host, past),
            served(cluster, name, grpc_every=0, traffic=traffic, below=Below(host)) as asked,
        ):
            cluster.apply(given.version(name, 2, traffic=traffic, steps=given.UNTIL_PROMOTED))
            held = cluster.rollout(
                name, 2, lambda status: "past the split" in status.get("message", ""), what="a hold that names it"
            )
            assert f"VirtualService {given.NAMESPACE}/root sends requests to {name}." in held["status"]["message"]
            asked.wait_for("1", more=5)
            assert set(asked.tally.by_label) == {"1"}
    finally:
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")
