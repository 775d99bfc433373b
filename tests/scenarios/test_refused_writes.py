"""Writes that the API server refuses: weight is taken all the same, and given only with its record."""

from __future__ import annotations

import asyncio

import pytest

from serinus.core.model.errors import ClusterError, Forbidden, Invalid, Unavailable
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DESTINATION_RULE,
    MODEL_DEPLOYMENT,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)
from serinus.runtime.storing import RETRY_SECONDS
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, trying
from tests.support.world.given import ERROR_RATE, HALF

REFUSALS = [
    pytest.param(Invalid("422: status.outlook.x: field not declared in schema"), id="422"),
    pytest.param(Invalid("413: request entity too large"), id="413"),
    pytest.param(Forbidden("403: admission webhook denied the request"), id="403"),
    pytest.param(Unavailable("500: failed calling webhook"), id="500"),
]


def refuse(world: World, error: ClusterError, *kinds: Kind) -> None:
    world.api.refused_statuses = dict.fromkeys(kinds or (ROLLOUT, MODEL_DEPLOYMENT), error)


def statuses_tried(world: World) -> int:
    return sum(one.startswith("status") for one in world.api.writes)


@pytest.mark.parametrize("error", REFUSALS)
async def test_a_revert_does_not_wait_for_its_record(half: World, error: ClusterError) -> None:
    """The route goes back at the next look, and the operator says which status is refused, and why."""
    refuse(half, error)
    half.models["2"].error_rate = 1.0
    assert await half.until(lambda w: not w.routed.get("2"), limit=10) < 10
    await half.run(20)
    told = [message for _, reason, message in half.events if reason == "StatusRefused"]
    assert any(str(error) in message for message in told)
    assert half.phase == "Paused"


@pytest.mark.parametrize("error", REFUSALS)
async def test_the_record_is_written_when_it_can_be(half: World, error: ClusterError) -> None:
    """With the reason, value and limit that the look had, and once."""
    refuse(half, error)
    half.models["2"].error_rate = 1.0
    await half.run(30)
    half.api.refused_statuses = {}
    await half.until(lambda w: w.phase == "Reverted", limit=RETRY_SECONDS + 2)
    assert half.reason == "LimitExceeded"
    assert len([one for one in half.state["decisions"] if one["action"] == "Taken"]) == 1
    await half.until(lambda w: w.condition("Stalled")["reason"] == "RevisionRejected", limit=RETRY_SECONDS + 2)


async def test_what_was_taken_is_not_given_back_by_the_next_look(half: World) -> None:
    """The stored status still says 50; memory knows better, for as long as the process lives."""
    refuse(half, Invalid("422"))
    half.models["2"].error_rate = 1.0
    await half.until(lambda w: not w.routed.get("2"), limit=10)
    half.models["2"].error_rate = 0.0
    for _ in range(120):
        await half.tick()
        assert half.routed["1"] == 100


async def test_a_restart_before_the_record_judges_anew(half: World) -> None:
    """A new process has only the older status; while the version is bad, that is worth one look of traffic."""
    refuse(half, Invalid("422"))
    half.models["2"].error_rate = 1.0
    await half.until(lambda w: not w.routed.get("2"), limit=10)
    half.restart()
    await half.run(10)
    assert not half.routed.get("2")


@pytest.mark.parametrize("error", REFUSALS[:3])
async def test_a_refused_status_is_tried_now_and_then(half: World, error: ClusterError) -> None:
    """Each ten seconds, and not with each pass; it is told once."""
    refuse(half, error)
    half.models["2"].error_rate = 1.0
    await half.run(10)
    before, told = statuses_tried(half), len(half.events)
    await half.run(60)
    assert statuses_tried(half) - before <= 2 * (60 / RETRY_SECONDS + 1)
    assert len(half.events) == told


async def test_a_rise_waits_for_its_record() -> None:
    """Intent before effect: the weight stays, the reason says why, and it rises once the status is taken again."""
    world = await trying(at=10)
    Watchdog(world)
    refuse(world, Forbidden("403: no"), ROLLOUT)
    await world.run(60)
    assert (world.routed["2"], world.weight) == (10, 10)
    assert any(reason == "StatusRefused" for _, reason, _ in world.events)
    world.api.refused_statuses = {}
    await world.until(lambda w: w.routed.get("2") == 50, limit=40)
    await world.until(lambda w: w.phase == "Succeeded", limit=120)


async def test_a_first_weight_waits_for_its_record() -> None:
    """Pods start and are made ready all the same."""
    world = await trying(at=10)
    world.models["3"] = Model()
    refuse(world, Invalid("422"), ROLLOUT)
    world.commit(fraud("3"))
    await world.run(60)
    assert not world.routed.get("3")
    world.api.refused_statuses = {}
    await world.until(lambda w: w.routed.get("3") == 10, limit=60)


async def test_looks_add_up_while_a_rise_is_refused() -> None:
    """What was judged is remembered: five failing looks in a row condemn, recorded or not."""
    analysis = {"metrics": [{**ERROR_RATE, "failureLimit": 5}]}
    world = await trying(at=10, analysis=analysis)
    refuse(world, Invalid("422"), ROLLOUT)
    await world.run(30)
    assert world.routed["2"] == 10
    world.models["2"].error_rate = 1.0
    await world.until(lambda w: not w.routed.get("2"), limit=20)


async def test_a_hand_at_the_route_is_put_right_while_a_rise_is_refused() -> None:
    """The split is the one that is on record."""
    world = await trying(at=10)
    refuse(world, Invalid("422"), ROLLOUT)
    await world.run(30)

    def everything(route: Json) -> None:
        for rule in route["spec"]["http"]:
            for entry, weight in zip(rule["route"], (0, 100), strict=True):
                entry["weight"] = weight

    world.api.edit(VIRTUAL_SERVICE, "fraud", everything)
    await world.run(3)
    assert world.routed["2"] == 10


async def test_nothing_new_starts_before_the_record(half: World) -> None:
    """A process that starts anew would not know that the version was rejected."""
    refuse(half, Invalid("422"))
    half.models["2"].error_rate = 1.0
    await half.until(lambda w: not w.routed.get("2"), limit=10)
    half.models["3"] = Model()
    half.commit(fraud("3", steps=HALF))
    await half.run(40)
    assert half.tried == "2"
    half.api.refused_statuses = {}
    await half.until(lambda w: w.tried == "3", limit=RETRY_SECONDS + 5)
    assert half.rollouts[-2]["status"]["phase"] == "Reverted"


@pytest.mark.parametrize(
    "kind", [SERVICE, DEPLOYMENT, DESTINATION_RULE, CONTROLLER_REVISION, MODEL_DEPLOYMENT], ids=lambda kind: kind.name
)
async def test_no_other_write_stands_in_the_way_of_a_revert(half: World, kind: Kind) -> None:
    """Each of them is refused, and there is something of each to write."""
    half.api.refuse = {kind}
    half.api.edit(SERVICE, half.revision("1"), lambda one: one["spec"].update(ports=[]))
    half.api.edit(DEPLOYMENT, half.revision("2"), lambda one: one["spec"].update(replicas=1))
    half.commit(fraud("2", steps=HALF, scaling={"minReplicas": 5}))
    half.models["2"].error_rate = 1.0
    await half.until(lambda w: not w.routed.get("2"), limit=15)
    await half.until(lambda w: w.phase == "Reverted", limit=5)


async def test_a_status_that_is_never_answered_holds_the_route_up_for_a_moment_only(
    half: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook in front of the status hangs: the route does not wait for the client's time-out."""
    monkeypatch.setattr("serinus.runtime.reconcile.PATIENCE_SECONDS", 0.01)
    answered = asyncio.Event()
    apply_status = half.api.apply_status

    async def hang(manifest: Json) -> Json:
        await answered.wait()
        return await apply_status(manifest)

    half.api.apply_status = hang  # type: ignore[method-assign]
    half.models["2"].error_rate = 1.0
    half.api.on_write = lambda verb, manifest: answered.set() if manifest["kind"] == "VirtualService" else None
    await half.until(lambda w: w.phase == "Reverted", limit=15)
    assert not half.routed.get("2")
