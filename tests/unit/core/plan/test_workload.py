"""Deployments, their disruption budgets, and Services."""

from __future__ import annotations

from serinus.core.plan.workload import (
    render_deployment,
    render_disruption_budget,
    render_root_service,
    render_service,
)
from tests.unit.core.plan.given import HASH, OWNER, assert_valid, expected, revision, template

SELECTOR = {"serinus.dev/modeldeployment": "fraud", "serinus.dev/revision": HASH}


def test_a_deployment_runs_the_stored_template_and_replaces_no_pod_before_another_is_ready() -> None:
    manifest = render_deployment(OWNER, revision(), 2)
    assert_valid(manifest)
    assert {**manifest, "spec": {**manifest["spec"], "template": {}}} == expected("deployment")
    assert manifest["spec"]["template"] == template()


def test_an_autoscaler_keeps_its_replicas() -> None:
    assert "replicas" not in render_deployment(OWNER, revision(), None)["spec"]


def test_replicas_of_zero_are_a_wish_too() -> None:
    assert render_deployment(OWNER, revision(), 0)["spec"]["replicas"] == 0


def test_a_node_is_drained_of_a_revisions_pods_one_by_one() -> None:
    manifest = render_disruption_budget(OWNER, revision())
    assert_valid(manifest)
    assert manifest["metadata"]["name"] == revision().name
    assert manifest["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": SELECTOR},
    }


def test_a_revisions_service_is_the_one_on_record() -> None:
    manifest = render_service(OWNER, revision())
    assert_valid(manifest)
    assert manifest == expected("service")


def test_the_root_service_carries_the_name_of_the_model_deployment_and_selects_stable() -> None:
    manifest = render_root_service(OWNER, HASH)
    assert_valid(manifest)
    assert manifest["metadata"]["name"] == "fraud"
    assert "serinus.dev/revision" not in manifest["metadata"]["labels"]
    assert manifest["spec"]["selector"] == SELECTOR


def test_pods_are_selected_by_our_own_two_labels_only() -> None:
    assert render_deployment(OWNER, revision(), 1)["spec"]["selector"]["matchLabels"] == SELECTOR
