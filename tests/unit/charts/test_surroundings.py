"""What the chart adds around the operator: a budget, spread replicas, monitors, a network policy, a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serinus.core.model.revision import HTTP_PORT, METRICS_PORT
from serinus_local import scrape
from tests.unit.charts.rendering import MATRIX, kinds, render
from tests.unit.core.plan.given import template


def test_replicas_are_spread_and_drained_one_by_one(tmp_path: Path) -> None:
    """Two replicas have a budget and different nodes; one replica has neither, or no node could be drained."""
    for values, wanted in (({}, 0), ({"replicas": 2}, 1)):
        documents = render(tmp_path, values)
        (deployment,) = kinds(documents, "Deployment")
        spread = deployment["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
        budgets = kinds(documents, "PodDisruptionBudget")
        assert (len(spread), len(budgets)) == (wanted, wanted)
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for selector in [*(each["labelSelector"] for each in spread), *(each["spec"]["selector"] for each in budgets)]:
            assert selector["matchLabels"].items() <= labels.items()


def test_a_constraint_of_ones_own_selects_the_operator(tmp_path: Path) -> None:
    """Without a selector it would count no pod at all."""
    documents = render(tmp_path, MATRIX["spread"])
    (deployment,) = kinds(documents, "Deployment")
    template = deployment["spec"]["template"]
    (constraint,) = template["spec"]["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
    assert constraint["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("own", [{"matchLabels": {"team": "platform"}}, {}], ids=["labels", "all pods"])
def test_a_selector_of_ones_own_is_left_as_it_is(tmp_path: Path, own: dict[str, Any]) -> None:
    """Whoever spreads the operator among other pods counts those, too."""
    (constraint,) = MATRIX["spread"]["topologySpreadConstraints"]
    documents = render(tmp_path, {"topologySpreadConstraints": [constraint | {"labelSelector": own}]})
    (deployment,) = kinds(documents, "Deployment")
    (rendered,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert rendered["labelSelector"] == own


@pytest.mark.parametrize(("server", "job"), [("triton", "triton"), ("mlserver", "triton"), ("openai", "openai")])
def test_models_are_scraped_with_the_labels_that_the_local_stack_proves(tmp_path: Path, server: str, job: str) -> None:
    """What prometheus-operator is asked for is what the stack's own Prometheus does, by the port that pods have."""
    (endpoint,) = _endpoints(tmp_path, server)
    asked = {(*rule["sourceLabels"], rule["targetLabel"]) for rule in endpoint["relabelings"]}
    jobs: Any = scrape.config(kubeconfig=tmp_path, operator="")["scrape_configs"]
    (local,) = [each for each in jobs if each["job_name"] == job]
    done = {(*rule["source_labels"], rule["target_label"]) for rule in local["relabel_configs"] if "action" not in rule}
    # Namespace and pod are prometheus-operator's own work.
    assert asked == {rule for rule in done if rule[-1] not in ("namespace", "pod")}
    kept = {rule["source_labels"][0]: rule["regex"] for rule in local["relabel_configs"] if "action" in rule}
    assert kept["__meta_kubernetes_pod_container_port_name"] == endpoint["port"]
    wished = {"version": "1", "storageUri": "pvc://models/fraud"}
    container = template({"model": wished, "runtime": {"image": "i", "type": server}})["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports[endpoint["port"]] == (HTTP_PORT if server == "openai" else METRICS_PORT)


def _endpoints(folder: Path, server: str) -> list[Any]:
    """List the endpoints of those monitors that select a server's pods."""
    found = []
    for monitor in kinds(render(folder, MATRIX["watched"]), "PodMonitor"):
        known, of = monitor["spec"]["selector"]["matchExpressions"]
        assert known == {"key": "serinus.dev/revision", "operator": "Exists"}
        if (server in of["values"]) == (of["operator"] == "In"):
            found += monitor["spec"]["podMetricsEndpoints"]
    return found


def test_monitors_look_where_the_operator_does(tmp_path: Path) -> None:
    """Everywhere, or in the namespaces that are watched; off by default."""
    selected = {
        name: [each["spec"]["namespaceSelector"] for each in kinds(render(tmp_path, MATRIX[name]), "PodMonitor")]
        for name in ("defaults", "watched", "watched-in-some-namespaces")
    }
    assert selected == {
        "defaults": [],
        "watched": [{"any": True}] * 2,
        "watched-in-some-namespaces": [{"matchNames": ["ml"]}] * 2,
    }


def test_a_network_policy_lets_pass_what_the_operator_lives_on(tmp_path: Path) -> None:
    """Metrics, DNS, the API server, models and the sources; and outgoing requests are held only when asked for."""
    (policy,) = kinds(render(tmp_path, MATRIX["guarded"]), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": "http-metrics", "protocol": "TCP"}]}]
    (policy,) = kinds(render(tmp_path, MATRIX["guarded-both-ways"]), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", ())]
    assert ports == [53, 53, 443, 6443, 9090]
    assert len(policy["spec"]["ingress"][0]["from"]) == 2


def test_the_pod_of_helm_test_is_no_endpoint_of_the_operator(tmp_path: Path) -> None:
    """Its labels differ from those that the Service, the budget and the policy select by."""
    documents = render(tmp_path, MATRIX["guarded"])
    (test,), (service,) = kinds(documents, "Pod"), kinds(documents, "Service")
    assert not service["spec"]["selector"].items() <= test["metadata"]["labels"].items()
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
