"""A revision is taken down when nothing is in flight, or drainSeconds are over: what is open then decides how."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import DEPLOYMENT, DESTINATION_RULE, POD, SERVICE, Json, Kind
from tests.support.world import Model, World, fraud, serving, trying

STEPS: list[Json] = [{"setWeight": 50}, {"pause": {"duration": "10s"}}]
DRAINED = 10
"""Seconds after a rollout has ended in which its other revision is taken down."""
SOON: Json = {"image": "triton:1", "drainSeconds": 2}
"""What is in flight is not waited for any longer."""


async def reverted(**streams: float) -> World:
    """Revert version 2, with some streams open at it that have answered some messages in the last minutes."""
    world = await trying(at=50, steps=STEPS, runtime=SOON)
    world.api.pods_linger = True
    revision = world.revision("2")
    world.prometheus.hold(revision, streams.get("open", 0))
    world.prometheus.stream_messages[revision] = streams.get("messages", 0)
    world.models["2"].error_rate = 1.0
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    return world


def graces(world: World, version: str) -> set[int]:
    """Which graces the pods of a version go with."""
    return {pod["metadata"].get("deletionGracePeriodSeconds", 0) for pod in world.pods(version)}


def told(world: World) -> list[str]:
    return [message for _, reason, message in world.events if reason == "StillOpen"]


async def test_open_streams_are_reset_soon_after_the_drain() -> None:
    """Their pods would answer each message with an error for the rest of their grace."""
    world = await reverted(open=6, messages=400)
    took = await world.until(lambda w: not w.pods("2"), limit=60)
    assert took <= DRAINED
    assert len(told(world)) == 1
    assert "with 6 requests or streams still open" in told(world)[0]
    assert "reset" in told(world)[0]


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param({}, id="nothing is open"),
        pytest.param({"open": 6}, id="what is open has answered no message: a long inference"),
        pytest.param({"open": 6, "messages": 0.5}, id="a rounded number of messages"),
        pytest.param({"messages": 400}, id="the streams have ended"),
    ],
)
async def test_without_open_streams_the_pods_keep_their_whole_grace(streams: dict[str, float]) -> None:
    """A long inference is waited for."""
    world = await reverted(**streams)
    await world.run(DRAINED)
    assert graces(world, "2") == {45}


async def test_streams_on_the_old_version_are_reset_after_a_promotion() -> None:
    """It is taken down just as a canary is."""
    world = await trying(at=100, steps=STEPS, runtime=SOON)
    world.api.pods_linger = True
    world.prometheus.hold(world.revision("1"), 3)
    world.prometheus.stream_messages[world.revision("1")] = 40
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    took = await world.until(lambda w: not w.pods("1"), limit=60)
    assert took <= DRAINED
    assert len(world.pods("2")) == 4


async def test_its_pods_go_before_the_garbage_collector_comes_for_them() -> None:
    """A kubelet does not shorten a grace that is under way; nobody else's pods are touched."""
    world = await reverted(open=6, messages=400)
    await world.run(60)
    deleted = [write.split() for write in world.api.writes if write.startswith("delete")]
    places = [(kind, name) for _, kind, name, *_ in deleted if kind in {"Deployment", "Pod"}]
    revision = world.revision("2")
    assert places[-1] == ("Deployment", revision)
    assert len(places) > 1
    assert all(kind == "Pod" and name.startswith(f"{revision}-") for kind, name in places[:-1])


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE, DESTINATION_RULE], ids=lambda kind: kind.name)
async def test_what_has_changed_unseen_is_read_before_it_is_deleted(kind: Kind) -> None:
    """The watch is dead and somebody has changed it: the deletion is decided again, and done."""
    world = await reverted()
    revision = world.revision("2")
    world.api.unwatched = {kind}
    world.api.edit(kind, revision, lambda one: one["metadata"].update(annotations={"seen-by": "somebody"}))
    await world.run(DRAINED)
    assert world.api.find(kind, revision) is None
    assert f"get {kind.name} {revision}" in world.api.reads


async def test_a_source_that_does_not_answer_holds_up_nothing() -> None:
    """What is open cannot be told: all have their whole grace."""
    world = await reverted(open=6, messages=400)
    world.prometheus.reachable = False
    await world.run(DRAINED)
    assert graces(world, "2") == {45}


async def test_a_version_that_comes_back_while_it_is_taken_down_keeps_its_new_pods() -> None:
    """A retry may begin before the last pod is gone."""
    world = await reverted(open=6, messages=400)
    await world.run(DRAINED)
    world.prometheus.hold(world.revision("2"), 0)
    world.models["2"].error_rate = 0.0
    world.lever(retry="again")
    await world.until(lambda w: w.routed.get("2") == 50, limit=60)
    world.commit(fraud("1", steps=STEPS, runtime=SOON))
    await world.until(lambda w: w.phase == "Superseded")
    await world.run(DRAINED)
    assert graces(world, "2") == {45}


async def test_a_version_that_never_served_goes_soon() -> None:
    """There is nobody to say goodbye to, and its node is wanted."""
    world = await serving()
    world.api.pods_linger = True
    world.models["2"] = Model(loads=False)
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Aborted", limit=120)
    took = await world.until(lambda w: not w.pods("2"), limit=60)
    assert took <= DRAINED


async def test_without_the_right_to_delete_pods_they_go_by_themselves() -> None:
    """An older set of rights holds up nothing else."""
    world = await trying(at=50, steps=STEPS, runtime=SOON)
    world.api.pods_linger, world.api.forbidden = True, {POD}
    world.prometheus.hold(world.revision("2"), 6)
    world.prometheus.stream_messages[world.revision("2")] = 400
    world.models["2"].error_rate = 1.0
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    await world.run(DRAINED)
    world.models["3"] = Model()
    world.commit(fraud("3", steps=STEPS, runtime=SOON))
    await world.until(lambda w: w.routed.get("3") == 50, limit=30)
    assert graces(world, "2") == {45}


async def test_the_number_of_requests_that_the_drain_did_not_wait_for_is_said() -> None:
    """A hung version is taken down with its callers still waiting."""
    steps: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]
    world = await trying(model=Model(answers=False), steps=steps, runtime=SOON)
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    await world.run(15)
    assert len(told(world)) == 1
    assert told(world)[0].endswith("requests or streams still open: the drain delay is over")


async def test_a_version_that_nobody_waits_for_goes_without_a_word() -> None:
    """A promoted version's predecessor has answered all."""
    world = await trying(at=100, steps=STEPS)
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    await world.run(15)
    assert not told(world)
