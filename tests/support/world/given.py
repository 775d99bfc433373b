"""What scenarios begin with: a ModelDeployment with short stages, a world in which it serves."""

from __future__ import annotations

from typing import Any

from serinus.api.traffic import RoutingApi
from serinus.core.model.kinds import Json
from tests.support.world.kubelet import Model
from tests.support.world.platform import ROUTING
from tests.support.world.world import World

STEPS: list[Json] = [
    {"setWeight": 10},
    {"pause": {"duration": "10s"}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
]
HALF: list[Json] = [{"setWeight": 50}, {"pause": {}}]
"""Half of the traffic, until a person says more."""
ERROR_RATE: Json = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}}


HOST = "fraud.example.com"


def routed_by(api: RoutingApi, *hosts: str) -> Json:
    """The traffic section by which requests for some hosts come through Gateway `public`."""
    wanted: Json = {"hosts": list(hosts or (HOST,))}
    if api is RoutingApi.ISTIO:
        return {**wanted, "istio": {"gateways": ["public"]}}
    return {**wanted, "provider": "gatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "public"}]}}


def fraud(version: str, *, steps: list[Json] | None = None, analysis: Json | None = None, **spec: Any) -> Json:
    """A ModelDeployment with short stages: 10 %, 50 %, 100 %, ten seconds each, a guard of twenty."""
    manifest: Json = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud", "namespace": "ml"},
        "spec": {
            "model": {"version": version, "storageUri": f"pvc://models/fraud/{version}"},
            "runtime": {"image": "triton:1"},
            "scaling": {"minReplicas": 4},
            "traffic": routed_by(ROUTING.get()),
            "strategy": {"canary": {"steps": steps or STEPS}},
            "analysis": {"interval": "1s", "mode": "Threshold", "metrics": [ERROR_RATE], **(analysis or {})},
            "guard": {"duration": "20s"},
            "progressDeadlineSeconds": 60,
            "revisionHistoryLimit": 10,
        },
    }
    manifest["spec"].update(spec)
    return manifest


async def serving(version: str = "1", *, world: World | None = None, **spec: Any) -> World:
    """A world in which a first version serves."""
    world = world or World()
    world.models.setdefault(version, Model())
    world.commit(fraud(version, **spec))
    await world.until(lambda w: w.phase == "Succeeded")
    return world


async def trying(version: str = "2", *, at: int = 10, model: Model | None = None, **spec: Any) -> World:
    """A world in which version 1 serves and another one has its first, or a later, weight."""
    world = await serving(**spec)
    world.models[version] = model or Model()
    world.commit(fraud(version, **spec))
    await world.until(lambda w: w.tried == version and w.routed.get(version) == at)
    return world
