"""A bad canary while stable's pods are broken: it is taken back as far as stable can carry, pod by pod."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.world import Model, World, fraud, serving, trying

pytestmark = WITH_EACH_API


async def bad_canary(*, at: int, unready: int) -> World:
    """A canary with weight whose answers are errors, and a number of stable pods that are not ready."""
    world = await trying(at=at)
    world.break_pods("1", unready)
    await world.tick()
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    return world


@pytest.mark.parametrize(
    ("unready", "kept"),
    [
        pytest.param(0, 0, id="all pods ready"),
        pytest.param(1, 0, id="one of four unready"),
        pytest.param(2, 0, id="half of them carry everything"),
        pytest.param(3, 50, id="a quarter carries half"),
        pytest.param(4, 100, id="none carries nothing"),
    ],
)
async def test_stable_takes_what_it_can_carry_in_the_same_pass(unready: int, kept: int) -> None:
    """Twice the share of its pods that are ready."""
    world = await bad_canary(at=100, unready=unready)
    assert world.routed["1"] == 100 - kept
    assert world.weight == kept


async def test_a_small_canary_is_not_raised_by_a_broken_stable() -> None:
    """The weight that stays is at most the weight that was."""
    world = await bad_canary(at=10, unready=4)
    assert world.routed == {"1": 90, "2": 10}


async def test_the_rest_follows_pod_by_pod() -> None:
    """Each pod that comes takes its share, until nothing is left."""
    world = await bad_canary(at=100, unready=4)
    seen = [world.weight]
    for unready in (3, 2):
        world.break_pods("1", unready)
        await world.run(2)
        seen.append(world.weight)
    assert seen == [100, 50, 0]
    assert world.routed == {"1": 100}
    assert world.state["settledAt"] is not None


async def test_a_condition_says_what_stays_and_why() -> None:
    """An SRE sees it without a manual."""
    world = await bad_canary(at=100, unready=4)
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "StableNotReady")
    assert "0 of 4 pods of version 1 are ready" in degraded["message"]
    assert "100% stay on the canary" in degraded["message"]


async def test_pods_that_fail_again_give_the_canary_nothing_back() -> None:
    """The weight of an ended rollout only falls."""
    world = await bad_canary(at=100, unready=3)
    assert world.weight == 50
    world.break_pods("1", 4)
    await world.run(5)
    assert world.weight == 50


async def test_a_commit_that_waits_for_the_way_back_is_told_so() -> None:
    """Stable has no pod, so the bad canary keeps its weight, and nothing new may start."""
    world = await bad_canary(at=100, unready=4)
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.run(2)
    reconciling = world.condition("Reconciling")
    assert reconciling["status"] == "True"
    assert "version 3 waits until version 1 has taken the weight back" in reconciling["message"]
    world.break_pods("1", 0)
    await world.until(lambda w: w.tried == "3", limit=10)
    assert "waits until" not in world.condition("Reconciling")["message"]


async def test_the_reverting_record_outlives_all_that_follow() -> None:
    """It says metric, value, limit, baseline, samples and time."""
    world = await bad_canary(at=100, unready=4)
    for unready in (3, 2):
        world.break_pods("1", unready)
        await world.run(3)
    record = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    assert record["verdict"] == "Unsafe"
    assert record["metric"] == "error-rate"
    assert record["limit"] == "max 5%"
    assert record["value"].endswith("%")
    assert record["samples"] >= 20
    assert record["firstTime"]
    assert "istio_requests_total" in record["query"]


@pytest.mark.parametrize("at", [10, 50, 100])
@pytest.mark.parametrize("seen", [True, False], ids=["metrics answer", "metrics say nothing"])
async def test_a_canary_that_loses_its_pods_loses_its_weight_and_nothing_else(at: int, seen: bool) -> None:
    """A drained node is no verdict: it goes back to Pending, and walks again when its pods are back."""
    world = await trying(at=at)
    world.prometheus.scrapes = seen
    world.break_pods("2", 4)
    await world.until(lambda w: w.routed.get("2") == 0, limit=3)
    assert (world.phase, world.reason) == ("Pending", "CanaryNotReady")
    assert world.lost <= world.requests_per_second * 2
    world.break_pods("2", 0)
    world.prometheus.scrapes = True
    await world.until(lambda w: w.phase == "Succeeded", limit=120)
    assert world.routed == {"2": 100}


async def test_a_bad_canary_in_the_guard_window_goes_all_the_way_back() -> None:
    """The previous revision has kept its full size."""
    world = await trying(at=100)
    await world.run(5)
    assert len(world.ready("1")) == 4
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=5)
    assert world.routed == {"1": 100}
    assert world.lost == 0


async def test_a_revert_goes_on_although_other_writes_are_refused() -> None:
    """Status and route are all that it takes."""
    from serinus.core.model.kinds import CONTROLLER_REVISION, DEPLOYMENT, DESTINATION_RULE, SERVICE

    world = await trying(at=50)
    world.api.refuse = {DEPLOYMENT, SERVICE, DESTINATION_RULE, CONTROLLER_REVISION}
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert world.phase == "Reverted"


async def test_a_new_spec_that_cannot_be_recorded_does_not_block_a_revert() -> None:
    """Its ControllerRevision is refused, by a quota for example; the bad canary goes back all the same."""
    from serinus.core.model.kinds import CONTROLLER_REVISION

    world = await trying(at=50)
    world.api.refuse = {CONTROLLER_REVISION}
    world.models |= {"3": Model()}
    world.commit(fraud("3"))
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.routed.get("1") == 100, limit=10)
    assert world.condition("Stalled")["reason"] == "RevisionNotRecorded"


async def test_the_deadline_counts_only_the_time_that_the_canary_waits_for_pods() -> None:
    """Pauses, blindness and an SRE's pause are outside it."""
    world = await trying(progressDeadlineSeconds=15)
    world.lever(paused=True)
    await world.run(30)
    world.lever(paused=False)
    world.prometheus.reachable = False
    await world.run(30)
    assert world.phase in {"Progressing", "Paused"}


async def in_a_long_pause() -> World:
    """The canary's two pods serve half of the requests, and it waits for people."""
    return await trying(at=50, steps=[{"setWeight": 50}, {"pause": {}}], progressDeadlineSeconds=15)


async def lose_a_pod(world: World, *, seconds: float) -> None:
    """One of the canary's pods is unready for a time."""
    world.break_pods("2", 1)
    await world.run(seconds)
    world.kubelet.unready = set()
    await world.run(4)


async def test_short_outages_in_a_long_pause_do_not_add_up_to_the_deadline() -> None:
    """Nothing waits for the pods there."""
    world = await in_a_long_pause()
    for _ in range(5):
        await lose_a_pod(world, seconds=8)
    assert world.phase == "Paused"
    assert world.state.get("waitedSeconds", 0) == 0


async def test_a_canary_that_serves_is_not_ended_for_a_pod_that_it_has_lost() -> None:
    """In a pause no rise waits for it: what its other pods bear is for the metrics to say."""
    world = await in_a_long_pause()
    await lose_a_pod(world, seconds=120)
    assert world.phase == "Paused"
    assert world.routed["2"] > 0


async def test_the_deadline_aborts_a_canary_that_never_loads() -> None:
    """No request is lost, and the pair is rejected."""
    world = await serving()
    world.models["2"] = Model(loads=False)
    world.commit(fraud("2"))
    took = await world.until(lambda w: w.phase == "Aborted", limit=70)
    assert 59 <= took <= 62
    assert world.reason == "ProgressDeadlineExceeded"
    assert "0 of 1 canary pods are ready" in world.state["message"]
    assert world.lost == 0
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    await world.run(10)
    assert not world.pods("2")


async def test_a_revert_does_not_wait_for_the_events_of_a_pod() -> None:
    """The API server answers writes, and leaves a LIST hanging; the diagnosis comes when it comes."""
    world = await trying(at=50)
    answer, listed = asyncio.Event(), world.api.list

    async def slow(*given: Any, **named: Any) -> list[Json]:
        await answer.wait()
        return await listed(*given, **named)

    world.api.list = slow  # type: ignore[method-assign]
    world.break_pods("1", 1)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=5)
    assert world.routed["1"] == 100
    answer.set()
    await world.run(2)
