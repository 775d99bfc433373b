"""A version, or its sidecar, that measures latency in other buckets is not judged by them."""

from __future__ import annotations

from serinus.core.model.kinds import Json
from tests.support.world import World
from tests.support.world.given import ERROR_RATE, fraud, serving
from tests.support.world.kubelet import Model

LATENCY: Json = {"name": "latency", "preset": "latency"}
STEPS = [{"setWeight": 10}, {"pause": {"duration": "20s"}}, {"setWeight": 50}, {"pause": {"duration": "20s"}}]


async def with_other_buckets(**metric: object) -> World:
    """Commit a version as good as stable whose answers are counted in other buckets."""
    world = World()
    latency = {**LATENCY, **metric}
    spec: Json = {"steps": STEPS, "analysis": {"mode": "Sequential", "metrics": [ERROR_RATE, latency]}}
    await serving(world=world, **spec)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2")
    world.prometheus.layouts[world.revision("2")] = ("10", "25", "75", "100", "1000", "10000", "60000", "+Inf")
    await world.until(lambda w: w.routed.get("2") == 10)
    return world


async def test_the_weight_stays_and_the_buckets_are_named() -> None:
    """Equal versions are not reverted for it, nor raised without a comparison."""
    world = await with_other_buckets()
    await world.run(180)
    assert world.routed["2"] == 10
    assert (world.state["verdict"], world.state["reason"]) == ("Undecided", "NotComparable")
    assert (
        "latency cannot be compared: the canary has buckets at 25ms and 75ms that stable has not"
        in world.state["message"]
    )


async def test_a_metric_that_is_only_watched_holds_nothing() -> None:
    """The way that the message shows leads on."""
    world = await with_other_buckets(gating=False)
    await world.until(lambda w: w.routed.get("2") == 100)
