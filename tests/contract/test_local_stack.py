"""The control plane and the Prometheus that other tests stand on keep their promises."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from serinus_local.control_plane import ControlPlane, control_plane
from serinus_local.prometheus import LocalPrometheus, static_config
from serinus_local.waiting import until

pytestmark = pytest.mark.apiserver

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleeper, namespace: default}
spec:
  selector: {matchLabels: {app: sleeper}}
  template:
    metadata: {labels: {app: sleeper}}
    spec: {containers: [{name: main, image: none}]}
"""


def test_the_controllers_turn_a_deployment_into_a_pod(api_server: ControlPlane) -> None:
    api_server.apply_yaml(DEPLOYMENT)
    until(
        lambda: "sleeper-" in api_server.kubectl("get", "pods", "--selector=app=sleeper", "--output=name"),
        what="the pod of the Deployment",
        limit=20,
    )


def test_istios_kinds_are_served(api_server: ControlPlane) -> None:
    kinds = api_server.kubectl("api-resources", "--api-group=networking.istio.io", "--output=name")
    assert {line.split(".")[0] for line in kinds.split()} == {
        "virtualservices",
        "destinationrules",
        "gateways",
        "serviceentries",
    }


def test_a_service_accounts_kubeconfig_has_that_accounts_rights_only(api_server: ControlPlane) -> None:
    kubeconfig = api_server.service_account_kubeconfig("default", "default")
    with pytest.raises(RuntimeError, match="system:serviceaccount:default:default"):
        api_server.kubectl(f"--kubeconfig={kubeconfig}", "get", "secrets")


def test_what_was_written_is_there_after_the_api_server_was_killed(tmp_path: Path) -> None:
    with control_plane(tmp_path) as plane:
        plane.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: kept}}")
        plane.kill_api_server()
        plane.start_api_server()
        assert plane.kubectl("get", "namespace", "kept", "--output=name") == "namespace/kept\n"


def test_nothing_runs_after_the_block(tmp_path: Path) -> None:
    with control_plane(tmp_path) as plane:
        assert all(plane.processes.running(name) for name in plane.processes.known())
    assert not any(plane.processes.running(name) for name in plane.processes.known())


def test_a_program_that_dies_is_reported_with_the_end_of_its_log(
    start_prometheus: Callable[[Mapping[str, object]], LocalPrometheus],
) -> None:
    with pytest.raises(RuntimeError, match="field no_such_field not found"):
        start_prometheus({"no_such_field": True})


def test_prometheus_comes_back_with_what_it_knew(
    start_prometheus: Callable[[Mapping[str, object]], LocalPrometheus],
) -> None:
    server = start_prometheus(static_config({"nobody": "127.0.0.1:1"}))
    until(lambda: _targets_known(server), what="the first scrape", limit=30)
    server.kill()
    assert not server.is_ready()
    server.restart()
    assert _targets_known(server)


def _targets_known(server: LocalPrometheus) -> bool:
    query = urllib.parse.urlencode({"query": "last_over_time(up[1h])"})
    with urllib.request.urlopen(f"{server.url}/api/v1/query?{query}", timeout=5) as answer:
        return bool(json.load(answer)["data"]["result"])
