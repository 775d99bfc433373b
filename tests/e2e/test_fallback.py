"""A second model answers on the real gateway while the first has no ready pod, and no metric counts it as the first."""

from __future__ import annotations

import json

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster, condition
from tests.e2e.freezing import frozen
from tests.e2e.serving import served, stable_pods, succeeded
from tests.e2e.sources import ask

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

RULES = 7
"""The version by which the second model's answers are known."""


def standing_in(name: str, model: str, routing: str) -> str:
    """Render the ModelDeployment that answers for a model under that one's name."""
    manifest = json.loads(given.version(name, RULES, routing=routing))
    manifest["items"][1]["spec"]["model"]["name"] = model
    return json.dumps(manifest)


@pytest.mark.parametrize("routing", list(given.ROUTED))
def test_another_model_answers_while_no_pod_of_stable_is_ready(cluster: Cluster, routing: str) -> None:
    """Over HTTP and gRPC: it takes over when the last pod goes, and gives back once pods have stayed for a while."""
    name, rules = f"backed-{routing.lower()}", f"rules-{routing.lower()}"
    try:
        cluster.apply(standing_in(rules, name, routing))
        cluster.rollout(rules, RULES, succeeded, what="the fallback")
        with served(cluster, name, routing=routing, traffic={"fallback": {"name": rules}}) as asked:
            asked.wait_for("1", more=50)
            with frozen(stable_pods(cluster, name)):
                falls_back(cluster, name, "True")
                # What hangs in the stopped server is given up by its callers meanwhile.
                asked.wait_for(str(RULES), more=300)
                failed = asked.tally.failed
                asked.wait_for(str(RULES), more=100)
                assert asked.tally.failed == failed
            asked.wait_for("1", more=100)
            assert (asked.tally.failed, asked.tally.bad) == (failed, 0)
            falls_back(cluster, name, "False")
            until(lambda: seen_by(cluster, f'"{rules}"') > 300, what="the requests on the root Service", limit=15)
            assert seen_by(cluster, f'~"{rules}-.*"') == 0
    finally:
        cluster.kubectl("delete", "mdep", rules, "--ignore-not-found", "--wait=false")


def falls_back(cluster: Cluster, name: str, holds: str) -> None:
    """Wait until the status says whether the fallback serves."""
    cluster.deployed(
        name, lambda seen: condition(seen, "FallbackServing")["status"] == holds, what=f"FallbackServing={holds}"
    )


def seen_by(cluster: Cluster, services: str) -> float:
    """Count the requests that the gateways report for Services; presets ask by the names of revisions' own."""
    place = f'destination_service_namespace="{given.NAMESPACE}"'
    found = ask(
        cluster.stack.prometheus_url, f"sum(istio_requests_total{{{place}, destination_service_name={services}}})"
    )
    return float(found[0]["value"][1]) if found else 0.0
