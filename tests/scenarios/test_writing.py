"""What is written, and when: nothing while nothing differs, intent before effect, history within its limit."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT, Json
from tests.scenarios.phases import PHASES, Build, in_every_phase
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import STEPS

RESTING = ("idle", "succeeded", "reverted")


@pytest.mark.parametrize("phase", RESTING)
async def test_nothing_is_written_while_nothing_differs(phase: str) -> None:
    """Not in ten minutes, not by a resync, not by a new process; and nothing is asked either."""
    world = await PHASES[phase]()
    await world.run(60)
    for list_of in (world.api.writes, world.api.reads, world.prometheus.asked):
        list_of.clear()
    await world.run(600)
    assert world.api.reads == []
    world.restart()
    await world.run(5)
    assert world.api.writes == []
    assert world.prometheus.asked == []


async def test_a_held_rollout_writes_its_numbers_every_ten_seconds_and_the_copy_once_a_minute() -> None:
    """Looks are taken each second; what changes nothing but numbers waits for its turn."""
    world = await trying(steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(70)
    world.api.writes.clear()
    await world.run(300)
    assert len(world.api.writes) <= 300 / 10 + 300 / 60 + 1
    assert {one.split()[0] for one in world.api.writes} == {"status"}


async def test_the_copy_for_people_is_written_once_in_a_pass() -> None:
    """A pass that starts a rollout and makes its children has several rounds; the last one knows all of it."""
    world = World()
    world.models["1"] = Model(seconds_to_load=60)
    world.commit(fraud("1"))
    await world.settle()
    assert world.api.writes.count("status ModelDeployment fraud") == 1
    assert (world.status["phase"], world.status["canary"]["replicas"]) == ("Pending", 4)


async def test_what_one_round_has_told_the_next_one_does_not_tell_again() -> None:
    """Its status is not written yet, and is believed all the same."""
    world = await serving()
    world.models["2"] = Model(loads=False)
    world.commit(fraud("2"))
    await world.run(3)
    world.lever(abort=True)
    await world.run(3)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    assert [reason for _, reason, _ in world.events].count("RevisionRejected") == 1


@pytest.mark.parametrize(("seconds", "asked"), [(1, False), (30, True)], ids=["soon ready", "not ready for long"])
async def test_events_are_asked_for_of_pods_that_wait_for_long(seconds: int, asked: bool) -> None:
    """Most become ready in seconds, and nobody need know why they were not."""
    world = World()
    world.models["1"] = Model(seconds_to_load=seconds)
    world.commit(fraud("1"))
    await world.run(20)
    assert any(one.startswith("list Event") for one in world.api.reads) is asked


@in_every_phase
async def test_a_pass_that_is_repeated_does_nothing(build: Build) -> None:
    """Whatever wakes it, and however often."""
    world = await build()
    world.api.writes.clear()
    for _ in range(5):
        world.engine.wake(next(iter(world.memories.all())))
        await world.settle()
    assert world.api.writes == []


async def test_the_weight_is_in_the_status_before_it_is_in_the_route() -> None:
    """Good and bad, up and down: at no write does the route know more than the record."""
    world = await serving()
    world.models["2"] = Model()
    world.models["3"] = Model(error_rate=0.5)
    weights: list[tuple[int, int]] = []

    def look(verb: str, manifest: Json) -> None:
        if manifest["kind"] == "VirtualService":
            weights.append((world.routed.get(world.tried or "", 0), world.weight))

    world.api.on_write = look
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Reverted")
    assert len(weights) >= 6
    assert all(routed == stored for routed, stored in weights)


async def test_history_is_kept_within_its_limit() -> None:
    """Of Rollouts and of ControllerRevisions, besides those in use."""
    world = await serving(revisionHistoryLimit=2)
    for number in range(2, 7):
        world.models[str(number)] = Model()
        world.commit(fraud(str(number), revisionHistoryLimit=2))
        await world.until(lambda w, v=str(number): w.phase == "Succeeded" and w.tried == v)
    await world.run(30)
    assert [one["spec"]["to"]["version"] for one in world.rollouts] == ["4", "5", "6"]
    kept = sorted(one["data"]["version"] for one in world.api.all(CONTROLLER_REVISION))
    assert kept == ["4", "5", "6"]


async def test_a_smaller_limit_takes_effect_at_once() -> None:
    """It is live."""
    world = await serving()
    for number in range(2, 5):
        world.models[str(number)] = Model()
        world.commit(fraud(str(number)))
        await world.until(lambda w, v=str(number): w.phase == "Succeeded" and w.tried == v)
    await world.run(30)
    world.commit(fraud("4", revisionHistoryLimit=1))
    await world.run(3)
    assert len(world.rollouts) == 2


@pytest.mark.parametrize(("at", "replicas"), [(10, 1), (50, 4), (100, 8)])
async def test_scaling_in_mid_rollout_applies_to_both_revisions(at: int, replicas: int) -> None:
    """With the split as it is; no rollout is started or ended by it."""
    steps = [*STEPS[:3], {"pause": {"duration": "30s"}}]
    world = await trying(at=at, steps=steps)
    world.commit(fraud("2", steps=steps, scaling={"minReplicas": 8}))
    before = world.routed
    await world.run(1)
    assert world.routed == before
    await world.run(4)
    assert len(world.pods("1")) == 8
    assert len(world.pods("2")) >= replicas
    assert len(world.rollouts) == 2


async def test_pods_of_the_canary_follow_its_weight() -> None:
    """ceil(weight/100 x minReplicas), at least one, ready before the weight rises; stable keeps its full size."""
    world = await serving()
    world.models["2"] = Model()
    sizes: dict[int, set[int]] = {}

    def look() -> None:
        assert len(world.ready("1")) == 4 or world.phase == "Succeeded"
        sizes.setdefault(world.routed.get("2", 0), set()).add(len(world.ready("2")))

    world.after_tick = look
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2")
    assert min(sizes[10]) == 1
    assert min(sizes[50]) == 2
    assert min(sizes[100]) == 4


async def test_a_reverted_canary_keeps_its_pods_until_it_has_drained() -> None:
    """Its last requests are answered, and then it goes."""
    world = await trying(at=50)
    world.lever(abort=True)
    await world.run(3)
    assert world.routed == {"1": 100}
    assert world.pods("2")
    await world.run(5)
    assert not world.pods("2")


async def test_an_api_server_outage_is_survived_by_everything() -> None:
    """Nothing is decided on what could not be stored, and it goes on afterwards."""
    world = await trying(at=50)
    world.api.down = True
    await world.run(30)
    world.api.down = False
    await world.until(lambda w: w.phase == "Succeeded")
    assert world.routed == {"2": 100}


async def test_a_bad_canary_in_an_api_server_outage_is_reverted_as_soon_as_it_answers() -> None:
    """Within the back-off of a live rollout."""
    world = await trying(at=50)
    world.api.down = True
    world.models["2"].error_rate = 0.5
    await world.run(30)
    world.api.down = False
    took = await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert took <= 3


async def test_another_managers_metadata_edit_does_not_lose_the_status() -> None:
    """A pipeline that annotates in the same moment costs one more look."""
    world = World()
    await serving(world=world)
    world.api.edit(MODEL_DEPLOYMENT, "fraud", lambda one: one["metadata"].setdefault("annotations", {}).update(a="b"))
    await world.run(2)
    assert world.status["serving"].startswith("1@")
