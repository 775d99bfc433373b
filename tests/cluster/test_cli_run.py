"""`serinus run` as a process of its own, and the levers that it answers: the two ends of the command line meet."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serinus.api import crds
from serinus.cli.app import app
from serinus_local.control_plane import ControlPlane

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

NAMESPACE = "levered"
SOURCES = crds.ROOT / "operator"
WITHOUT_METRICS_AND_LEASE = {
    "prometheus": [{"name": "default", "url": "http://127.0.0.1:9"}],
    "tenants": [{"namespace": "*", "sources": ["default"]}],
    "leaderElection": {"enabled": False},
}
MANIFEST = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "fraud", "namespace": NAMESPACE},
    "spec": {
        "model": {"version": "1", "storageUri": "file:///models/fraud"},
        "runtime": {"image": "example.com/triton:26.07"},
    },
}


@pytest.fixture
def plane(api_server: ControlPlane) -> Iterator[ControlPlane]:
    """The shared API server with our kinds and one ModelDeployment, whose pods no node will ever start."""
    for file in sorted((crds.ROOT / "crds").glob("*.yaml")):
        api_server.apply_crds(file.read_text())
    api_server.apply_yaml(yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    api_server.apply_yaml(yaml.safe_dump(MANIFEST))
    yield api_server
    api_server.kubectl("delete", "modeldeployment", "fraud", "-n", NAMESPACE)


@pytest.fixture
def operator(plane: ControlPlane, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The operator, started as a person would start it outside of a cluster."""
    config, log = tmp_path / "config.yaml", tmp_path / "operator.log"
    config.write_text(yaml.safe_dump(WITHOUT_METRICS_AND_LEASE))
    flags = ("--config", str(config), "--kubeconfig", str(plane.kubeconfig), "--log-format", "console")
    metrics = ("--metrics-address", "127.0.0.1", "--metrics-port", "0")
    command = (sys.executable, "-m", "serinus", "run", *flags, *metrics)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={"PYTHONPATH": str(SOURCES)})
    yield process
    if process.poll() is None:
        process.kill()
        process.wait(timeout=30)
    assert "Traceback" not in log.read_text()


def _say(plane: ControlPlane, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "-n", NAMESPACE, "--kubeconfig", str(plane.kubeconfig)])


def _wait_for_a_rollout(plane: ControlPlane) -> None:
    plane.kubectl("wait", "mdep/fraud", "-n", NAMESPACE, "--for=jsonpath={.status.rollout}", "--timeout=60s")


def test_the_operator_answers_levers_until_it_is_stopped(
    plane: ControlPlane, operator: subprocess.Popen[bytes]
) -> None:
    """A lever is done when the operator has acknowledged it; without an operator it is set, and the command fails."""
    _wait_for_a_rollout(plane)
    paused = _say(plane, "pause", "fraud")
    assert paused.exit_code == 0, paused.stderr
    told = json.loads(_say(plane, "status", "fraud", "--json").stdout)
    assert (told["rollout"]["phase"], told["rollout"]["reason"]) == ("Paused", "PausedByUser")
    assert _say(plane, "resume", "fraud").exit_code == 0
    operator.send_signal(signal.SIGTERM)
    assert operator.wait(timeout=30) == 0
    late = _say(plane, "pause", "fraud", "--wait", "1")
    assert late.exit_code == 1
    assert "the operator did not acknowledge it within 1s" in late.stderr
    assert "spec.paused is set but not acknowledged yet" in _say(plane, "status", "fraud").stdout


def test_a_configuration_that_cannot_be_used_is_told_without_a_traceback(tmp_path: Path) -> None:
    """The operator does not start with a misspelt limit."""
    config = tmp_path / "config.yaml"
    config.write_text("worker: 8\n")
    command = (sys.executable, "-m", "serinus", "run", "--config", str(config))
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    assert "worker: 8: no such field" in answer.stderr
    assert "Traceback" not in answer.stderr
