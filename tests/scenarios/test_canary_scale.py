"""setCanaryScale: more pods than the weight needs, for as long as the steps say so."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.exposure import NOTHING
from serinus.core.model.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Json
from serinus.core.rollout.sizes import canary_replicas
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import ERROR_RATE

THREE: Json = {"setCanaryScale": {"replicas": 3}}
MATCH: Json = {"setCanaryScale": {"matchTrafficWeight": True}}
COHORT: Json = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}
UNTIL_PROMOTED: Json = {"pause": {}}
SHORT: Json = {"pause": {"duration": "10s"}}
WALK: list[Json] = [THREE, {"setWeight": 10}, SHORT, MATCH, SHORT, {"setWeight": 50}, SHORT]
AT_TEN: list[Json] = [THREE, {"setWeight": 10}, UNTIL_PROMOTED]


class PodWatch(Watchdog):
    """The invariants, and one more: the canary never has fewer pods than its weight needs."""

    def each_second(self) -> None:
        super().each_second()
        weight = self.world.routed.get("2", 0)
        if weight and self.world.tried == "2" and not self.world.state.get("settledAt"):
            assert asked_for(self.world) >= canary_replicas(weight, 4)


async def scaling(model: Model | None = None, *, steps: list[Json], **spec: Any) -> World:
    """A world in which version 1 serves on four pods, and version 2 has just been committed."""
    world = await serving(steps=steps, **spec)
    PodWatch(world)
    world.models["2"] = model or Model()
    world.commit(fraud("2", steps=steps, **spec))
    await world.tick()
    return world


async def at_ten(model: Model | None = None, *, steps: list[Json] = AT_TEN, **spec: Any) -> World:
    """The same, once version 2 has three pods and a tenth of the requests."""
    world = await scaling(model, steps=steps, **spec)
    await world.until(lambda w: w.routed.get("2") == 10)
    assert len(world.ready("2")) == 3
    return world


def asked_for(world: World) -> int:
    """The pods that version 2 shall have; none without a Deployment."""
    deployment = world.api.find(DEPLOYMENT, world.revision("2"))
    return int(deployment["spec"]["replicas"]) if deployment else 0


def scaled(world: World) -> list[str]:
    """The scales that the newest rollout has reached, as its record tells them."""
    return [one["message"] for one in world.state["decisions"] if one["action"] == "Scaled"]


async def test_three_pods_are_ready_before_anybody_sees_the_canary() -> None:
    """A cohort of premium users that one pod could not carry."""
    world = await scaling(Model(seconds_to_load=6), steps=[THREE, COHORT, UNTIL_PROMOTED])
    await world.until(lambda w: len(w.pods("2")) == 3)
    await world.run(3)
    assert world.split is not None
    assert world.split.exposure_of(world.revision("2")) == NOTHING
    assert (world.phase, world.reason) == ("Pending", "CanaryNotReady")
    assert world.state["message"] == "0 of 3 canary pods are ready for setCanaryScale replicas 3"
    await world.until(lambda w: w.state.get("exposure") == "x-tier=premium", limit=10)
    assert len(world.ready("2")) == 3
    assert scaled(world) == ["setCanaryScale replicas 3"]
    told = [event[1:] for event in world.events]
    assert told.count(("CanaryScaled", "Version 2 at 0%: setCanaryScale replicas 3")) == 1


async def test_a_scale_alone_is_no_exposure() -> None:
    """Three pods stand ready, nobody asks them, and nothing is judged."""
    world = await scaling(steps=[THREE, UNTIL_PROMOTED, {"setWeight": 50}])
    await world.run(60)
    assert (world.phase, world.reason) == ("Paused", "AwaitingPromotion")
    assert (world.weight, world.state["exposure"], world.state.get("stageStartedAt")) == (0, "0%", None)
    assert "verdict" not in world.state
    assert len(world.ready("2")) == 3
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.routed.get("2") == 50, limit=10)


async def test_the_walk_with_a_scale_ends_with_the_pods_of_minreplicas() -> None:
    """Three at 10 %, one once they match the weight, two at 50 %, four at 100 %."""
    world = await at_ten(steps=WALK)
    await world.until(lambda w: len(w.pods("2")) == 1, limit=30)
    assert world.routed["2"] == 10
    assert scaled(world) == ["setCanaryScale replicas 3", "setCanaryScale matchTrafficWeight"]
    await world.until(lambda w: w.routed["2"] == 50, limit=60)
    assert len(world.ready("2")) == 2
    await world.until(lambda w: w.phase == "Guarding", limit=60)
    assert len(world.ready("2")) == 4
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    await world.run(10)
    assert (len(world.pods("2")), len(world.pods("1"))) == (4, 0)
    assert world.lost == 0


@pytest.mark.parametrize(
    ("scale", "pods"),
    [
        pytest.param({"replicas": 1}, 2, id="a small one leaves the weight its pods"),
        pytest.param({"weight": 75}, 3, id="a share of minReplicas"),
        pytest.param({"replicas": 6}, 6, id="more than minReplicas"),
    ],
)
async def test_the_pods_are_those_of_the_weight_or_of_the_scale(scale: Json, pods: int) -> None:
    """Whichever are more, up to the end of the guard; the promoted revision has its full size all the same."""
    world = await scaling(steps=[{"setCanaryScale": scale}, {"setWeight": 50}, SHORT])
    await world.until(lambda w: w.routed.get("2") == 50)
    assert len(world.ready("2")) == pods
    await world.until(lambda w: w.phase == "Guarding", limit=60)
    assert len(world.ready("2")) == max(4, pods)
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    await world.run(10)
    assert len(world.pods("2")) == 4


async def test_a_scale_in_mid_stage_changes_pods_and_nothing_else() -> None:
    """The stage goes on: its time, its verdict and its weight are what they were."""
    world = await scaling(steps=[{"setWeight": 10}, SHORT, THREE, UNTIL_PROMOTED])
    await world.until(lambda w: w.routed.get("2") == 10)
    began = world.state["stageStartedAt"]
    await world.until(lambda w: w.reason == "AwaitingPromotion", limit=30)
    assert len(world.ready("2")) == 3
    assert (world.state["stageStartedAt"], world.state["verdict"], world.routed["2"]) == (began, "Safe", 10)


async def test_the_pods_of_a_scale_start_before_the_pause_is_over() -> None:
    """Loading takes six seconds; the step waits for none of them."""
    world = await scaling(Model(seconds_to_load=6), steps=[{"setWeight": 10}, SHORT, THREE, UNTIL_PROMOTED])
    await world.until(lambda w: w.routed.get("2") == 10)
    assert await world.until(lambda w: w.reason == "AwaitingPromotion", limit=30) <= 12


async def test_a_bad_version_is_taken_back_while_it_is_scaled() -> None:
    """All of its pods go once their requests are answered, those of the scale with them."""
    world = await at_ten(Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed == {"1": 100}
    assert asked_for(world) == 3, "they go after the drain, and not one by one before"
    await world.run(20)
    assert not world.pods("2")
    assert world.lost == 0


async def test_paused_holds_the_step_and_its_pods_start_all_the_same() -> None:
    """As it is with a weight."""
    world = await scaling(Model(seconds_to_load=8), steps=AT_TEN)
    world.lever(paused=True)
    await world.run(30)
    assert (world.phase, world.reason, world.state["stepText"]) == ("Paused", "PausedByUser", "1/3")
    assert (len(world.ready("2")), scaled(world)) == (3, [])
    world.lever(paused=False)
    await world.until(lambda w: w.routed.get("2") == 10, limit=10)


async def test_an_abort_takes_the_pods_of_a_scale() -> None:
    """While it still waits for them."""
    world = await scaling(Model(seconds_to_load=30), steps=AT_TEN)
    await world.until(lambda w: len(w.pods("2")) == 3)
    world.lever(abort=True)
    await world.run(20)
    assert (world.phase, world.routed) == ("Aborted", {"1": 100})
    assert not world.pods("2")


async def test_a_retry_scales_again() -> None:
    """Another attempt begins with the first step."""
    world = await at_ten()
    world.lever(abort=True)
    await world.run(20)
    world.lever(retry="once more")
    await world.until(lambda w: len(w.rollouts) == 3 and w.routed.get("2") == 10)
    assert len(world.ready("2")) == 3
    assert scaled(world) == ["setCanaryScale replicas 3"]


async def test_pods_that_never_load_end_the_rollout_by_its_deadline() -> None:
    """In the words of the step."""
    world = await scaling(Model(loads=False), steps=AT_TEN)
    await world.until(lambda w: w.phase == "Aborted", limit=80)
    assert world.reason == "ProgressDeadlineExceeded"
    waits = "0 of 3 canary pods are ready for setCanaryScale replicas 3"
    assert world.state["message"] == f"not ready within progressDeadlineSeconds (60): {waits}"


async def test_each_scale_has_the_whole_deadline() -> None:
    """Forty seconds for three pods, and forty for the weight after them: the deadline is sixty."""
    world = await scaling(Model(seconds_to_load=40), steps=[THREE, {"setWeight": 100}])
    await world.until(lambda w: w.phase == "Succeeded", limit=150)
    assert scaled(world) == ["setCanaryScale replicas 3"]


async def test_a_restarted_operator_keeps_the_scale() -> None:
    """From the step alone: nothing else is stored of it."""
    world = await at_ten()
    for _ in range(3):
        world.restart()
        await world.run(5)
        assert (len(world.ready("2")), world.routed["2"]) == (3, 10)
    assert scaled(world) == ["setCanaryScale replicas 3"]


async def test_promoted_in_full_it_has_the_pods_of_minreplicas() -> None:
    """The steps are passed over, and the scale with them."""
    world = await scaling(steps=[{"setCanaryScale": {"replicas": 6}}, {"setWeight": 10}, UNTIL_PROMOTED])
    await world.until(lambda w: w.routed.get("2") == 10)
    assert len(world.ready("2")) == 6
    world.lever(promote={"full": True})
    await world.until(lambda w: w.routed.get("2") == 100, limit=10)
    await world.run(3)
    assert len(world.ready("2")) == 4
    assert world.lost == 0


async def test_a_canary_that_loses_all_its_pods_is_scaled_again() -> None:
    """Its weight goes at once, and comes back with three pods."""
    world = await at_ten(steps=[*AT_TEN[:2], {"pause": {"duration": "60s"}}])
    world.break_pods("2", 3)
    await world.until(lambda w: w.routed.get("2", 0) == 0, limit=10)
    assert (world.phase, world.state["step"]) == ("Pending", 0)
    world.kubelet.unready = set()
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)
    assert len(world.ready("2")) == 3


async def test_a_canary_that_has_lost_one_pod_of_its_scale_keeps_its_weight_and_waits_to_rise() -> None:
    """The lack is said, and ends nothing."""
    world = await at_ten(steps=[*AT_TEN[:2], SHORT, {"setWeight": 50}])
    world.break_pods("2", 1)
    await world.run(20)
    assert world.routed["2"] == 10
    assert world.condition("Degraded")["reason"] == "CanaryShort"
    assert world.state["message"] == "2 of 3 canary pods are ready for setCanaryScale replicas 3"
    world.kubelet.unready = set()
    await world.until(lambda w: w.routed["2"] == 50, limit=10)


async def test_an_autoscaler_of_the_canary_decides_and_the_step_says_what_it_needs() -> None:
    """That somebody else holds the pods back ends nothing; once it gives more, the walk goes on."""
    world = await scaling(Model(seconds_to_load=3), steps=AT_TEN)
    name = world.revision("2")
    world.api.put(
        {
            "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
            "kind": HORIZONTAL_POD_AUTOSCALER.name,
            "metadata": {"name": "theirs", "namespace": "ml"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
        }
    )
    autoscale(world, 2)
    await world.run(100)
    assert (world.phase, len(world.ready("2"))) == ("Pending", 2)
    assert world.state["message"].endswith("asks for 2, setCanaryScale needs 3")
    autoscale(world, 3)
    await world.until(lambda w: w.routed.get("2") == 10, limit=20)


def autoscale(world: World, replicas: int) -> None:
    """Set version 2's number of pods as a HorizontalPodAutoscaler does."""
    entry = {"fieldsV1": {"f:spec": {"f:replicas": {}}}, "operation": "Update", "subresource": "scale"}

    def change(deployment: Json) -> None:
        deployment["spec"]["replicas"] = replicas
        deployment["metadata"]["managedFields"] = [{"manager": "kube-controller-manager", **entry}]

    world.api.edit(DEPLOYMENT, world.revision("2"), change)


async def test_a_fix_committed_meanwhile_has_a_scale_of_its_own() -> None:
    """What is superseded goes with its pods."""
    world = await at_ten()
    world.models["3"] = Model()
    world.commit(fraud("3", steps=AT_TEN))
    await world.until(lambda w: w.tried == "3" and w.routed.get("3") == 10, limit=30)
    await world.run(10)
    assert (len(world.ready("3")), len(world.pods("2"))) == (3, 0)


async def test_a_stable_that_fails_is_replaced_whatever_the_scale() -> None:
    """What the canary has ready serves, and full size follows."""
    world = await at_ten()
    world.break_pods("1", 4)
    await world.until(lambda w: w.routed.get("2") == 100, limit=60)
    assert len(world.ready("2")) == 4


async def test_pace_evidence_is_not_held_up_by_a_scale() -> None:
    """It waits for pods, and no pause lasts."""
    pauses: Json = {"pause": {"duration": "10m"}}
    steps = [THREE, {"setWeight": 10}, pauses, MATCH, {"setWeight": 50}, pauses]
    analysis = {"mode": "Sequential", "metrics": [ERROR_RATE], "minDwell": "10s", "riskBudget": "5%"}
    strategy = {"canary": {"pace": "Evidence", "steps": steps}}
    world = await at_ten(steps=steps, strategy=strategy, analysis=analysis)
    await world.until(lambda w: w.phase == "Succeeded", limit=300)
    assert scaled(world) == ["setCanaryScale replicas 3", "setCanaryScale matchTrafficWeight"]
