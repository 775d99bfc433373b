"""Whose hosts and gateways, and what the route admits: through istiod and Envoy, as a caller finds it."""

from __future__ import annotations

import http.client
import json

import pytest

from serinus_local.demo.callers import FEATURES
from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster, condition
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

TENSOR = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": list(FEATURES)}]}


def asked(cluster: Cluster, name: str, path: str, body: object = None, method: str = "") -> int:
    """Send a request as it is written, dots and escapes and all; give the status of the answer."""
    connection = http.client.HTTPConnection(cluster.stack.gateway_address, timeout=10)
    try:
        connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True)
        connection.putheader("Host", given.host(name))
        content = b"" if body is None else json.dumps(body).encode()
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        return connection.getresponse().status
    finally:
        connection.close()


def called(cluster: Cluster, name: str, method: str) -> str:
    """Call a method of the gRPC service with an empty message; give the code of the answer."""
    import grpc

    options = [("grpc.default_authority", given.host(name))]
    with grpc.insecure_channel(cluster.stack.gateway_address, options=options) as channel:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        try:
            call(b"", timeout=10)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def test_inference_is_routed_and_the_servers_administration_is_not(cluster: Cluster) -> None:
    """Nobody loads models or changes the log through the gateway; callers of the model have what they need."""
    with served(cluster, "open"):
        model = "/v2/models/open"
        admitted = {
            path: asked(cluster, "open", path)
            for path in ("/v2", "/v2/health/live", "/v2/health/ready", model, f"{model}/ready", f"{model}/config")
        }
        admitted[f"{model}/versions/1/stats"] = asked(cluster, "open", f"{model}/versions/1/stats")
        admitted[f"{model}/infer"] = asked(cluster, "open", f"{model}/infer?x=1", TENSOR)
        refused = {
            path: asked(cluster, "open", path, {})
            for path in (
                "/v2/logging",
                "/v2/trace/setting",
                f"{model}/trace/setting",
                "/v2/repository/index",
                "/v2/repository/models/open/unload",
                "/v2/systemsharedmemory/unregister",
                f"{model}/../../repository/index",
                f"{model}/%2e%2e/%2e%2e/repository/index",
                "/v2/models/..%2F..%2Fv2%2Frepository%2Findex",
                "/v2//repository/index",
                "/metrics",
            )
        }
        methods = {name: called(cluster, "open", name) for name in ("ServerLive", "ServerMetadata", "ModelStatistics")}
        closed = {
            name: called(cluster, "open", name)
            for name in ("RepositoryIndex", "RepositoryModelUnload", "LogSettings", "TraceSetting")
        }
    assert set(admitted.values()) == {200}, admitted
    assert set(refused.values()) == {404}, refused
    assert set(methods.values()) == {"OK"}, methods
    assert set(closed.values()) == {"UNIMPLEMENTED"}, closed


def test_all_paths_are_routed_when_the_spec_asks_for_it(cluster: Cluster) -> None:
    """Live: no new revision is made for it."""
    with served(cluster, "wide"):
        assert asked(cluster, "wide", "/v2/repository/index", {}) == 404
        cluster.apply(given.version("wide", 1, traffic={"allPaths": True}))
        until(
            lambda: asked(cluster, "wide", "/v2/repository/index", {}) == 200, what="the repository's index", limit=20
        )
    assert len(cluster.list("ControllerRevision", "wide")) <= 1


def test_the_name_of_another_namespaces_service_is_refused(cluster: Cluster) -> None:
    """Whatever is granted; nothing of it reaches a route, and the mesh has the Service's own name alone."""
    foreign = "payments.prod.svc.cluster.local"
    cluster.apply(given.version("thief", 1, traffic={"hosts": [given.host("thief"), foreign]}))
    status = cluster.deployed(
        "thief", lambda seen: condition(seen, "Stalled")["reason"] == "HostNotAllowed", what="to be refused"
    )["status"]
    assert foreign in condition(status, "Stalled")["message"]
    cluster.apply(given.version("thief", 1))
    cluster.rollout("thief", 1, lambda seen: seen.get("phase") == "Succeeded", what="to serve without it")
    cluster.apply(given.version("thief", 1, traffic={"hosts": [given.host("thief"), foreign]}))
    cluster.deployed("thief", lambda seen: condition(seen, "Stalled")["reason"] == "HostNotAllowed", what="to say so")
    bound = {
        gateway: route["spec"]["hosts"]
        for route in cluster.list("VirtualService", "thief").values()
        for gateway in route["spec"]["gateways"]
    }
    cluster.kubectl("delete", "mdep", "thief", "--wait=false")
    assert bound == {"public": [given.host("thief")], "mesh": [f"thief.{given.NAMESPACE}.svc.cluster.local"]}


@pytest.mark.parametrize("gateway", ["public.istio-system", "istio-system/public"])
def test_a_gateway_of_another_namespace_is_refused_however_it_is_written(cluster: Cluster, gateway: str) -> None:
    """Istio reads a dot as it does the slash."""
    cluster.apply(given.version("guest", 1, traffic={"istio": {"gateways": [gateway]}}))
    cluster.deployed(
        "guest", lambda seen: condition(seen, "Stalled")["reason"] == "GatewayNotAllowed", what="to be refused"
    )
    cluster.kubectl("delete", "mdep", "guest")


def test_a_gateway_that_does_not_exist_is_said(cluster: Cluster) -> None:
    """Before anything starts; once the name is right it serves."""
    cluster.apply(given.version("lost", 1, traffic={"istio": {"gateways": ["pulbic"]}}))
    status = cluster.deployed(
        "lost", lambda seen: condition(seen, "Stalled")["reason"] == "GatewayNotFound", what="to miss its Gateway"
    )["status"]
    assert f"{given.NAMESPACE}/pulbic" in condition(status, "Stalled")["message"]
    cluster.apply(given.version("lost", 1))
    cluster.rollout("lost", 1, lambda seen: seen.get("phase") == "Succeeded", what="to serve")
    until(lambda: asked(cluster, "lost", "/v2/models/lost/ready") == 200, what="an answer", limit=20)
    cluster.apply(given.version("lost", 1, traffic={"istio": {"gateways": ["pulbic"]}}))
    cluster.deployed("lost", lambda seen: condition(seen, "Serving")["reason"] == "GatewayNotFound", what="to say so")
    cluster.kubectl("delete", "mdep", "lost", "--wait=false")
