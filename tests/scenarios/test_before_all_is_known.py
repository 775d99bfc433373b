"""A process that has just started, and knows nobody but who sends requests to a canary: it takes weight, no more.

What people and others did while no operator ran is there, and not known.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from structlog.testing import capture_logs

from serinus.api.parsing import ModelDeploymentView
from serinus.api.traffic import RoutingApi
from serinus.core.model.errors import Invalid
from serinus.core.model.identity import Key
from serinus.core.model.kinds import CONTROLLER_REVISION, ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.decision import Decision, Note
from serinus.runtime.way_back import WayBack
from tests.scenarios.apis import WITH_EACH_API
from tests.scenarios.test_fallback import RULES, half_backed, lose
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.early import know, restart_early
from tests.support.world.given import HALF, HOST, routed_by
from tests.support.world.grouped import moving
from tests.support.world.platform import ROUTING
from tests.support.world.served import rules_of

pytestmark = WITH_EACH_API

ELSEWHERE = "elsewhere.example.com"
DRIFT = {
    "name": "drift",
    "query": 'max(psi{modeldeployment="{{name}}", revision="{{revision}}"})',
    "thresholdRange": {"max": "0.25"},
    "failureLimit": 2,
}


async def begun(*, bad: bool = True, **spec: Any) -> World:
    """Half of the traffic on a canary that is bad from now on, and a new process that knows it alone."""
    world = await trying(at=50, steps=HALF, **spec)
    await world.run(5)
    if bad:
        world.models["2"].error_rate = 0.5
    await restart_early(world)
    world.api.writes.clear()
    return world


def written(world: World) -> set[str]:
    """What was written, by verb and kind."""
    return {" ".join(write.split()[:2]) for write in world.api.writes}


def only_weights(world: World) -> set[str]:
    """The writes of a revert, and no others."""
    return {"status Rollout", f"apply {world.provider.route.name}"}


def without_rules(route: Json | None) -> Json:
    """A route's hosts and gateways, or parents."""
    assert route is not None
    return {name: value for name, value in route["spec"].items() if name not in ("http", "rules")}


async def test_a_bad_canary_is_reverted() -> None:
    """With a record that answers why; nothing but the record and the weights is written."""
    world = await begun()
    before = without_rules(world.route)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert (world.phase, world.weight) == ("Reverted", 0)
    taken = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    assert (taken["verdict"], taken["metric"]) == ("Unsafe", "error-rate")
    assert written(world) == only_weights(world)
    assert without_rules(world.route) == before
    assert any(reason == "RolloutReverted" for _, reason, _ in world.events)


async def test_one_that_is_forgotten_while_it_is_looked_at_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shard was lost, or it was made again."""
    world, read_again, times = await begun(), WayBack._read_again, itertools.count()

    async def forgotten(self: WayBack, key: Key) -> None:
        if next(times) == 0:
            world.engine.drop([key])
        await read_again(self, key)

    monkeypatch.setattr(WayBack, "_read_again", forgotten)
    with capture_logs() as told:
        await world.until(lambda w: w.routed == {"1": 100}, limit=20)
    assert world.phase == "Reverted"
    assert [one for one in told if one["event"] == "a pass failed"] == []


async def test_the_rest_of_a_revert_follows_when_all_is_known() -> None:
    """The pods go, and the ModelDeployment says what happened."""
    world = await begun()
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    await world.run(20)
    assert world.pods("2") != []
    know(world)
    await world.until(lambda w: w.pods("2") == [], limit=30)
    assert world.condition("Stalled")["reason"] == "RevisionRejected"


async def test_a_good_canary_is_not_raised() -> None:
    """It walks on once all is known."""
    world = await trying(at=10)
    await restart_early(world)
    world.api.writes.clear()
    await world.run(40)
    assert (world.routed, world.api.writes) == ({"1": 90, "2": 10}, [])
    know(world)
    await world.until(lambda w: w.phase == "Succeeded")


async def test_an_older_route_on_a_host_that_the_spec_has_now_is_left_alone() -> None:
    """Whoever has the host is not known: the live route keeps its own hosts."""
    world = await trying(at=50, steps=HALF)
    await world.run(5)
    theirs = copy.deepcopy(world.route)
    assert theirs is not None
    hosts = "hosts" if ROUTING.get() is RoutingApi.ISTIO else "hostnames"
    metadata = {"name": "theirs", "namespace": "ml", "creationTimestamp": "2020-01-01T00:00:00Z"}
    stored = world.api.put({**theirs, "metadata": metadata, "spec": {**theirs["spec"], hosts: [ELSEWHERE]}})
    world.models["2"].error_rate = 0.5
    world.commit(fraud("2", steps=HALF, traffic=routed_by(ROUTING.get(), HOST, ELSEWHERE)))
    await restart_early(world)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert without_rules(world.route)[hosts] == [HOST]
    assert world.api.find(world.provider.route, "theirs") == stored
    know(world)
    await world.run(5)
    assert without_rules(world.route)[hosts] == [HOST]


async def test_a_gateway_that_is_not_there_changes_nothing() -> None:
    """Nor does one that is there and not known: the live route keeps what it is bound to."""
    world = await trying(at=50, steps=HALF)
    await world.run(5)
    before = without_rules(world.route)
    world.unlisten("public")
    world.models["2"].error_rate = 0.5
    traffic = json_replaced(routed_by(ROUTING.get()), "public", "missing")
    world.commit(fraud("2", steps=HALF, traffic=traffic))
    await restart_early(world)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert without_rules(world.route) == before


def json_replaced(manifest: Any, old: str, new: str) -> Any:
    """Write one word in place of another."""
    if isinstance(manifest, dict):
        return {name: json_replaced(value, old, new) for name, value in manifest.items()}
    if isinstance(manifest, list):
        return [json_replaced(each, old, new) for each in manifest]
    return new if manifest == old else manifest


async def test_every_route_that_is_there_follows() -> None:
    """The mesh has one of its own, with another name."""
    world = await begun()
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    routes = world.api.all(world.provider.route)
    assert len(routes) == (2 if world.provider.route == VIRTUAL_SERVICE else 1)
    assert {world.provider.read(route) for route in routes} == {world.split}


async def test_a_route_that_cannot_be_read_is_left_for_later() -> None:
    """What a hand has made of it may be another path; once all is known it is ours again."""
    world = await begun()

    def edit(route: Json) -> None:
        rules_of(route)[0]["timeout" if world.provider.route == VIRTUAL_SERVICE else "timeouts"] = "1ms"

    edited = world.api.edit(world.provider.route, world.name, edit)
    await world.run(10)
    assert world.api.find(world.provider.route, world.name) == edited
    know(world)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)


async def test_what_stable_cannot_carry_stays() -> None:
    """Its pods went after all was read, and no watch told of it."""
    world = await begun(bad=False)
    await world.run(3)
    world.break_pods("1", 3)
    await world.run(1)
    world.models["2"].error_rate = 0.5
    await world.run(10)
    assert (world.api.writes, world.routed) == ([], {"1": 50, "2": 50})
    know(world)
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    assert (world.weight, world.routed) == (50, {"1": 50, "2": 50})


async def test_what_stable_can_carry_of_it_is_taken() -> None:
    """The rest follows as its pods come, once all is known."""
    world = await trying(at=80, steps=[{"setWeight": 80}, {"pause": {}}])
    await world.run(5)
    world.break_pods("1", 3)
    world.kubelet.run()
    world.models["2"].error_rate = 0.5
    await restart_early(world)
    await world.until(lambda w: w.routed == {"1": 50, "2": 50}, limit=10)
    assert (world.phase, world.state.get("settledAt")) == ("Reverted", None)


async def test_a_canary_without_pods_loses_its_weight() -> None:
    """That is no verdict: it begins again, when all is known."""
    world = await begun(bad=False)
    world.break_pods("2", 4)
    world.kubelet.run()
    await restart_early(world)
    await world.until(lambda w: w.routed == {"1": 100, "2": 0}, limit=10)
    assert (world.phase, world.reason) == ("Pending", "CanaryNotReady")


async def test_an_abort_is_carried_out() -> None:
    """Whoever asked for it while no operator ran waits for no list."""
    world = await trying(at=50, steps=HALF)
    await world.run(5)
    world.lever(abort=True)
    await restart_early(world)
    world.api.writes.clear()
    await world.until(lambda w: w.routed == {"1": 100}, limit=5)
    assert (world.phase, written(world)) == ("Aborted", only_weights(world))


async def test_a_new_commit_waits() -> None:
    """It supersedes nothing, and no revision is made of it."""
    world = await trying(at=50, steps=HALF)
    await world.run(5)
    world.models["3"] = Model()
    world.commit(fraud("3", steps=HALF))
    await restart_early(world)
    world.api.writes.clear()
    await world.run(20)
    assert (world.api.writes, world.routed) == ([], {"1": 50, "2": 50})
    assert len(world.api.all(CONTROLLER_REVISION)) == 2
    know(world)
    await world.until(lambda w: w.tried == "3", limit=20)


async def test_a_member_goes_back_for_itself_alone() -> None:
    """Others of its group follow when all is known: half of them would look like members that failed."""
    world, other = await moving(steps=HALF)
    await world.run(5)
    world.models["2"].error_rate = 0.5
    await restart_early(world)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    await world.run(5)
    assert other.routed == {"p1": 50, "p2": 50}
    know(world)
    await world.until(lambda w: other.routed == {"p1": 100}, limit=10)


async def test_a_fallback_that_answers_goes_on() -> None:
    """Nobody else can, as far as is known."""
    world = await half_backed()
    lose(world, "1", "2")
    await world.run(5)
    assert world.fallback == RULES
    world.models["2"].error_rate = 0.5
    await restart_early(world)
    world.api.writes.clear()
    await world.run(20)
    assert (world.fallback, world.api.writes) == (RULES, [])


@pytest.mark.parametrize("write", [0, 1])
@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after it"])
async def test_a_kill_at_any_write_is_healed(write: int, after: bool) -> None:
    """By the next process, at the latest when it knows all."""
    world = await begun()
    world.api.kill_at, world.api.kill_after_effect = write, after
    await world.until(lambda w: w.restarts == 2, limit=10)
    await restart_early(world)
    await world.run(10)
    know(world)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert (world.phase, world.weight) == ("Reverted", 0)


async def test_a_good_look_before_all_is_known_ends_a_streak_of_failing_ones() -> None:
    """`failureLimit: 2` bears two in a row; two, then good ones, then a third is no three in a row."""
    world, given = World(), {"steps": HALF, "analysis": {"metrics": [DRIFT]}}
    world.prometheus.own["psi"] = lambda query: [0.1]
    await serving(world=world, **given)
    world.models["2"] = Model()
    world.commit(fraud("2", **given))
    await world.until(lambda w: w.routed.get("2") == 50)
    await world.run(3)
    world.prometheus.own["psi"] = lambda query: [0.5]
    await world.run(2)
    world.prometheus.own["psi"] = lambda query: [0.1]
    await restart_early(world)
    await world.run(5)
    world.prometheus.own["psi"] = lambda query: [0.5]
    await world.run(1)
    world.prometheus.own["psi"] = lambda query: [0.1]
    await world.run(3)
    assert (world.phase, world.routed) != ("Reverted", {"1": 100})


async def test_blindness_that_ended_before_all_is_known_starts_anew() -> None:
    """Fifteen seconds, then ten good ones, then two: none of them is the twenty after which the policy goes back."""
    world = await trying(at=50, steps=HALF, analysis={"onBlind": "Revert", "blindTimeout": "20s"})
    world.prometheus.reachable = False
    await world.run(15)
    world.prometheus.reachable = True
    await restart_early(world)
    await world.run(10)
    world.prometheus.reachable = False
    await world.run(2)
    world.prometheus.reachable = True
    await world.run(3)
    assert world.routed == {"1": 50, "2": 50}


async def test_a_record_that_was_refused_is_told_of() -> None:
    """Weight was taken without one."""
    world = await begun()
    world.api.refused_statuses = {ROLLOUT: Invalid("422: no")}
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert any(reason == "StatusRefused" for _, reason, _ in world.events)


async def test_a_revert_is_counted() -> None:
    """Like any other."""
    world = await begun()
    counted = list[RolloutState]()
    world.engine._reconciler._report = Counting(counted)
    await world.until(lambda w: w.routed == {"1": 100}, limit=10)
    assert [state.exposure.is_nothing for state in counted] == [True]


class Counting:
    """Where decisions are reported."""

    def __init__(self, counted: list[RolloutState]) -> None:
        self.counted = counted

    def note(self, view: ModelDeploymentView, note: Note) -> None: ...

    def said(self, note: Note) -> None: ...

    def carried_out(self, view: ModelDeploymentView, decision: Decision) -> None:
        self.counted.extend(stored.state for stored in decision.states)
