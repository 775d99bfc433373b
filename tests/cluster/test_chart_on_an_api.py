"""The chart installed by helm on a real API server: what it renders is taken, and old definitions are replaced."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus_local import chart, crds
from serinus_local.control_plane import ControlPlane, control_plane
from serinus_local.manifests import namespace

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

IMAGE = "--set=image.repository=registry.example.com/serinus"
MONITORED = (
    "--set=monitoring.enabled=true",
    "--set=monitoring.labels.release=prometheus",
    "--set=monitoring.interval=15s",
)
GUARDED = ("--set=networkPolicy.enabled=true", "--set=replicas=2")
SINCE = "rollbackWindow"
"""A field of the spec that the older definition does not have."""


@pytest.fixture
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of its own: no other test has the chart's policy or its kinds in another version."""
    with control_plane(tmp_path_factory.mktemp("chart")) as plane:
        plane.apply_yaml(namespace(chart.NAMESPACE, pod_security="restricted"))
        yield plane


def test_all_that_can_be_turned_on_is_taken_by_the_api_server(plane: ControlPlane) -> None:
    """Monitors meet prometheus-operator's own definitions; the other kinds are Kubernetes' own."""
    plane.apply_crds(crds.monitors())
    said = chart.helm(plane, "install", chart.RELEASE, str(chart.CHART), IMAGE, *MONITORED, *GUARDED)
    assert "STATUS: deployed" in said
    wanted = "servicemonitors,podmonitors,networkpolicies,poddisruptionbudgets,deployments"
    found = json.loads(plane.kubectl("get", wanted, f"--namespace={chart.NAMESPACE}", "--output=json"))["items"]
    assert sorted((one["kind"], one["metadata"]["name"]) for one in found) == [
        ("Deployment", "serinus"),
        ("NetworkPolicy", "serinus"),
        ("PodDisruptionBudget", "serinus"),
        ("PodMonitor", "serinus-models"),
        ("PodMonitor", "serinus-openai"),
        ("ServiceMonitor", "serinus"),
    ]


def test_what_an_older_release_left_is_replaced_as_the_manual_says(plane: ControlPlane, tmp_path: Path) -> None:
    """Helm leaves old definitions alone; the documented command replaces them, and what is stored stays."""
    before, after = _older(tmp_path), str(chart.CHART)
    chart.helm(plane, "install", chart.RELEASE, before, IMAGE)
    plane.apply_yaml(yaml.safe_dump(_model()))
    stored = _spec(plane)
    chart.helm(plane, "upgrade", chart.RELEASE, after, IMAGE)
    assert SINCE not in _fields(plane)
    _follow_the_manual(plane)
    assert SINCE in _fields(plane)
    assert _spec(plane) == stored
    plane.apply_yaml(yaml.safe_dump(_model(**{SINCE: {"revisions": 3}})))
    assert _spec(plane)[SINCE] == {"revisions": 3}


def _older(folder: Path) -> str:
    """Write the chart as it was before a field of the spec."""
    older = folder / "serinus"
    shutil.copytree(chart.CHART, older)
    file = older / "crds" / "modeldeployments.yaml"
    definition = yaml.safe_load(file.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"][SINCE]
    file.write_text(yaml.safe_dump(definition))
    return str(older)


def _follow_the_manual(plane: ControlPlane) -> None:
    """Run the command of docs/operations.md as it stands there."""
    page = (chart.REPOSITORY / "docs" / "operations.md").read_text()
    (command,) = set(re.findall(r"kubectl (apply [^`\n]+) -f crds/", page))
    plane.kubectl(*command.split(), "-f", str(chart.REPOSITORY / "crds"))


def _fields(plane: ControlPlane) -> set[str]:
    definition = json.loads(plane.kubectl("get", "crd", "modeldeployments.serinus.dev", "--output=json"))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def _spec(plane: ControlPlane) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(plane.kubectl("get", "mdep", "fraud", "--output=json"))["spec"]
    return spec


def _model(**fields: Any) -> dict[str, Any]:
    example = (chart.REPOSITORY / "examples" / "01-quickstart" / "manifest.yaml").read_text()
    (manifest,) = [each for each in yaml.safe_load_all(example) if each["kind"] == "ModelDeployment"]
    metadata = {"name": "fraud", "namespace": "default"}
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], **fields}}
