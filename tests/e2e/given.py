"""Manifests of small models: good ones, and ones that a request can break."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from serinus.api.defaults import METRICS
from serinus_local.demo.answers import BAD
from serinus_local.images import TRITON

Manifest = dict[str, Any]

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
NAMESPACE = f"e2e-{_WORKER}" if _WORKER else "e2e"
"""Of this process alone: several of them may share the stack."""
DOMAIN = f"{NAMESPACE}.example.com"
CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "X", data_type: TYPE_FP32, dims: [ -1, 4 ] }]
output [{ name: "VERSION", data_type: TYPE_INT32, dims: [ 1 ] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
"""
MODEL = """
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(triton.get_input_tensor_by_name(request, "X").as_numpy()) for request in requests]

    def answer(self, x):
        if {bad_when}:
            return triton.InferenceResponse(error=triton.TritonError("{words}"))
        return triton.InferenceResponse([triton.Tensor("VERSION", np.array([{version}], dtype=np.int32))])
"""
GOOD, ON_COMMAND, ALWAYS = "False", "x[0, 0] < 0", "True"
"""When a model fails: never, when the first feature is negative, always."""
HANGS = "x[0, 0] < 0 and __import__('time').sleep(3600)"
"""It never answers when the first feature is negative, and nothing after that: its only instance is busy."""
ONE_IN_A_HUNDRED = "__import__('random').random() < 0.01"
"""It fails by chance."""
SELDOM = "vars(self).update(asked=vars(self).get('asked', 0) + 1) or self.asked % 100 == 50"
"""One request in a hundred fails."""
HALF = "__import__('random').random() < 0.5"
"""Every other request fails, by chance."""
BREAKING = (-1.0, 2.0, 3.0, 4.0)
"""Features that break a model that fails on command."""

ERROR_RATE: Manifest = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}, "minSamples": 5}
DEFAULT_METRICS: tuple[Manifest, ...] = tuple(
    metric.model_dump(mode="json", by_alias=True, exclude_none=True) for metric in METRICS
)
MODEL_ERRORS: Manifest = {
    "name": "model-errors",
    "query": """
        sum(rate(istio_requests_total{destination_service_namespace="{{namespace}}",
            destination_service_name="{{service}}", response_code="500"}[5s])) or vector(0)""",
    "thresholdRange": {"max": "0.5"},
}
"""Counts what the model itself fails, not the 503 of a version without ready pods."""

WALK = ({"setWeight": 50}, {"pause": {"duration": "3s"}})
UNTIL_PROMOTED: tuple[Manifest, ...] = ({"setWeight": 50}, {"pause": {}})


RUNTIME: Manifest = {"image": TRITON, "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
ROUTED: dict[str, Manifest] = {
    "istio": {"istio": {"gateways": ["public"]}},
    "gatewayAPI": {
        "provider": "gatewayAPI",
        "gatewayAPI": {"parentRefs": [{"name": "public", "namespace": "gateways"}]},
    },
}
"""The traffic section of each routing API."""


def host(name: str) -> str:
    """Name the host of a model."""
    return f"{name}.{DOMAIN}"


def version(
    name: str,
    number: int,
    *,
    fails: str = GOOD,
    steps: Sequence[Manifest] = WALK,
    guard: str = "3s",
    replicas: int = 1,
    deadline: int = 90,
    pace: str = "Timed",
    analysis: Manifest | None = None,
    traffic: Manifest | None = None,
    routing: str = "istio",
    strategy: Manifest | None = None,
    group: Manifest | None = None,
    drain: int | None = None,
    instances: int = 1,
) -> str:
    """Render one version of a model: its ConfigMap and the ModelDeployment that asks for it."""
    config = CONFIG.replace("count: 1", f"count: {instances}")
    source = {"config.pbtxt": config, "model.py": MODEL.format(bad_when=fails, words=BAD, version=number)}
    metadata = {"name": f"{name}-model-{number}", "namespace": NAMESPACE}
    spec = {
        "model": {
            "version": str(number),
            "storageUri": f"configmap://{metadata['name']}",
            "probe": {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]},
        },
        "runtime": {**RUNTIME, **({"drainSeconds": drain} if drain else {})},
        "scaling": {"minReplicas": replicas},
        "traffic": {"hosts": [host(name)], **ROUTED[routing], **(traffic or {})},
        "strategy": strategy or {"canary": {"steps": list(steps), "pace": pace}},
        "analysis": {"interval": "1s", "metrics": [ERROR_RATE], **(analysis or {})},
        "guard": {"duration": guard},
        "progressDeadlineSeconds": deadline,
        **({"group": group} if group else {}),
    }
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": source},
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def slow(milliseconds: int) -> str:
    """Fail never, and take so long for each answer."""
    return f"__import__('time').sleep({milliseconds / 1000})"


def plain(name: str, number: int, *, fails: str = GOOD, source: str = "", instances: int = 1) -> str:
    """Render a version for which nothing is configured but its host; a `source` is asked by the default metrics."""
    manifest = json.loads(version(name, number, fails=fails))
    files, deployment = manifest["items"]
    files["data"]["config.pbtxt"] = CONFIG.replace("count: 1", f"count: {instances}")
    for configured in ("strategy", "analysis", "guard", "progressDeadlineSeconds", "scaling"):
        del deployment["spec"][configured]
    if source:
        deployment["spec"]["analysis"] = {"metrics": [{**one, "source": source} for one in DEFAULT_METRICS]}
    return json.dumps(manifest)
