"""The operator is killed at every write by which a member of a group moves, between those of two members as well.

At each rest the members are a step apart at most, and in the end all is as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.group_invariants import GroupWatchdog
from tests.support.world import Model, World
from tests.support.world.grouped import pair, prep, scorer
from tests.support.world.served import Served

pytestmark = [WITH_EACH_API, pytest.mark.timeout(600)]

STEPS = [{"setWeight": 20}, {"pause": {"duration": "2s"}}, {"setWeight": 50}, {"pause": {"duration": "2s"}}]
QUICK: dict[str, Any] = {"steps": STEPS, "guard": {"duration": "4s"}, "scaling": {"minReplicas": 1}}
Story = Callable[[World, Served], Awaitable[None]]


async def good(world: World, other: Served) -> None:
    """Both become stable."""
    world.commit(scorer("2", "r2", **QUICK))
    world.commit(prep("p2", "r2", **QUICK))
    await world.run(26)


async def bad(world: World, other: Served) -> None:
    """One fails from its first weight on, and both go back."""
    world.models["p2"].error_rate = 0.5
    world.commit(scorer("2", "r2", **QUICK))
    world.commit(prep("p2", "r2", **QUICK))
    await world.run(16)


STORIES: dict[str, Story] = {"good": good, "bad": bad}


async def told(start: World, name: str, *, kill_at: int | None = None, after_effect: bool = False) -> World:
    """Tell a story from where a world stands, which stays as it is."""
    world = start.twin()
    await world.settle()
    GroupWatchdog(world)
    world.api.writes.clear()
    world.api.kill_at, world.api.kill_after_effect = kill_at, after_effect
    await STORIES[name](world, world.others[0])
    return world


def outcome(world: World) -> Json:
    """What must not depend on crashes."""
    return {
        one.name: {
            "routed": one.routed,
            "rollouts": [(each["metadata"]["name"], each["status"]["phase"]) for each in one.rollouts],
            "reason": one.rollout["status"]["reason"],
            "rejected": [entry["revision"] for entry in one.status.get("rejected", [])],
            "standing": one.status["group"]["standing"],
            "serving": one.status["serving"],
        }
        for one in (world, world.others[0])
    }


def moves(world: World, write: str) -> bool:
    """Whether a write begins or ends a rollout, or changes what anybody is shown."""
    return write.split()[1] in {"Rollout", world.provider.route.name}


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("name", STORIES)
async def test_killed_at_any_write_the_members_stay_together(name: str, after_effect: bool) -> None:
    """Every write of a Rollout or a route in the whole story is tried."""
    start, _ = await pair(**QUICK)
    start.models |= {version: Model(seconds_to_load=1) for version in ("2", "p2")}
    untouched = await told(start, name)
    expected, writes = outcome(untouched), list(untouched.api.writes)
    assert sum("status Rollout" in write for write in writes) > 5
    for number, write in enumerate(writes):
        if not moves(world=untouched, write=write):
            continue
        world = await told(start, name, kill_at=number, after_effect=after_effect)
        assert world.restarts == 1, f"write {number}, {write}"
        assert outcome(world) == expected, f"killed at write {number}, {write}"
