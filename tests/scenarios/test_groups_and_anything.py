"""Random stories of a group: whatever people, pods and crashes do, members are a step apart at most, each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.stories import told_in
from tests.support.group_invariants import GroupWatchdog
from tests.support.world import Model, World
from tests.support.world.grouped import member, pair
from tests.support.world.served import Served

STEPS = [{"setWeight": 20}, {"pause": {"duration": "2s"}}, {"setWeight": 60}, {"pause": {}}]
SPEC: dict[str, Any] = {
    "steps": STEPS,
    "guard": {"duration": "5s"},
    "scaling": {"minReplicas": 2},
    "progressDeadlineSeconds": 10,
    "revisionHistoryLimit": 2,
}
VERSIONS = {"fraud": ("1", "2", "3"), "prep": ("p1", "p2", "p3")}
NAMES, RELEASES = st.sampled_from(sorted(VERSIONS)), st.sampled_from(["r1", "r2", "r3"])


@dataclass(frozen=True)
class Event:
    """Something that happens, and how it is called in a failing story."""

    text: str
    happen: Callable[[World, GroupWatchdog], None]

    def __repr__(self) -> str:
        return self.text


def named(world: World, name: str) -> Served:
    return next(one for one in (world, *world.others) if one.name == name)


def commits(name: str, number: int, release: str) -> Event:
    version = VERSIONS[name][number]
    return Event(f"commit {version} {release}", lambda world, _: world.commit(member(name, version, release, **SPEC)))


def releases(numbers: tuple[int, int], release: str) -> Event:
    """Commit a whole release at once."""

    def commit(world: World, watchdog: GroupWatchdog) -> None:
        for name, number in zip(sorted(VERSIONS), numbers, strict=True):
            world.commit(member(name, VERSIONS[name][number], release, **SPEC))

    return Event(f"release {release} of {numbers}", commit)


def pulls(name: str, levers: dict[str, Any]) -> Event:
    def pull(world: World, watchdog: GroupWatchdog) -> None:
        if levers.get("retry"):
            watchdog.retried(levers["retry"])
        named(world, name).lever(**levers)

    return Event(f"{name}: {levers}", pull)


def fails(name: str, number: int, rate: float) -> Event:
    version = VERSIONS[name][number]
    return Event(f"{version} fails {rate}", lambda world, _: setattr(world.models[version], "error_rate", rate))


def breaks(name: str, number: int, pods: int) -> Event:
    version = VERSIONS[name][number]
    return Event(f"break {pods} pods of {version}", lambda world, _: named(world, name).break_pods(version, pods))


def killed(number: int, after: bool) -> Event:
    def arm(world: World, watchdog: GroupWatchdog) -> None:
        world.api.kill_at, world.api.kill_after_effect = number, after

    return Event(f"kill at write {number} {after=}", arm)


def wipes(name: str, rollout: bool) -> Event:
    def wipe(world: World, watchdog: GroupWatchdog) -> None:
        one = named(world, name)
        world.wipe_status(one.rollout if rollout else one.deployment)

    return Event(f"wipe the status of {name} {rollout=}", wipe)


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
NUMBERS = st.integers(0, 2)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(commits, NAMES, NUMBERS, RELEASES),
    st.builds(releases, st.tuples(NUMBERS, NUMBERS), RELEASES),
    st.builds(pulls, NAMES, st.sampled_from(LEVERS)),
    st.builds(fails, NAMES, NUMBERS, st.sampled_from([0.0, 0.5])),
    st.builds(breaks, NAMES, NUMBERS, st.integers(0, 2)),
    st.builds(killed, st.integers(0, 9), st.booleans()),
    st.builds(wipes, NAMES, st.booleans()),
    st.just(Event("restart", lambda world, _: world.restart())),
    st.just(Event("API server down", lambda world, _: setattr(world.api, "down", True))),
    st.just(Event("API server up", lambda world, _: setattr(world.api, "down", False))),
)
STORIES = st.lists(st.tuples(st.integers(1, 6), EVENTS), min_size=2, max_size=14)


async def told(story: list[tuple[int, Event]]) -> None:
    """Tell a story; then a release of two good versions comes in peace, and both members serve it in the end."""
    world, other = await pair(**SPEC)
    for version in (*VERSIONS["fraud"], *VERSIONS["prep"], "9", "p9"):
        world.models[version] = Model(seconds_to_load=1)
    watchdog = GroupWatchdog(world)
    for seconds, event in story:
        event.happen(world, watchdog)
        await world.run(seconds)
    world.api.down, world.kubelet.unready = False, set()
    await world.run(15)
    world.commit(member("fraud", "9", "r9", **SPEC))
    await world.run(5)
    world.commit(member("prep", "p9", "r9", **SPEC))
    for _ in range(90):
        for one in (world, other):
            if not one.rollout["spec"].get("promote") and one.tried in {"9", "p9"}:
                one.lever(promote={"throughStep": 4})
        await world.tick()
    assert (world.routed, other.routed) == ({"9": 100}, {"p9": 100})
    world.api.writes.clear()
    await world.run(20)
    assert world.api.writes == []


@told_in(15, 300, seconds=300)
@given(STORIES)
def test_members_move_together_whatever_happens(story: list[tuple[int, Event]]) -> None:
    """And a good release gets through in the end, whatever was before."""
    asyncio.run(told(story))
