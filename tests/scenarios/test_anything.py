"""Random stories: whatever people, pods, metrics and crashes do in whatever order, the invariants hold each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DESTINATION_RULE,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)
from tests.scenarios.stories import told_in
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import ERROR_RATE

STEPS = [{"setWeight": 20}, {"pause": {"duration": "2s"}}, {"setWeight": 60}, {"pause": {}}]
SPEC: dict[str, Any] = {
    "steps": STEPS,
    "guard": {"duration": "5s"},
    "analysis": {"metrics": [ERROR_RATE], "onBlind": "Revert", "blindTimeout": "8s"},
    "progressDeadlineSeconds": 10,
    "revisionHistoryLimit": 2,
}
VERSIONS = ("1", "2", "3")


@dataclass(frozen=True)
class Event:
    """Something that happens, and how it is called in a failing story."""

    text: str
    happen: Callable[[World, Watchdog], None]

    def __repr__(self) -> str:
        return self.text


def commits(version: str, replicas: int, guard: int) -> Event:
    spec = {**SPEC, "scaling": {"minReplicas": replicas}, "guard": {"duration": f"{guard}s"}}
    return Event(f"commit {version} {replicas=} {guard=}", lambda world, _: world.commit(fraud(version, **spec)))


def pulls(**levers: Any) -> Event:
    def pull(world: World, watchdog: Watchdog) -> None:
        if levers.get("retry"):
            watchdog.retries.add(levers["retry"])
        if world.rollouts:
            world.lever(**levers)

    return Event(f"lever {levers}", pull)


def behaves(version: str, trait: str, value: object) -> Event:
    return Event(f"{version}.{trait} = {value}", lambda world, _: setattr(world.models[version], trait, value))


def breaks(version: str, number: int) -> Event:
    return Event(f"break {number} pods of {version}", lambda world, _: world.break_pods(version, number))


def prometheus(trait: str, value: bool) -> Event:
    return Event(f"prometheus.{trait} = {value}", lambda world, _: setattr(world.prometheus, trait, value))


def api(down: bool) -> Event:
    return Event(f"API server {down=}", lambda world, _: setattr(world.api, "down", down))


def killed(number: int, after: bool) -> Event:
    def arm(world: World, watchdog: Watchdog) -> None:
        world.api.kill_at, world.api.kill_after_effect = number, after

    return Event(f"kill at write {number} {after=}", arm)


def turn_weights(world: World, watchdog: Watchdog) -> None:
    if world.route:
        world.turn(50, 50)


def deletes(kind: Kind) -> Event:
    def delete(world: World, watchdog: Watchdog) -> None:
        for one in list(world.api.all(kind)):
            world.api.remove(kind, "ml", one["metadata"]["name"])

    return Event(f"delete all {kind.plural}", delete)


LEVERS: list[dict[str, Any]] = [
    {"paused": True},
    {"paused": False},
    {"abort": True},
    {"promote": {"throughStep": 4}},
    {"promote": {"full": True}},
    {"promote": None},
    {"retry": "once"},
    {"retry": "twice"},
]
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(commits, st.sampled_from(VERSIONS), st.integers(1, 3), st.sampled_from([5, 6])),
    st.sampled_from(LEVERS).map(lambda levers: pulls(**levers)),
    st.builds(behaves, st.sampled_from(VERSIONS), st.just("error_rate"), st.sampled_from([0.0, 0.5])),
    st.builds(behaves, st.sampled_from(VERSIONS), st.just("loads"), st.booleans()),
    st.builds(breaks, st.sampled_from(VERSIONS), st.integers(0, 3)),
    st.builds(prometheus, st.sampled_from(["reachable", "scrapes"]), st.booleans()),
    st.builds(api, st.booleans()),
    st.just(Event("restart", lambda world, _: world.restart())),
    st.builds(killed, st.integers(0, 6), st.booleans()),
    st.just(Event("turn weights by hand", turn_weights)),
    st.sampled_from([CONTROLLER_REVISION, DEPLOYMENT, SERVICE, DESTINATION_RULE, VIRTUAL_SERVICE]).map(deletes),
    st.just(Event("wipe the ModelDeployment's status", lambda world, _: world.wipe_status(world.deployment))),
    st.just(Event("wipe the Rollout's status", lambda world, _: world.wipe_status(world.rollout))),
)
STORIES = st.lists(st.tuples(st.integers(1, 6), EVENTS), min_size=1, max_size=14)


async def play(story: list[tuple[int, Event]]) -> World:
    """Play a story, then leave everything in peace for two minutes."""
    world = World()
    for version in VERSIONS:
        world.models[version] = Model(seconds_to_load=1)
    await serving(world=world, **{**SPEC, "scaling": {"minReplicas": 2}})
    watchdog = Watchdog(world)
    for seconds, event in story:
        event.happen(world, watchdog)
        await world.run(seconds)
    world.api.down, world.prometheus.reachable, world.prometheus.scrapes = False, True, True
    world.kubelet.unready = set()
    for version in VERSIONS:
        world.models[version].loads, world.models[version].error_rate = True, 0.0
    for _ in range(80):
        if world.phase == "Paused" or world.rollout["spec"].get("paused"):
            world.lever(paused=None, promote={"throughStep": 4})
        await world.tick()
    return world


@told_in(25, 500, seconds=120)
@given(STORIES)
def test_the_invariants_hold_whatever_happens(story: list[tuple[int, Event]]) -> None:
    """And in the end, in peace, something serves everything, and nothing more is written."""
    asyncio.run(told(story))


async def told(story: list[tuple[int, Event]]) -> None:
    world = await play(story)
    assert world.phase in {"Succeeded", "Reverted", "Aborted", "Superseded"}
    stable = world.status["stable"]["version"]
    assert world.routed == {stable: 100}
    assert len(world.ready(stable)) == world.deployment["spec"]["scaling"]["minReplicas"]
    world.api.writes.clear()
    await world.run(30)
    assert world.api.writes == []
