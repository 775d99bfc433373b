"""What a pipeline and an SRE read: conditions by kstatus' rules, Events, the record of decisions."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.scenarios.phases import PHASES, Build, in_every_phase
from tests.support.kstatus import kstatus
from tests.support.world import Model, World, fraud, serving, trying

HEALTH = {
    "idle": "Current",
    "pending": "InProgress",
    "progressing": "InProgress",
    "paused": "InProgress",
    "guarding": "InProgress",
    "succeeded": "Current",
    "reverted": "Failed",
}


@pytest.mark.parametrize("phase", PHASES)
async def test_kstatus_reads_the_model_deployment_as_the_pipeline_should(phase: str) -> None:
    """It waits while a rollout runs, goes red on a reject, green on success."""
    world = await PHASES[phase]()
    assert kstatus(world.deployment) == HEALTH[phase]


@pytest.mark.parametrize("phase", PHASES)
async def test_kstatus_reads_the_rollout_likewise(phase: str) -> None:
    """The same words on both objects."""
    world = await PHASES[phase]()
    assert kstatus(world.rollout) == HEALTH[phase]


async def test_kstatus_does_not_wait_for_a_superseded_rollout() -> None:
    """It is over, and nobody failed."""
    world = await trying()
    world.commit(fraud("1"))
    await world.run(10)
    assert world.phase == "Superseded"
    assert kstatus(world.rollout) == "Current"


async def test_a_commit_is_in_progress_before_we_have_seen_it() -> None:
    """`observedGeneration` is behind."""
    world = await serving()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    assert kstatus(world.deployment) == "InProgress"


@in_every_phase
async def test_the_generation_is_observed_in_every_phase(build: Build) -> None:
    """Of both objects, and of their conditions."""
    world = await build()
    for manifest in (world.deployment, world.rollout):
        generation = manifest["metadata"]["generation"]
        assert manifest["status"]["observedGeneration"] == generation
        assert {one["observedGeneration"] for one in manifest["status"]["conditions"]} == {generation}


async def test_a_condition_keeps_the_time_of_its_last_transition() -> None:
    """Words may change, the time moves only with the status."""
    world = await serving()
    ready = world.condition("Ready")["lastTransitionTime"]
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    assert world.condition("Ready")["lastTransitionTime"] == ready


async def test_ready_goes_with_the_pods_of_stable() -> None:
    """No pod of what serves is ready: that is not Ready, whatever the canary does."""
    world = await serving()
    world.break_pods("1", 4)
    await world.run(3)
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Ready")["reason"] == "StableNotReady"
    assert world.condition("Degraded")["status"] == "True"


async def test_events_of_a_good_rollout_tell_its_story_once() -> None:
    """No Event for a look that says nothing new."""
    world = await serving()
    world.events.clear()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    told = [reason for _, reason, _ in world.events]
    assert [one for one in told if one in {"WeightRaised", "RolloutGuarding", "RolloutSucceeded"}] == [
        "WeightRaised",
        "WeightRaised",
        "WeightRaised",
        "RolloutGuarding",
        "RolloutSucceeded",
    ]
    assert told[0] == "RolloutStarted"
    assert max(Counter((about, reason, text) for about, reason, text in world.events).values()) == 1
    assert len(told) <= 12


async def test_the_event_of_a_revert_answers_why() -> None:
    """Metric, value, limit, baseline."""
    world = await trying(model=Model(error_rate=0.2))
    await world.until(lambda w: w.phase == "Reverted")
    text = next(text for _, reason, text in world.events if reason == "RolloutReverted")
    assert "error-rate is 20%" in text
    assert "limit max 5%" in text
    assert "stable 0%" in text


async def test_a_long_outage_is_one_event_and_one_record() -> None:
    """With first time, last time and count."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "10m"}}])
    await world.run(3)
    world.events.clear()
    world.prometheus.reachable = False
    await world.run(120)
    assert [reason for _, reason, _ in world.events] == ["Unreachable"]
    blind = [one for one in world.state["decisions"] if one.get("verdict") == "Blind"]
    assert len(blind) == 1
    assert blind[0]["firstTime"] < blind[0]["lastTime"]
    assert blind[0]["count"] > 30


async def test_the_record_is_bounded_and_keeps_what_reverted() -> None:
    """Flapping reasons push out old holds, never the one that took the weight."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {}}])
    for second in range(120):
        world.prometheus.reachable = second % 4 < 2
        await world.tick()
    assert 5 < len(world.state["decisions"]) <= 20
    world.prometheus.reachable = True
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    taken = [one for one in world.state["decisions"] if one["action"] == "Taken"]
    assert [one["metric"] for one in taken] == ["error-rate"]


async def test_the_record_holds_decisions_and_no_passing_of_time() -> None:
    """A pause before its first look has decided nothing."""
    world = await trying()
    await world.until(lambda w: w.phase == "Succeeded")
    reasons = {one["reason"] for one in world.state["decisions"]}
    assert not reasons & {"Pausing", "Guarding", "StageBegan"}
    assert {"WeightRaised", "WithinLimits", "Succeeded"} <= reasons


async def test_kubectl_get_shows_what_serves_and_what_is_tried() -> None:
    """The fields behind the printer columns."""
    world = await trying(at=50)
    await world.run(3)
    status = world.status
    assert status["serving"].startswith("1@")
    assert status["canaryVersion"].startswith("2@")
    assert (status["weight"], status["phase"], status["verdict"]) == (50, "Progressing", "Safe")
    assert status["stable"]["readyReplicas"] == 4
    assert world.state["stepText"] == "4/4"


async def test_a_world_without_a_model_deployment_is_quiet() -> None:
    """Nothing to do, nothing done."""
    world = World()
    await world.run(10)
    assert world.api.writes == []
