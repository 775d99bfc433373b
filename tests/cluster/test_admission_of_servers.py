"""What the API server lets a ModelDeployment's server become, and that it takes the pods that are made of GPUs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_spec
from serinus.core.model.identity import Owner
from serinus.core.model.revision import Revision
from serinus.core.plan.pods import render_template
from serinus.core.plan.storage import Storage
from serinus.core.plan.workload import render_deployment, render_root_service, render_service
from serinus.core.serving.runtimes import runtime_of
from serinus_local.control_plane import ControlPlane
from tests.cluster.admission_server import AdmissionServer, changed, manifest

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

HASH = "abcdef0123"
OTHER_PATHS = (
    "spec.runtime.type: Invalid value: changes between openai and the other servers, to which callers send other "
    "requests: make another ModelDeployment"
)


@pytest.fixture(scope="module")
def server(api_server: ControlPlane) -> AdmissionServer:
    """An API server that knows our two kinds."""
    for path in sorted((crds.ROOT / "crds").glob("*.yaml")):
        api_server.apply_crds(path.read_text())
    return AdmissionServer(api_server)


@pytest.fixture(params=["model_deployment.yaml", "openai.yaml"])
def stored(server: AdmissionServer, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A ModelDeployment that is stored, of each protocol."""
    found = server.store(manifest(request.param))
    yield found
    server.remove(found)


def test_the_protocol_stays_and_everything_else_may_change(server: AdmissionServer, stored: dict[str, Any]) -> None:
    """A route admits the paths of one protocol, and callers would have to change in the same moment."""
    served = stored["spec"]["runtime"].get("type", "triton")
    said = {
        other: server.refusal(_served_by(stored, other), method="PUT") for other in ("triton", "mlserver", "openai")
    }
    refused = {other for other, sentence in said.items() if sentence is not None}
    assert refused == ({"triton", "mlserver"} if served == "openai" else {"openai"})
    assert {said[other] for other in refused} == {OTHER_PATHS}
    assert server.refusal(changed(stored, "spec.runtime.image", "another"), method="PUT") is None


def _served_by(stored: dict[str, Any], server: str) -> dict[str, Any]:
    return changed(changed(stored, "spec.runtime.type", server), "spec.analysis.metrics", stored_metrics())


def stored_metrics() -> list[dict[str, Any]]:
    """Give metrics that every server has."""
    return [{"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}}]


def test_the_default_analysis_of_streams_is_accepted_in_a_rollout(server: AdmissionServer) -> None:
    """What the operator freezes is held to the same rules as what users write."""
    spec = parse_spec({key: value for key, value in manifest("openai.yaml")["spec"].items() if key != "analysis"})
    rollout = manifest("rollout.yaml")
    assert server.refusal({**rollout, "spec": {**rollout["spec"], **policy_of(spec).manifest()}}) is None


def test_kubernetes_takes_the_pods_of_a_model_on_gpus(server: AdmissionServer, api_server: ControlPlane) -> None:
    """Its GPUs are asked of the device plugin, the model is spread over them, and nothing is filled in twice."""
    spec, owner = parse_spec(manifest("openai.yaml")["spec"]), Owner("default", "chat", "uid")
    template = render_template(owner, HASH, spec, Storage())
    revision = Revision(name=f"chat-{HASH}", hash=HASH, number=1, version="2", model="Qwen3-32B", template=template)
    ports = runtime_of(spec.runtime).ports
    rendered = [
        render_deployment(owner, revision, 1),
        render_service(owner, revision),
        render_root_service(owner, HASH, ports=ports),
    ]
    for each in rendered:
        del each["metadata"]["ownerReferences"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": rendered})
    answer = json.loads(
        api_server.kubectl("apply", "--server-side", "--dry-run=server", "-o", "json", "-f", "-", stdin=text)
    )
    deployment, *services = answer["items"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert "--tensor-parallel-size=4" in container["args"]
    assert [port["port"] for service in services for port in service["spec"]["ports"]] == [8000, 8000]
