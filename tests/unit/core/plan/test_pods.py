"""The pod template: probes, shutdown, shared memory, security, and what the user asks for."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from serinus.core.plan.pods import PRE_STOP_SECONDS, drain_seconds
from tests.unit.core.plan.given import FULL, SMALL, assert_valid, expected, revision, template


def _container(raw: Json) -> Json:
    container: Json = template(raw)["spec"]["containers"][0]
    return container


def _with_runtime(**fields: object) -> Json:
    return {**SMALL, "runtime": {**SMALL["runtime"], **fields}}


@pytest.mark.parametrize(("name", "raw"), [("template-small", SMALL), ("template-full", FULL)], ids=["small", "full"])
def test_the_template_is_the_one_on_record(name: str, raw: Json) -> None:
    assert template(raw) == expected(name)


@pytest.mark.parametrize("raw", [SMALL, FULL], ids=["small", "full"])
def test_kubernetes_knows_every_field_of_the_template(raw: Json) -> None:
    assert_valid({"apiVersion": "v1", "kind": "Pod", **template(raw)})


def test_the_startup_probe_lasts_as_long_as_the_model_may_load() -> None:
    probe = _container(FULL)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 900


def test_a_pod_that_takes_too_long_is_killed_at_once_for_nobody_talks_to_it() -> None:
    assert _container(SMALL)["startupProbe"]["terminationGracePeriodSeconds"] == 1


def test_readiness_asks_for_the_model_each_second_and_liveness_for_the_server_only() -> None:
    container = _container(FULL)
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/models/fraud_net/ready"
    assert container["readinessProbe"]["periodSeconds"] == 1
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"


@pytest.mark.parametrize(("fields", "waits"), [({}, 30), ({"drainSeconds": 120}, 120)], ids=["by default", "as asked"])
def test_the_grace_period_covers_the_sleep_and_tritons_own_wait(fields: Json, waits: int) -> None:
    """The template says how long requests in flight are waited for, also to whoever reads it later."""
    rendered = template(_with_runtime(**fields))
    assert f"--exit-timeout-secs={waits}" in rendered["spec"]["containers"][0]["args"]
    assert rendered["spec"]["terminationGracePeriodSeconds"] == PRE_STOP_SECONDS + waits + 10
    assert drain_seconds(rendered) == waits


def test_a_gpu_is_asked_for_only_when_the_user_does() -> None:
    assert "resources" not in _container(SMALL)
    assert _container(FULL)["resources"]["limits"]["nvidia.com/gpu"] == "2"


def test_the_device_plugins_resource_can_be_named() -> None:
    raw = _with_runtime(gpu={"count": 1, "resourceName": "amd.com/gpu"})
    assert _container(raw)["resources"] == {"limits": {"amd.com/gpu": "1"}}


def test_quantities_stay_as_the_user_wrote_them() -> None:
    assert _container(FULL)["resources"]["requests"] == {"cpu": "1000m", "memory": "1024Mi"}


@pytest.mark.parametrize(
    ("resources", "size"),
    [
        pytest.param({"limits": {"memory": "3Gi"}}, "3Gi", id="the memory limit, which it counts in"),
        pytest.param({"requests": {"memory": "3Gi"}}, "1Gi", id="a default where there is no limit"),
    ],
)
def test_shared_memory_is_bounded(resources: Json, size: str) -> None:
    volumes = template(_with_runtime(resources=resources))["spec"]["volumes"]
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": size}} in volumes


def test_the_repository_of_a_baked_model_is_its_parent_folder() -> None:
    raw = {**SMALL, "model": {"version": "1", "storageUri": "file:///opt/models/fraud"}}
    assert "--model-repository=/opt/models" in _container(raw)["args"]


def test_the_kubelet_keeps_tritons_reason_for_a_failed_load() -> None:
    container = _container(SMALL)
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert "--log-info=false" in container["args"]


def test_a_template_carries_the_revision_for_prometheus_and_for_istio() -> None:
    labels = template()["metadata"]["labels"]
    assert labels["serinus.dev/revision"] == labels["service.istio.io/canonical-revision"] == revision().hash
