"""Pods that are new are slow: their first half minute does not count for latency, and only theirs."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from serinus.runtime.watch import WARM_UP_SECONDS
from tests.support.world import KEY, World
from tests.support.world.given import ERROR_RATE, fraud, serving
from tests.support.world.kubelet import Model

LATENCY = {"name": "latency", "preset": "latency"}
STEPS = [{"setWeight": 10}, {"pause": {"duration": "45s"}}, {"setWeight": 20}, {"pause": {"duration": "45s"}}]
MORE_PODS = [{"setWeight": 10}, {"pause": {"duration": "45s"}}, {"setWeight": 60}, {"pause": {"duration": "45s"}}]


async def begun(world: World, steps: list[Json]) -> World:
    """Give version 2 its first weight."""
    spec: Json = {"steps": steps, "analysis": {"mode": "Sequential", "metrics": [ERROR_RATE, LATENCY]}}
    await serving(world=world, **spec)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10)
    return world


async def warming(steps: list[Json], seconds: float) -> dict[int, int]:
    """Count by weight the seconds in which latency was said to warm up."""
    world = await begun(World(), steps)
    seen: dict[int, int] = {}

    def note() -> None:
        for known in world.memories.of(KEY, world.deployment["metadata"]["uid"]).rollouts.values():
            found, weight = known.state.assessment, known.state.exposure.weight
            if found and weight and any("warm up" in one.message for one in found.findings):
                seen[weight] = seen.get(weight, 0) + 1

    world.after_tick = note
    await world.run(seconds)
    return seen


@pytest.mark.parametrize(
    ("steps", "weights"),
    [pytest.param(STEPS, {10}, id="the same pod"), pytest.param(MORE_PODS, {10, 60}, id="more pods")],
)
async def test_latency_warms_up_when_pods_are_new(steps: list[Json], weights: set[int]) -> None:
    """Four pods carry all of it, so 20 % is still for one of them, and 60 % for three."""
    seen = await warming(steps, 120)
    assert {weight for weight in seen if weight < 100} == weights
    assert all(count <= WARM_UP_SECONDS + 2 for count in seen.values())


async def test_a_metric_without_a_limit_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no histogram of the canary's latency, and no limit to be within: the weight stays."""
    world = World()
    monkeypatch.setattr(world.prometheus, "_buckets", lambda query: ())
    await begun(world, STEPS)
    await world.run(180)
    assert world.routed["2"] == 10
    assert world.state["verdict"] == "Undecided"
    assert "latency" in world.state["message"]
