"""A tester breaks the canary by requests of his own: no user sees an error, and nothing is judged by them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serinus_local import gateway
from serinus_local.waiting import until
from tests.e2e import given, sources
from tests.e2e.cluster import Cluster
from tests.e2e.serving import at_half, served, succeeded

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME, TESTER = "tested", "tester"
REQUESTS = 100


def test_who_calls_the_canarys_service_past_our_gateway_reverts_nothing(cluster: Cluster) -> None:
    """Directly, and through a gateway of his own whose errors are scraped like those of ours."""
    with served(cluster, NAME, steps=given.UNTIL_PROMOTED) as asked, another_gateway(cluster) as address:
        rollout = at_half(cluster, NAME, fails=given.ON_COMMAND)
        service = cluster.get("Service", rollout["spec"]["to"]["revision"])
        cluster.apply(routed_to(service["metadata"]["name"]))
        until(lambda: status_of(address, given.BREAKING) == 500, what="the tester's gateway", limit=60)
        for place in (f"{service['spec']['clusterIP']}:8000", address):
            assert {status_of(place, given.BREAKING) for _ in range(REQUESTS)} == {500}
        until(lambda: scraped_errors(cluster) >= REQUESTS, what="his errors to be scraped", limit=60)
        patch = '{"spec": {"promote": {"throughStep": 2}}}'
        cluster.kubectl("patch", "mro", rollout["metadata"]["name"], "--type=merge", f"--patch={patch}")
        cluster.rollout(NAME, 2, succeeded, what="to succeed", limit=90)
    assert (asked.tally.bad, asked.tally.failures) == (0, [])


@contextmanager
def another_gateway(cluster: Cluster) -> Iterator[str]:
    """Run a second Envoy that istiod knows by another label; give its address."""
    text = gateway.manifests(xds=cluster.stack.istiod.xds, address="")
    for word in (gateway.SERVICE, gateway.LABELS["istio"]):
        text = text.replace(word, TESTER)
    items = [one for one in json.loads(text)["items"] if one["kind"] != "Namespace"]
    there = f"--namespace={gateway.NAMESPACE}"
    try:
        cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        cluster.stack.kubectl("rollout", "status", f"deployment/{TESTER}", there, "--timeout=90s")
        found = json.loads(cluster.stack.kubectl("get", "service", TESTER, there, "--output=json"))
        yield f"{found['spec']['clusterIP']}:80"
    finally:
        cluster.stack.kubectl("delete", "deployment,service,configmap", TESTER, there, "--wait=false")


def routed_to(service: str) -> str:
    """Render the tester's own Gateway, and his route to a Service of ours."""
    entry = json.loads(gateway.istio_gateway(given.NAMESPACE))
    entry["metadata"]["name"] = TESTER
    entry["spec"]["selector"] = {"istio": TESTER}
    destination = {"host": f"{service}.{given.NAMESPACE}.svc.cluster.local", "port": {"number": 8000}}
    route = {
        "apiVersion": entry["apiVersion"],
        "kind": "VirtualService",
        "metadata": entry["metadata"],
        "spec": {
            "hosts": [given.host(TESTER)],
            "gateways": [TESTER],
            "http": [{"route": [{"destination": destination}]}],
        },
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [entry, route]})


def status_of(address: str, features: tuple[float, ...]) -> int:
    """Ask for one inference; give the status of the answer, 0 where nobody answers."""
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": list(features)}
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        body, host = json.dumps({"inputs": [tensor]}), {"Host": given.host(TESTER)}
        connection.request("POST", f"/v2/models/{NAME}/infer", body, host)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def scraped_errors(cluster: Cluster) -> float:
    """Sum what the stack's Prometheus has of the errors of the tester's gateway."""
    query = f'sum(istio_requests_total{{source_workload="{TESTER}",response_code="500"}})'
    found = sources.ask(cluster.stack.prometheus_url, query)
    return float(found[0]["value"][1]) if found else 0.0
