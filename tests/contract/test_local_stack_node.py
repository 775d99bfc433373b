"""The whole local stack with two revisions of a model behind a hand-written route: what is served, what is seen."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus_local import stack as local
from serinus_local.images import TRITON
from serinus_local.process import Processes
from serinus_local.waiting import until
from tests.support.stack import require_node

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(300)]

STATE = local.STATES / f"{local.default_state().name}-test"
HOST = "half.ml.example.com"
CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "X", data_type: TYPE_FP32, dims: [ -1 ] }]
output [{ name: "VERSION", data_type: TYPE_INT32, dims: [ 1 ] }]
"""
MODEL = """
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(triton.get_input_tensor_by_name(r, "X").as_numpy()) for r in requests]

    def answer(self, x):
        if x[0] < 0:
            return triton.InferenceResponse(error=triton.TritonError("negative"))
        return triton.InferenceResponse([triton.Tensor("VERSION", np.array([%d], dtype=np.int32))])
"""


@pytest.fixture(scope="module")
def served() -> Iterator[local.Stack]:
    """Give a stack without the operator that serves versions 1 and 2 of a model."""
    require_node()
    local.down(STATE)
    try:
        stack = local.up(STATE, with_operator=False)
        serve(stack)
        yield stack
    finally:
        local.down(STATE)
    assert leftovers() == []


def test_envoy_splits_requests_by_the_weights_of_the_route(served: local.Stack) -> None:
    answers = ask(served, 500)
    assert answers["1"] + answers["2"] == 500
    assert 20 <= answers["2"] <= 90


def test_every_http_request_is_counted_once_for_its_service_and_code(served: local.Stack) -> None:
    query = 'istio_requests_total{request_protocol="http", reporter="source", destination_service_name=~"half-.*"%s}'
    before = {code: total(served, query % f', response_code="{code}"') for code in (200, 500)}
    answers = ask(served, 100) + ask(served, 50, value=-1.0)
    assert (answers[200], answers[500]) == (100, 50)
    after = {code: total(served, query % f', response_code="{code}"') for code in (200, 500)}
    assert {code: after[code] - before[code] for code in after} == {200: 100, 500: 50}


def test_grpc_is_counted_once_by_its_own_status(served: local.Stack) -> None:
    query = 'istio_requests_total{request_protocol="grpc", grpc_response_status="%s"}'
    before = {status: total(served, query % status) for status in ("0", "13")}
    ask_grpc(served, good=40, bad=10)
    after = {status: total(served, query % status) for status in ("0", "13")}
    assert {status: after[status] - before[status] for status in after} == {"0": 40, "13": 10}


def test_latency_is_known_for_both_protocols_a_second_later(served: local.Stack) -> None:
    ask(served, 5)
    ask_grpc(served, good=5, bad=0)
    query = "count(count by (request_protocol) (istio_request_duration_milliseconds_bucket))"
    until(lambda: total(served, query) == 2, what="histograms of both protocols", limit=10)


def test_tritons_own_series_carry_revision_namespace_and_pod(served: local.Stack) -> None:
    query = 'count by (revision) (nv_inference_request_success{namespace="ml", pod=~"half-[12]-.*", revision=~"r[12]"})'
    until(lambda: total(served, query) == 2, what="one series a revision", limit=10)


def test_a_killed_istiod_stops_no_request_and_the_next_weight_follows(served: local.Stack) -> None:
    served.kill("istiod")
    assert ask(served, 100)[200] == 100
    served.restart("istiod")
    served.istiod.wait_ready()
    route(served, {1: 0, 2: 100})
    until(lambda: ask(served, 20)["2"] == 20, what="all answers from version 2", limit=20)
    route(served, {1: 90, 2: 10})


def test_a_service_is_reached_by_its_cluster_address(served: local.Stack) -> None:
    address = served.kubectl("get", "service", "half-1", "--namespace=ml", "--output=jsonpath={.spec.clusterIP}")
    with urllib.request.urlopen(f"http://{address}:8000/v2/models/half/ready", timeout=5) as answer:
        assert answer.status == 200


def test_a_stack_that_is_up_is_brought_up_again_and_nothing_of_it_ends(served: local.Stack) -> None:
    """A Service that is made afterwards gets its cluster address too."""
    programs = Processes(STATE)
    before = {name: programs.running(name) for name in programs.known()}
    local.up(STATE, with_operator=False)
    served.kubectl("expose", "service", "half-1", "--namespace=ml", "--name=half-again", "--port=8000")
    address = served.kubectl("get", "service", "half-again", "--namespace=ml", "--output=jsonpath={.spec.clusterIP}")
    until(lambda: is_ready(address), what="an answer at the new address", limit=30)
    assert {name: programs.running(name) for name in programs.known()} == before


def test_a_run_that_was_killed_leaves_nothing_after_down(tmp_path: Path) -> None:
    require_node()
    state = local.STATES / f"{local.default_state().name}-kill"
    command = [sys.executable, "-m", "serinus_local", "up", "--no-operator", f"--state={state}"]
    environment = os.environ | {"PYTHONPATH": str(local.REPOSITORY / "operator")}
    with (
        (tmp_path / "up.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True) as running,
    ):
        until((state / "processes" / "kubelet.pid").exists, what="kubelet", limit=120)
        os.killpg(running.pid, signal.SIGKILL)
    local.down(state)
    assert leftovers(state) == []


def is_ready(address: str) -> bool:
    """Ask whether the model is ready at an address; nobody there is no."""
    try:
        with urllib.request.urlopen(f"http://{address}:8000/v2/models/half/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def leftovers(state: Path = STATE) -> list[str]:
    """Name the processes, links, cgroups and mounts of a state folder that are still there."""
    mark = f"SERINUS_LOCAL_STATE={state}".encode()
    name = local.name_of(state)
    found = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"serinus-{name}")]
    found += [path.name for path in Path("/sys/class/net").glob(f"sl-{name}")]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found + ([str(state)] if state.exists() else [])


def serve(stack: local.Stack) -> None:
    """Apply both versions and the route, and wait for the first answer."""
    for version in (1, 2):
        stack.plane.apply_yaml(json.dumps(revision(version)))
    route(stack, {1: 90, 2: 10})
    for version in (1, 2):
        stack.kubectl("rollout", "status", f"deployment/half-{version}", "--namespace=ml", "--timeout=60s")
    until(lambda: ask(stack, 1)[200] == 1, what="the first answer", limit=20)


def ask(stack: local.Stack, times: int, *, value: float = 1.0) -> Counter[object]:
    """Send requests through the gateway; count answers by HTTP code and by the version that gave them."""
    body = json.dumps({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [value]}]})
    seen: Counter[object] = Counter()
    connection = http.client.HTTPConnection(stack.gateway_address, timeout=10)
    for _ in range(times):
        connection.request("POST", "/v2/models/half/infer", body, {"Host": HOST})
        answer = connection.getresponse()
        text = answer.read()
        seen[answer.status] += 1
        if answer.status == 200:
            seen[str(json.loads(text)["outputs"][0]["data"][0])] += 1
    connection.close()
    return seen


def ask_grpc(stack: local.Stack, *, good: int, bad: int) -> None:
    """Call the model over gRPC through the gateway; `bad` calls must fail with Triton's own status."""
    import numpy as np
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(stack.gateway_address, channel_args=[("grpc.default_authority", HOST)])
    for number in range(good + bad):
        tensor = triton.InferInput("X", [1], "FP32")
        tensor.set_data_from_numpy(np.array([1.0 if number < good else -1.0], dtype=np.float32))
        if number < good:
            client.infer("half", [tensor])
            continue
        with pytest.raises(triton.InferenceServerException, match="negative"):
            client.infer("half", [tensor])
    client.close()


def total(stack: local.Stack, query: str) -> float:
    """Add up what Prometheus answers once it has scraped Envoy after this moment."""
    asked = time.time()  # noqa: TID251 - compared with the scrapes of a real Prometheus
    until(lambda: query_now(stack, 'timestamp(up{job="envoy"})') > asked, what="the next scrape of Envoy", limit=10)
    return query_now(stack, query)


def query_now(stack: local.Stack, query: str) -> float:
    """Add up what Prometheus answers to an instant query."""
    url = f"{stack.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return sum(float(series["value"][1]) for series in json.load(answer)["data"]["result"])


def route(stack: local.Stack, weights: dict[int, int]) -> None:
    """Write the VirtualService with these weights for HTTP and for gRPC."""

    def split(port: int) -> list[dict[str, object]]:
        return [
            {"destination": {"host": f"half-{v}.ml.svc.cluster.local", "port": {"number": port}}, "weight": weight}
            for v, weight in weights.items()
        ]

    rules = [
        {"match": [{"uri": {"prefix": "/inference.GRPCInferenceService/"}}], "route": split(8001)},
        {"route": split(8000)},
    ]
    stack.plane.apply_yaml(
        json.dumps(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "half", "namespace": "ml"},
                "spec": {"hosts": [HOST], "gateways": ["public"], "http": rules},
            }
        )
    )


def revision(version: int) -> dict[str, object]:
    """Return what serves one version: ConfigMap, Service and Deployment."""
    metadata = {"name": f"half-{version}", "namespace": "ml"}
    labels = {"serinus.dev/modeldeployment": "half", "serinus.dev/revision": f"r{version}"}
    ports = {"http": 8000, "grpc": 8001, "http-metrics": 8002}
    files = [{"key": "config.pbtxt", "path": "config.pbtxt"}, {"key": "model.py", "path": "1/model.py"}]
    container = {
        "name": "triton",
        "image": TRITON,
        "command": ["tritonserver"],
        "args": ["--model-repository=/models", "--exit-timeout-secs=2"],
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "readinessProbe": {"httpGet": {"path": "/v2/models/half/ready", "port": 8000}, "periodSeconds": 1},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "model", "mountPath": "/models/half", "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "containers": [container],
        "volumes": [
            {"name": "model", "configMap": {"name": metadata["name"], "items": files}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    service = {"selector": labels, "ports": [{"name": name, "port": port} for name, port in ports.items()]}
    config = {"config.pbtxt": CONFIG, "model.py": MODEL % version}
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}
