"""The very first revision: nobody else could answer, so nothing is compared."""

from __future__ import annotations

from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud

pytestmark = WITH_EACH_API

PROBE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}]}


def with_probe(version: str) -> dict[str, object]:
    return {"version": version, "storageUri": f"pvc://models/fraud/{version}", "probe": PROBE}


async def test_nothing_is_routed_before_the_first_revision_is_ready() -> None:
    """A route to nothing would answer 503 with an air of authority."""
    world = World()
    world.models["1"] = Model(seconds_to_load=10)
    world.commit(fraud("1"))
    await world.run(5)
    assert world.routed == {}
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Serving")["reason"] == "NothingServes"


async def test_a_first_revision_that_never_loads_is_waited_for() -> None:
    """There is nothing to go back to: its deadline rejects nothing, and it serves as soon as it can."""
    world = World()
    world.models["1"] = Model(loads=False)
    world.commit(fraud("1"))
    await world.run(120)
    assert (world.phase, world.reason) == ("Pending", "CanaryNotReady")
    assert world.condition("Stalled")["reason"] == "ProgressDeadlineExceeded"
    assert world.condition("Ready")["status"] == "False"
    assert world.status["rejected"] == []
    world.models["1"].loads = True
    await world.until(lambda w: w.phase == "Succeeded", limit=10)
    assert world.condition("Stalled")["status"] == "False"


async def test_a_fixed_revision_replaces_a_first_one_that_never_loads() -> None:
    """Before its deadline: it is superseded, and the fixed one is the first."""
    world = World()
    world.models |= {"1": Model(loads=False), "2": Model()}
    world.commit(fraud("1"))
    await world.run(10)
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded", limit=30)
    assert world.routed == {"2": 100}
    assert "from" not in world.rollout["spec"]
    await world.run(10)
    assert not world.pods("1")


async def test_a_fixed_revision_follows_a_first_one_long_after_its_deadline() -> None:
    """Nobody has to retry anything."""
    world = World()
    world.models |= {"1": Model(loads=False), "2": Model()}
    world.commit(fraud("1"))
    await world.run(120)
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded", limit=30)
    assert world.routed == {"2": 100}
    assert world.condition("Stalled")["status"] == "False"


async def test_the_sample_request_is_answered_before_the_first_weight() -> None:
    """A pod that is ready and cannot infer gets nothing."""
    world = World()
    world.models["1"] = Model(answers_probe=False)
    world.commit(fraud("1", model=with_probe("1")))
    await world.run(20)
    assert world.routed == {}
    assert world.reason == "ProbeFailed"
    world.models["1"].answers_probe = True
    await world.until(lambda w: w.phase == "Succeeded", limit=10)


async def test_the_first_revision_is_served_without_any_metrics_source() -> None:
    """There is no baseline, so there is nothing to ask."""
    world = World()
    world.prometheus.reachable = False
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.until(lambda w: w.phase == "Succeeded", limit=20)
    assert world.prometheus.asked == []
