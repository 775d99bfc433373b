"""ModelDeployments to measure with: as a team that says nothing of analysis has them, and with limits alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from serinus.core.model.kinds import Json
from tests.support.world.given import ERROR_RATE

NAMESPACE = "bench"
LIVE_WEIGHT = 50
"""Both revisions are called equally often then, as what stands in for Prometheus shows it."""
HELD: list[Json] = [{"setWeight": LIVE_WEIGHT}, {"pause": {}}]
LATENCY: Json = {"name": "latency-p99", "preset": "latency", "quantile": "0.99"}


class Mode(StrEnum):
    """How a canary is judged: `default` by the sequential test of the default metrics, `threshold` by limits alone."""

    DEFAULT = "default"
    THRESHOLD = "threshold"


@dataclass(frozen=True)
class Policy:
    """How a fleet is rolled out; without steps by the defaults for everything, minutes long."""

    mode: Mode = Mode.DEFAULT
    interval: str = ""
    steps: tuple[Json, ...] = ()

    def manifest(self, name: str, version: str) -> Json:
        """Write a ModelDeployment of this name."""
        spec: Json = {
            "model": {"version": version, "storageUri": f"pvc://models/fraud/{version}"},
            "runtime": {"image": "triton:1"},
            "scaling": {"minReplicas": 1},
            "traffic": {"hosts": [f"{name}.example.com"], "istio": {"gateways": ["public"]}},
        }
        if self.steps:
            spec |= {"strategy": {"canary": {"steps": list(self.steps)}}, "guard": {"duration": "0s"}}
            spec |= {"analysis": self._analysis(), "revisionHistoryLimit": 2}
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": spec}

    def _analysis(self) -> Json:
        if self.mode is Mode.DEFAULT:
            return {"interval": self.interval, "metrics": [ERROR_RATE, LATENCY]}
        return {"interval": self.interval, "mode": "Threshold", "metrics": [{**ERROR_RATE, "minSamples": 5}]}


PLAIN = Policy()
"""What a team writes that writes no more than it has to."""


def held(mode: Mode, interval: str) -> Policy:
    """Hold each rollout at its first weight, looked at this often."""
    return Policy(mode, interval, tuple(HELD))
