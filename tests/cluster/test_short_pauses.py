"""The chart's policy warns of pauses that are too short to judge by, and lets them pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.simulation.manifest.pauses import short_pauses
from serinus_local.control_plane import ControlPlane
from tests.cluster.admission_server import AdmissionServer, changed, hinting, manifest

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]

ERRORS = {"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
LATENCY = {"name": "p99", "preset": "latency"}
SCALE = {"setCanaryScale": {"replicas": 3}}
GOAL = {"awaitGoal": {"goal": {"metric": "conversion", "direction": "Increase", "minimumEffect": "2%"}}}
CONVERSION = {"name": "conversion", "type": "Ratio", "query": "a{{service}}", "of": "b{{service}}"}
STICKY = {
    "hosts": ["a.example.com"],
    "istio": {"gateways": ["public"]},
    "sessionAffinity": {"cookie": {"maxAge": "672h"}},
}
WEIGHT = re.compile(r"after setWeight ([0-9]+(?: and [0-9]+)*)")


@pytest.fixture(scope="module")
def server(api_server: ControlPlane) -> Iterator[AdmissionServer]:
    """An API server with our kinds and the chart's hinting, once it is in force; what refuses is not for this one."""
    with hinting(api_server, "short-pauses", stepped([10], [ERRORS])) as made:
        yield made


def stepped(steps: list[Any], metrics: list[dict[str, Any]] | None, **fields: Any) -> dict[str, Any]:
    """Write weights as numbers, pauses as texts, a pause without an end as None, and other steps as they are."""
    canary = {"steps": [_written(step) for step in steps], **fields}
    base = changed(manifest("minimal.yaml"), "spec.strategy", {"canary": canary})
    if GOAL in steps:
        base = changed(base, "spec.traffic", STICKY)
    return base if metrics is None else changed(base, "spec.analysis", {"metrics": metrics})


def _written(step: Any) -> dict[str, Any]:
    if isinstance(step, dict):
        return step
    return {"setWeight": step} if isinstance(step, int) else {"pause": {} if step is None else {"duration": step}}


CASES = [
    pytest.param([10, "30s", 50, "30s"], [ERRORS], [], id="two scrapes each"),
    pytest.param([10, "29s", 50, "45s"], [ERRORS], [10], id="a short first pause"),
    pytest.param([10, "1h", 50, "20s"], [ERRORS], [50], id="a short last pause"),
    pytest.param([10, 50, "1m"], [ERRORS], [10], id="no pause at all"),
    pytest.param([10, None, 50, "1m"], [ERRORS], [], id="a pause that somebody ends"),
    pytest.param([10, "45s", 50, "45s"], [ERRORS, LATENCY], [10], id="new pods warm up at the first weight"),
    pytest.param([10, "1m", 50, "45s"], [ERRORS, LATENCY], [], id="time to warm up"),
    pytest.param([10, "45s", 50, "45s"], [ERRORS, {**LATENCY, "gating": False}], [], id="latency does not gate"),
    pytest.param([10, "45s", 50, "45s"], None, [10], id="the default metrics, with latency"),
    pytest.param([10, "1m", 100, "5s"], [ERRORS], [], id="nothing follows 100 %"),
    pytest.param([50, GOAL, 80, "20s"], [ERRORS, CONVERSION], [80], id="a goal takes its time"),
    pytest.param([SCALE, 10, SCALE, "30s", 50, SCALE, "20s"], [ERRORS], [50], id="a scale is no pause, and ends none"),
]


@pytest.mark.parametrize(("steps", "metrics", "weights"), CASES)
def test_warns_of_the_weights_that_are_left_too_soon(
    server: AdmissionServer, steps: list[Any], metrics: list[dict[str, Any]] | None, weights: list[int]
) -> None:
    """What the policy warns of, `serinus simulate` says too."""
    asked = stepped(steps, metrics)
    warned = [number for text in server.warnings(asked) for number in re.findall(r"\d+", WEIGHT.findall(text)[0])]
    assert [int(number) for number in warned] == weights
    said = list(short_pauses(policy_of(ModelDeploymentSpec.parse(asked["spec"]))))
    assert [int(WEIGHT.findall(text)[0]) for text in said] == weights


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(stepped([10, "5s"], [ERRORS], pace="Evidence"), id="the evidence sets the pace"),
        pytest.param(
            changed(stepped([10, "5s"], [ERRORS]), "spec.analysis.mode", "Threshold"), id="limits alone decide"
        ),
        pytest.param(manifest("minimal.yaml"), id="the default steps"),
    ],
)
def test_does_not_warn_of_what_waits_for_no_comparison(server: AdmissionServer, asked: dict[str, Any]) -> None:
    assert server.warnings(asked) == []
