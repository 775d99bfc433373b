"""Stable is broken, and something better is committed: nothing stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import CONTROLLER_REVISION, DEPLOYMENT, POD, Json
from serinus.core.plan.revisions import SUCCEEDED_ANNOTATION
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import ERROR_RATE, STEPS

SEQUENTIAL: Json = {"analysis": {"mode": "Sequential", "metrics": [ERROR_RATE]}}
EVIDENCE: Json = {
    "analysis": {"mode": "Sequential", "minDwell": "10s", "riskBudget": "5%", "metrics": [ERROR_RATE]},
    "strategy": {"canary": {"steps": STEPS, "pace": "Evidence"}},
}
MODES = pytest.mark.parametrize("policy", [{}, SEQUENTIAL, EVIDENCE], ids=["Threshold", "Sequential", "Evidence"])


async def failing_stable(rate: float, **policy: Any) -> World:
    """Version 1 serves, and fails a share of its requests."""
    world = await serving(**policy)
    world.models["1"].error_rate = rate
    await world.run(30)
    return world


def fix(world: World, **policy: Any) -> None:
    """Commit a version that fails nothing."""
    world.models["2"] = Model()
    world.commit(fraud("2", **policy))


@MODES
@pytest.mark.parametrize("rate", [0.06, 0.5, 1.0])
async def test_a_fix_walks_past_a_stable_that_is_over_its_limit(rate: float, policy: Json) -> None:
    """A canary that is within its limits needs no excuse, and is held by nobody else's fault."""
    world = await failing_stable(rate, **policy)
    fix(world, **policy)
    await world.until(lambda w: w.tried == "2" and w.phase == "Succeeded", limit=200)


@MODES
@pytest.mark.parametrize("metrics", [True, False], ids=["metrics answer", "metrics are down"])
async def test_a_fix_gets_everything_at_once_when_stable_has_no_pod(policy: Json, metrics: bool) -> None:
    """Ten seconds without a ready pod: nobody else could answer."""
    world = await serving(**policy)
    world.break_pods("1", 4)
    await world.run(30)
    world.prometheus.reachable = metrics
    fix(world, **policy)
    took = await world.until(lambda w: w.routed.get("2") == 100, limit=30)
    assert took <= 15
    raised = next(one for one in world.state["decisions"] if one["action"] == "Raised")
    assert raised["reason"] == "StableFailing"


async def test_a_walk_under_way_is_cut_short_when_stable_dies() -> None:
    """The canary has a tenth of the traffic when all pods of stable are lost."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "1h"}}])
    world.break_pods("1", 4)
    await world.until(lambda w: w.routed.get("2") == 100, limit=20)
    assert world.phase == "Guarding"


async def test_the_canary_takes_over_pod_by_pod() -> None:
    """There is room for two of four: half of the traffic is answered."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "1h"}}])
    pods_of = world.kubelet._pods_of

    def crowded(deployment: Json) -> None:
        room = min(2, deployment["spec"]["replicas"])
        pods_of({**deployment, "spec": {**deployment["spec"], "replicas": room}})

    world.break_pods("1", 4)
    world.kubelet._pods_of = crowded  # type: ignore[method-assign]
    await world.run(20)
    assert world.routed == {"1": 50, "2": 50}
    assert world.reason == "StableFailing"
    world.kubelet._pods_of = pods_of  # type: ignore[method-assign]
    await world.until(lambda w: w.routed.get("2") == 100, limit=10)


async def test_a_short_gap_in_stables_readiness_moves_nothing() -> None:
    """Five seconds are a restart."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "1h"}}])
    world.break_pods("1", 4)
    await world.run(5)
    world.break_pods("1", 0)
    await world.run(20)
    assert world.routed == {"1": 90, "2": 10}


async def test_a_bad_canary_is_no_fix() -> None:
    """Stable has no pod, the canary fails every request: it is Unsafe, and keeps only what it had."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "1h"}}])
    world.models["2"].error_rate = 1.0
    world.break_pods("1", 4)
    await world.run(30)
    assert world.phase == "Reverted"
    assert world.routed == {"1": 90, "2": 10}


async def dead_stable_and_a_third_commit() -> World:
    """Version 1 serves, version 2 has a tenth of the traffic, all pods of 1 die, and 3 is committed."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {}}])
    world.break_pods("1", 4)
    await world.run(2)
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.tried == "3", limit=20)
    return world


async def test_a_version_with_pods_replaces_one_that_has_none() -> None:
    """The next rollout starts from the superseded canary, which serves meanwhile."""
    world = await dead_stable_and_a_third_commit()
    assert world.rollout["spec"]["from"]["version"] == "2"
    assert world.routed["2"] == 100
    await world.until(lambda w: w.phase == "Succeeded", limit=120)
    assert world.routed == {"3": 100}


async def test_what_serves_only_because_nothing_else_can_has_not_succeeded() -> None:
    """It gets no success mark, and is gone back to all the same."""
    world = await dead_stable_and_a_third_commit()
    await world.until(lambda w: w.routed.get("3") == 10, limit=30)
    world.models["3"].error_rate = 1.0
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    await world.run(10)
    assert world.routed == {"2": 100}
    revision = world.api.find(CONTROLLER_REVISION, world.revision("2"))
    assert revision is not None
    assert SUCCEEDED_ANNOTATION not in (revision["metadata"].get("annotations") or {})


async def test_a_fix_replaces_a_bad_version_that_serves_because_stable_is_dead() -> None:
    """Version 2 was reverted at 100 % and keeps it, as version 1 has no pod: version 3 does not wait for version 1."""
    world = await trying(at=100)
    world.break_pods("1", 4)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.tried == "3" and w.phase == "Succeeded", limit=150)
    assert world.routed == {"3": 100}


async def test_a_rollout_settles_when_nothing_is_left_of_stable() -> None:
    """Its ControllerRevision and its Deployment are gone."""
    world = await trying(at=50)
    revision = world.revision("1")
    for kind in (CONTROLLER_REVISION, DEPLOYMENT):
        world.api.remove(kind, "ml", revision)
    for pod in world.pods("1"):
        world.api.remove(POD, "ml", pod["metadata"]["name"])
    world.models["2"].error_rate = 0.5
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.until(lambda w: w.tried == "3" and w.phase == "Succeeded", limit=200)
    assert world.routed == {"3": 100}


async def test_a_wiped_status_sends_nothing_to_pods_that_are_not_there() -> None:
    """In the guard, with every pod of stable unready."""
    world = await trying(at=100)
    world.break_pods("1", 4)
    await world.run(2)
    world.wipe_status(world.rollout)
    await world.run(20)
    assert world.routed == {"1": 0, "2": 100}
    assert world.lost == 0


async def test_a_wiped_status_starts_again_from_nothing_where_stable_can_serve() -> None:
    """The safe place to be lost in."""
    world = await trying(at=50)
    world.wipe_status(world.rollout)
    await world.tick()
    assert world.routed["2"] <= 10
    assert world.route is not None
    assert world.api.find(DEPLOYMENT, world.revision("1")) is not None


@pytest.mark.parametrize("rate", [0.3, 1.0])
async def test_a_canary_that_is_clearly_better_than_a_failing_stable_rises_without_pauses(rate: float) -> None:
    """Every pause is an hour; the reason says why nobody waits."""
    steps = [step for weight in (10, 50) for step in ({"setWeight": weight}, {"pause": {"duration": "1h"}})]
    policy: Json = {**SEQUENTIAL, "steps": steps}
    world = await failing_stable(rate, **policy)
    fix(world, **policy)
    await world.until(lambda w: w.tried == "2" and w.phase == "Guarding", limit=900)
    raised = [one for one in world.state["decisions"] if one["action"] == "Raised"]
    assert [one["reason"] for one in raised] == ["WeightRaised", "StableFailing", "StableFailing"]
    assert "stable is over its limit and the canary is clearly better: error-rate is 0%" in raised[-1]["message"]


async def test_a_pause_without_an_end_still_waits_for_people() -> None:
    """However bad stable is: somebody wanted to decide."""
    steps = [{"setWeight": 50}, {"pause": {}}]
    policy: Json = {**SEQUENTIAL, "steps": steps}
    world = await failing_stable(1.0, **policy)
    fix(world, **policy)
    await world.run(600)
    assert (world.tried, world.routed.get("2"), world.phase) == ("2", 50, "Paused")


async def test_a_canary_no_better_than_a_failing_stable_waits_out_its_pauses() -> None:
    """Both fail a tenth of their requests."""
    policy: Json = {**SEQUENTIAL, "steps": [{"setWeight": 50}, {"pause": {"duration": "1h"}}]}
    world = await failing_stable(0.1, **policy)
    world.models["2"] = Model(error_rate=0.1)
    world.commit(fraud("2", **policy))
    await world.run(600)
    assert (world.tried, world.routed.get("2")) == ("2", 50)
