"""The way back has room, and so has the way up: pods are where traffic may go."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.support.world import Model, fraud, serving, trying

SCALED_BY_HAND = [pytest.param(0, id="to zero"), pytest.param(1, id="to one")]


@pytest.mark.parametrize("at", [10, 100])
async def test_a_raise_of_minreplicas_ends_no_canary_that_serves(at: int) -> None:
    """The cluster has room for four pods, twelve are asked for: what was enough for the stage is enough."""
    steps = [{"setWeight": 10}, {"pause": {"duration": "5m"}}] if at == 10 else None
    policy: dict[str, Any] = {"guard": {"duration": "5m"}, "steps": steps}
    world = await trying(at=at, **policy)
    await world.run(3)
    pods_of = world.kubelet._pods_of

    def crowded(deployment: Json) -> None:
        room = min(4, deployment["spec"]["replicas"])
        pods_of({**deployment, "spec": {**deployment["spec"], "replicas": room}})

    world.kubelet._pods_of = crowded  # type: ignore[method-assign]
    world.commit(fraud("2", **policy, scaling={"minReplicas": 12}))
    await world.run(90)
    assert world.phase in {"Guarding", "Progressing"}
    assert world.routed["2"] == at
    assert world.status["rejected"] == []


async def test_stable_keeps_what_carried_its_traffic_until_the_rollout_is_over() -> None:
    """minReplicas is lowered in the guard; a revert still finds four pods."""
    world = await trying(at=100, guard={"duration": "2m"})
    world.commit(fraud("2", guard={"duration": "2m"}, scaling={"minReplicas": 1}))
    await world.run(10)
    assert len(world.ready("1")) == 4
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.routed.get("1") == 100, limit=5)
    assert world.lost == 0


async def test_the_pods_of_the_next_weight_are_there_when_the_pause_ends() -> None:
    """Loading takes six seconds; the step from 10 to 50 waits for none of them."""
    world = await trying(at=10, model=Model(seconds_to_load=6))
    assert await world.until(lambda w: w.routed.get("2") == 50, limit=30) <= 12


async def test_an_ended_walk_leaves_nothing_oversized() -> None:
    """Nobody scaled anything: the promoted revision has minReplicas."""
    world = await serving()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.tried == "2" and w.phase == "Succeeded")
    await world.run(10)
    assert len(world.pods("2")) == 4
    assert not world.pods("1")
