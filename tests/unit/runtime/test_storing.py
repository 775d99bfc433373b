"""What is written to the two statuses, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.model_deployment import ModelDeploymentStatus, RevisionStatus
from serinus.api.rollout import Levers
from serinus.api.status import Condition, Phase, Verdict
from serinus.core.model.assessment import AnalysisState
from serinus.core.model.errors import Conflict
from serinus.core.model.exposure import Exposure
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json
from serinus.core.model.rollout import RolloutState
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.decision import StoredState
from serinus.runtime.budget import CHECKPOINT_SECONDS, REFRESH_SECONDS, WRITES_A_SECOND
from serinus.runtime.memory import Memory
from serinus.runtime.storing import NUMBERS_SECONDS, Statuses, worth_storing
from tests.support.world.api import InMemoryApi
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import at_step, deployment, plan

OWNER = Owner("ml", "fraud", "uid-md")
STATE = at_step(1, 10, analysis=AnalysisState(last_look=1_790_000_000.0))
LATER = replace(STATE, analysis=AnalysisState(last_look=1_790_000_001.0))


def told(second: int) -> RolloutState:
    """The state after a look so many seconds later."""
    at = 1_790_000_000.0 + second
    return replace(STATE, analysis=AnalysisState(last_look=at), assessed_at=at, message=f"look {second}")


class Desk:
    """An API server with Rollouts, and their writer."""

    def __init__(self, rollouts: int = 1) -> None:
        self.clock = VirtualClock()
        self.api = InMemoryApi(self.clock)
        self.memory = Memory()
        self.statuses = Statuses(self.api, self.api.cache, self.clock)
        manifest = {"apiVersion": ROLLOUT.api_version, "kind": "Rollout", "spec": {}}
        self.plans = [replace(plan(), name=f"fraud-{number:010x}-1") for number in range(rollouts)]
        self.put = [self.api.put({**manifest, "metadata": {"name": one.name}}) for one in self.plans]

    def stored(self, number: int = 0) -> Json:
        live = self.api.find(ROLLOUT, self.plans[number].name)
        assert live is not None
        return dict(live["status"])

    async def store(self, state: RolloutState, *, version: str | None = None, number: int = 0) -> bool:
        of = self.plans[number]
        live = self.api.find(ROLLOUT, of.name)
        assert live is not None
        metadata = live["metadata"]
        of = replace(of, uid=metadata["uid"], resource_version=version or metadata["resourceVersion"])
        return await self.statuses.store_rollout(OWNER, StoredState(of, RolloutState(), state), self.memory)


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": Phase.PAUSED},
        {"step": 2},
        {"exposure": Exposure(50)},
        {"verdict": Verdict.BLIND},
        {"reason": "Unreachable"},
        {"acknowledged": Levers(paused=True)},
        {"waiting_since": 1_790_000_000.0},
        {"settled_at": 1_790_000_000.0},
        {"observed_generation": 2},
        {"analysis": AnalysisState(failures={"error-rate": 1})},
        {"analysis": AnalysisState(blind_since=1_790_000_000.0)},
    ],
    ids="-".join,
)
def test_what_people_or_a_restart_need_is_worth_a_write(changes: dict[str, Any]) -> None:
    """Phase, step, weight, verdict, reason, levers, waiting, and the evidence of a failing or blind streak."""
    assert worth_storing(STATE, replace(STATE, **changes))


@pytest.mark.parametrize("changes", [{"message": "other words"}, {"analysis": LATER.analysis}], ids=["words", "a look"])
def test_what_the_next_look_brings_anyway_is_not(changes: dict[str, Any]) -> None:
    """It waits for its turn."""
    assert not worth_storing(STATE, replace(STATE, **changes))


async def test_a_change_is_written_at_once() -> None:
    """And remembered as what is stored."""
    desk = Desk()
    assert await desk.store(STATE)
    assert await desk.store(replace(STATE, exposure=Exposure(50)))
    assert len(desk.api.writes) == 2


async def test_numbers_are_written_every_ten_seconds() -> None:
    """Not before they are due, and then once."""
    desk = Desk()
    await desk.store(STATE)
    desk.clock.move(REFRESH_SECONDS - 1.0)
    assert not await desk.store(told(1))
    desk.clock.move(1.0)
    assert await desk.store(told(2))
    assert not await desk.store(told(3))


async def test_numbers_are_written_without_the_evidence_until_the_minute_is_over() -> None:
    """What people read is fresh; the checkpoint, which costs more, stays as it was stored."""
    desk = Desk()
    await desk.store(STATE)
    looks = []
    for second in range(10, 61, 10):
        desk.clock.move(10.0)
        assert await desk.store(told(second))
        stored = desk.stored()
        looks.append(stored["analysis"]["lastLook"])
        assert (stored["message"], stored["assessedAt"]) == (f"look {second}", to_rfc3339(1_790_000_000.0 + second))
    assert len(set(looks[:-1])) == 1
    assert looks[-1] == to_rfc3339(1_790_000_060.0)


async def test_an_ended_rollout_has_no_numbers_to_refresh() -> None:
    """What it was decided on stands in its record."""
    desk = Desk()
    ended = replace(STATE, phase=Phase.SUCCEEDED, settled_at=1_790_000_000.0)
    await desk.store(ended)
    desk.clock.move(REFRESH_SECONDS)
    assert not await desk.store(replace(ended, message="other words"))


async def test_a_thousand_rollouts_refresh_their_numbers_twenty_times_a_second_in_turn() -> None:
    """The budget is one for all of them; nobody starves, and what matters is written whatever it says."""
    desk = Desk(rollouts=1000)
    for number in range(1000):
        await desk.store(STATE, number=number)
    rates, written = [], set()
    for second in range(1, 120):
        desk.clock.move(1.0)
        now = {number for number in range(1000) if await desk.store(told(second), number=number)}
        rates.append(len(now))
        written |= now
    assert max(rates) <= WRITES_A_SECOND
    assert len(written) == 1000
    assert await desk.store(replace(STATE, verdict=Verdict.BLIND), number=999)


async def test_a_status_that_is_decided_on_an_old_version_is_refused() -> None:
    """409: look again. Nothing is remembered of it."""
    desk = Desk()
    with pytest.raises(Conflict):
        await desk.store(STATE, version="999")
    assert desk.memory.rollouts == {}


async def test_what_is_not_worth_a_write_is_remembered() -> None:
    """The next pass goes on from it, while what is stored is what we wrote."""
    desk = Desk()
    await desk.store(STATE)
    await desk.store(LATER)
    (known,) = desk.memory.rollouts.values()
    assert known.state == LATER
    assert desk.memory.state_of(desk.put[0]["metadata"]["uid"], known.stored, STATE) == LATER


def condition(message: str, reason: str = "StableServing") -> Condition:
    return Condition(
        type="Ready", status="True", last_transition_time="2026-09-21T14:13:20Z", reason=reason, message=message
    )


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        pytest.param({"weight": 10}, {"weight": 10}, False, id="nothing"),
        pytest.param({"weight": 10}, {"weight": 50}, True, id="a number"),
        pytest.param({"conditions": (condition("a"),)}, {"conditions": (condition("b"),)}, False, id="words"),
        pytest.param(
            {"conditions": (condition("a"),)}, {"conditions": (condition("a", "Other"),)}, True, id="a reason"
        ),
    ],
)
async def test_the_copy_for_people_is_written_when_more_than_words_differ(
    before: dict[str, Any], after: dict[str, Any], written: bool
) -> None:
    """Words wait for the next minute."""
    people = People(before)
    people.desk.memory.status_written_at = people.desk.clock.now()
    assert await people.tell(**after) is written
    people.desk.clock.move(CHECKPOINT_SECONDS)
    assert await people.tell(**after) is (before != after)


class People:
    """Who reads a ModelDeployment's status, which says `before` for as long as its watch is silent."""

    def __init__(self, before: dict[str, Any]) -> None:
        self.desk = Desk()
        kind = {"apiVersion": MODEL_DEPLOYMENT.api_version, "kind": MODEL_DEPLOYMENT.name}
        uid = self.desk.api.put({**kind, "metadata": {"name": "fraud"}})["metadata"]["uid"]
        status = ModelDeploymentStatus(**before)
        self.view = replace(deployment(), uid=uid, status=status, resource_version="")

    async def tell(self, **status: Any) -> bool:
        return await self.desk.statuses.store_summary(self.view, ModelDeploymentStatus(**status), self.desk.memory)


def pods(ready: int, of: int = 4) -> dict[str, Any]:
    return {"stable": RevisionStatus(revision="fraud-a", version="1", ready_replicas=ready, replicas=of)}


async def test_pods_that_become_ready_one_after_the_other_are_told_of_together() -> None:
    """The first of them waits for the others, and says when it has waited long enough."""
    people = People(pods(0))
    assert not await people.tell(**pods(1))
    assert people.desk.memory.numbers_due == people.desk.clock.now() + NUMBERS_SECONDS
    people.desk.clock.move(NUMBERS_SECONDS / 2)
    assert not await people.tell(**pods(3))
    people.desk.clock.move(NUMBERS_SECONDS / 2)
    assert await people.tell(**pods(4))
    assert people.desk.memory.numbers_due is None


async def test_numbers_of_pods_that_are_as_before_wait_for_nothing() -> None:
    """A pod came and went: there is nothing to tell, and nothing to wake for."""
    people = People(pods(4))
    await people.tell(**pods(3))
    assert not await people.tell(**pods(4))
    assert people.desk.memory.numbers_due is None


async def test_a_weight_does_not_wait_for_pods() -> None:
    """What matters is written at once, with the numbers as they are."""
    people = People(pods(0))
    await people.tell(**pods(1))
    assert await people.tell(weight=10, **pods(1))


async def test_a_crowd_whose_pods_come_and_go_keeps_to_the_budget() -> None:
    """Those that it has no room for come a little later, and none for ever."""
    people = People(pods(0))
    await people.tell(**pods(1))
    people.desk.clock.move(NUMBERS_SECONDS)
    while people.desk.statuses._budget.take(people.desk.clock.now()):
        continue
    assert not await people.tell(**pods(1))
    assert people.desk.memory.numbers_due == people.desk.clock.now() + 1.0
    people.desk.clock.move(REFRESH_SECONDS)
    assert await people.tell(**pods(1))
