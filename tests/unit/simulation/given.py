"""Policies to play: a ModelDeployment around a strategy and an analysis."""

from __future__ import annotations

from typing import Any

import yaml

from serinus.core.model.kinds import Json
from serinus.simulation.manifest.subject import Subject, read_subject

ERRORS: Json = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
SLOW: Json = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "400ms"}, "minSamples": 30}
STEPS: list[Json] = [
    {"setWeight": 10},
    {"pause": {"duration": "60s"}},
    {"setWeight": 50},
    {"pause": {"duration": "60s"}},
]

POLICIES: dict[str, dict[str, Any]] = {
    "timed": {},
    "evidence": {"pace": "Evidence", "analysis": {"riskBudget": "5%", "minDwell": "20s"}},
    "threshold": {"analysis": {"mode": "Threshold"}},
    "patient": {"metrics": [{**ERRORS, "failureLimit": 2, "minSamples": 5, "clientErrors": "Ignore"}]},
    "watched": {"metrics": [{**ERRORS, "gating": False}, {**ERRORS, "name": "hard", "thresholdRange": {"max": "20%"}}]},
    "counted": {
        "metrics": [ERRORS, {"name": "requests", "preset": "request-count", "thresholdRange": {"min": "100"}}],
        "analysis": {"maxHold": "100s", "onMaxHold": "Revert"},
    },
    "only counted": {
        "metrics": [{"name": "requests", "preset": "request-count", "thresholdRange": {"min": "60", "max": "800"}}],
    },
    "per pod": {
        "metrics": [{**ERRORS, "provider": "triton"}],
        "pace": "Evidence",
        "analysis": {"riskBudget": "4%", "minDwell": "20s"},
        "replicas": 2,
    },
    "latency": {"metrics": [ERRORS, SLOW], "pace": "Evidence", "analysis": {"riskBudget": "10%", "minDwell": "20s"}},
}


def manifest(
    *,
    steps: list[Json] | None = None,
    pace: str | None = None,
    metrics: list[Json] | None = None,
    analysis: Json | None = None,
    guard: str = "30s",
    replicas: int = 1,
) -> str:
    """Write a manifest."""
    canary: Json = {"steps": steps or STEPS, **({"pace": pace} if pace else {})}
    spec: Json = {
        "model": {"version": "2", "storageUri": "pvc://models/m/2"},
        "runtime": {"image": "triton:1"},
        "traffic": {"hosts": ["m.example.com"], "istio": {"gateways": ["public"]}},
        "strategy": {"canary": canary},
        "analysis": {"interval": "5s", "metrics": metrics or [ERRORS], **(analysis or {})},
        "guard": {"duration": guard},
        "scaling": {"minReplicas": replicas},
    }
    document = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "m"},
        "spec": spec,
    }
    return yaml.safe_dump(document)


def subject(**given: Any) -> Subject:
    """Read a policy as the commands do."""
    return read_subject(manifest(**given))
