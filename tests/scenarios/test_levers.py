"""The SRE's levers: levels on the Rollout's spec, each acknowledged, none cleared by us."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import STEPS

pytestmark = WITH_EACH_API

UNTIL_PROMOTED = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {"duration": "10s"}}]


async def test_paused_holds_the_weight_for_as_long_as_it_is_true() -> None:
    """The steps go on where they stood once it is false."""
    world = await trying()
    world.lever(paused=True)
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.phase, world.reason) == ("Paused", "PausedByUser")
    assert world.state["acknowledged"] == {"paused": True}
    world.lever(paused=False)
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"2": 100}


async def test_paused_holds_even_the_first_weight() -> None:
    """A rollout that is paused before it has begun does not begin."""
    world = await serving()
    world.models["2"] = Model(seconds_to_load=5)
    world.commit(fraud("2"))
    await world.tick()
    world.lever(paused=True)
    await world.run(30)
    assert world.routed == {"1": 100, "2": 0}


async def test_an_unsafe_verdict_takes_the_weight_of_a_paused_rollout() -> None:
    """A pause protects nobody from a bad model."""
    world = await trying()
    world.lever(paused=True)
    await world.run(5)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    assert world.routed == {"1": 100}


async def test_paused_keeps_the_guard_window_open() -> None:
    """The previous revision stays warm until somebody lets go."""
    world = await trying(at=100)
    world.lever(paused=True)
    await world.run(60)
    assert world.phase == "Guarding"
    assert len(world.ready("1")) == 4
    world.lever(paused=False)
    await world.until(lambda w: w.phase == "Succeeded", limit=5)


async def test_abort_takes_the_weight_away_and_rejects_the_pair() -> None:
    """In the next pass, and for good."""
    world = await trying()
    world.lever(abort=True)
    await world.tick()
    assert (world.phase, world.reason) == ("Aborted", "AbortRequested")
    assert world.routed == {"1": 100}
    assert world.state["acknowledged"] == {"abort": True}
    assert [entry["version"] for entry in world.status["rejected"]] == ["2"]
    await world.run(60)
    assert world.routed == {"1": 100}
    assert len(world.rollouts) == 2


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda w: None, id="time"),
        pytest.param(lambda w: w.restart(), id="a restart"),
        pytest.param(lambda w: w.wipe_status(w.deployment), id="the ModelDeployment's status wiped"),
        pytest.param(lambda w: w.wipe_status(w.rollout), id="the Rollout's status wiped"),
    ],
)
async def test_abort_lasts_although_the_policy_was_edited_before(event: Callable[[World], None]) -> None:
    """Who aborts means the version, and not the policy of yesterday; yet another policy is another pair."""
    world = await trying(at=50)
    world.commit(fraud("2", guard={"duration": "7m"}))
    await world.run(5)
    world.lever(abort=True)
    await world.tick()
    event(world)
    await world.run(60)
    assert world.routed == {"1": 100}
    assert len(world.rollouts) == 2
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    world.commit(fraud("2"))
    await world.run(30)
    assert len(world.rollouts) == 2
    world.commit(fraud("2", guard={"duration": "8m"}))
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)


async def test_a_retry_goes_before_an_abort_of_an_edited_policy() -> None:
    """It asks for the policy that the spec has now."""
    world = await trying(at=50)
    world.commit(fraud("2", guard={"duration": "7m"}))
    await world.run(5)
    world.lever(abort=True)
    await world.run(10)
    world.lever(retry="again")
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)


async def test_abort_in_the_guard_window_goes_all_the_way_back() -> None:
    """The previous revision is still there."""
    world = await trying(at=100)
    world.lever(abort=True)
    await world.tick()
    assert world.routed == {"1": 100}
    assert world.lost == 0


async def test_a_pause_without_duration_waits_until_it_is_promoted() -> None:
    """`promote.throughStep` counts as the STEP column does, from 1."""
    world = await trying(steps=UNTIL_PROMOTED)
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.phase, world.reason, world.state["stepText"]) == ("Paused", "AwaitingPromotion", "2/4")
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.routed["2"] == 50, limit=10)
    assert world.state["acknowledged"] == {"promote": {"throughStep": 2}}


async def test_promoting_through_a_step_skips_pauses_and_no_verdict() -> None:
    """Without traffic the canary is Undecided, and that still holds it."""
    world = await trying()
    world.requests_per_second = 0
    world.lever(promote={"throughStep": 4})
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert world.state["verdict"] == "Undecided"


async def test_promoting_through_a_step_leaves_later_pauses_alone() -> None:
    """Step 2 is skipped, step 4 is not."""
    steps = [{"setWeight": 10}, {"pause": {"duration": "10m"}}, {"setWeight": 50}, {"pause": {"duration": "10m"}}]
    world = await trying(steps=steps)
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.routed["2"] == 50, limit=20)
    await world.run(60)
    assert world.routed == {"1": 50, "2": 50}


async def test_promote_full_goes_to_all_traffic_although_nothing_is_known() -> None:
    """Undecided and Blind do not hold it; the record says that it was the SRE's will. The guard window follows."""
    world = await trying()
    world.prometheus.reachable = False
    await world.run(10)
    world.lever(promote={"full": True})
    await world.until(lambda w: w.routed.get("2") == 100, limit=20)
    assert world.phase == "Guarding"
    assert [record["reason"] for record in world.state["decisions"] if record["action"] == "Raised"] == [
        "WeightRaised",
        "PromotedByUser",
    ]


async def test_promote_full_never_overrides_an_unsafe_verdict() -> None:
    """What is known to be bad gets no traffic from anybody."""
    world = await trying()
    world.models["2"].error_rate = 0.5
    world.lever(promote={"full": True})
    await world.run(30)
    assert world.phase == "Reverted"
    assert world.routed == {"1": 100}


async def test_promote_full_waits_for_the_pods_that_all_traffic_needs() -> None:
    """Weight never rises onto pods that are not there."""
    world = await trying(model=Model(seconds_to_load=8))
    world.lever(promote={"full": True})
    await world.run(5)
    assert world.routed == {"1": 90, "2": 10}
    await world.until(lambda w: w.routed["2"] == 100, limit=15)
    assert len(world.ready("2")) == 4


async def test_promote_full_taken_back_in_time_leaves_the_steps_as_they_were() -> None:
    """Levers are levels: what was not carried out yet is not carried out any more."""
    world = await trying(model=Model(seconds_to_load=8))
    world.lever(promote={"full": True})
    await world.run(3)
    world.lever(promote=None)
    await world.until(lambda w: w.routed["2"] > 10, limit=60)
    assert world.routed == {"1": 50, "2": 50}


async def test_retry_starts_another_attempt_at_the_rejected_pair() -> None:
    """A new Rollout with the next number; the old one says that it has seen the lever."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted")
    world.models["2"].error_rate = 0.0
    world.lever(retry="the schema is mended")
    await world.tick()
    first, second = world.rollouts[1:]
    assert second["metadata"]["name"] == first["metadata"]["name"].removesuffix("1") + "2"
    assert first["status"]["acknowledged"]["retry"] == "the schema is mended"
    assert world.status["rejected"] == []
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"2": 100}


async def test_one_retry_is_one_attempt() -> None:
    """A second failure stands until somebody writes another text."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted")
    world.lever(retry="once more")
    await world.until(lambda w: len(w.rollouts) == 3 and w.phase == "Reverted")
    await world.run(60)
    assert len(world.rollouts) == 3
    assert world.routed == {"1": 100}


async def test_a_retry_is_heard_while_the_weight_is_still_on_its_way_back() -> None:
    """No stable pod is ready, so the reverted rollout has not settled; the lever is not lost."""
    world = await trying(at=50)
    world.break_pods("1", 4)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    world.lever(retry="once more")
    await world.run(3)
    assert len(world.rollouts) == 2
    world.break_pods("1", 0)
    world.models["2"].error_rate = 0.0
    await world.until(lambda w: len(w.rollouts) == 3, limit=10)


async def test_a_retry_set_while_the_rollout_runs_starts_nothing_later() -> None:
    """It asks for another attempt at what has ended; what has not ended needs none."""
    world = await trying()
    world.lever(retry="too early")
    await world.run(3)
    assert world.state["acknowledged"] == {"retry": "too early"}
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(30)
    assert len(world.rollouts) == 2


async def test_levers_on_an_ended_rollout_are_observed_and_do_nothing() -> None:
    """`observedGeneration` follows, or kstatus would wait for ever."""
    world = await trying(model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(10)
    world.lever(paused=True, promote={"full": True})
    await world.tick()
    assert world.state["observedGeneration"] == world.rollout["metadata"]["generation"]
    await world.run(10)
    assert world.routed == {"1": 100}


async def test_a_step_list_that_ends_in_a_weight_needs_no_pause() -> None:
    """The last stage is judged like the others before 100 %."""
    world = await trying(steps=[STEPS[0], STEPS[2]])
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    raised = [record["weight"] for record in world.state["decisions"] if record["action"] == "Raised"]
    assert raised == [10, 50, 100]
