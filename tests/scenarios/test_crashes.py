"""The operator is killed at every single write, before and after it takes effect; the next process goes on.

Throughout, the invariants hold; in the end the world is as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog, healthy
from tests.support.world import Model, World, fraud, serving

pytestmark = WITH_EACH_API

STEPS = [{"setWeight": 20}, {"pause": {"duration": "2s"}}, {"setWeight": 50}, {"pause": {"duration": "2s"}}]
QUICK: dict[str, Any] = {"steps": STEPS, "guard": {"duration": "4s"}, "scaling": {"minReplicas": 2}}
Story = Callable[[World], Awaitable[None]]


async def serves(world: World) -> None:
    """Version 1 serves."""
    world.models["1"] = Model(seconds_to_load=1)
    await serving(world=world, **QUICK)
    await world.run(2)


async def first(world: World) -> None:
    """The very first revision, from a ConfigMap, goes straight to 100 %."""
    model = {"version": "1", "storageUri": "configmap://model-1"}
    world.api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "model-1"}, "data": {"model.py": "1"}})
    world.models["1"] = Model(seconds_to_load=1)
    world.commit(fraud("1", model=model, **QUICK))
    await world.run(12)


async def good(world: World) -> None:
    """A good revision walks to 100 % and becomes stable."""
    world.models["2"] = Model(seconds_to_load=1)
    world.commit(fraud("2", **QUICK))
    await world.run(36)


async def bad(world: World) -> None:
    """A bad one is taken back and its pods go."""
    world.models["2"] = Model(seconds_to_load=1, error_rate=0.5)
    world.commit(fraud("2", **QUICK))
    await world.run(26)


async def scaled(world: World) -> None:
    """A good one gets more pods than its weight needs, and fewer again."""
    three, match = ({"setCanaryScale": scale} for scale in ({"replicas": 3}, {"matchTrafficWeight": True}))
    world.models["2"] = Model(seconds_to_load=1)
    world.commit(fraud("2", **{**QUICK, "steps": [three, *STEPS[:2], match, *STEPS[2:]]}))
    await world.run(36)


async def rejected(world: World) -> None:
    await serves(world)
    await bad(world)


async def retried(world: World) -> None:
    """A bad one was mended and is retried."""
    world.models["2"].error_rate = 0.0
    world.lever(retry="mended")
    await world.run(36)


async def half_way(world: World) -> None:
    await serves(world)
    world.models |= {"2": Model(seconds_to_load=1), "3": Model(seconds_to_load=1)}
    world.commit(fraud("2", **QUICK))
    await world.run(6)


async def superseded(world: World) -> None:
    """A good one is superseded in mid-rollout by another good one."""
    world.commit(fraud("3", **QUICK))
    await world.run(40)


async def restored(world: World) -> None:
    """The spec goes back to stable in mid-rollout."""
    world.commit(fraud("1", **QUICK))
    await world.run(20)


async def nothing(world: World) -> None:
    pass


STORIES: dict[str, tuple[Story, Story]] = {
    "first": (nothing, first),
    "good": (serves, good),
    "bad": (serves, bad),
    "scaled": (serves, scaled),
    "superseded": (half_way, superseded),
    "restored": (half_way, restored),
    "retried": (rejected, retried),
}


async def told(start: World, name: str, *, kill_at: int | None = None, after_effect: bool = False) -> World:
    """Tell a story from where a world stands, which stays as it is."""
    world = start.twin() if start.api.objects else World()
    await world.settle()
    watchdog = Watchdog(world)
    watchdog.retries = {"mended"} if name == "retried" else set()
    world.api.writes.clear()
    world.api.kill_at, world.api.kill_after_effect = kill_at, after_effect
    await STORIES[name][1](world)
    healthy(world)
    return world


def outcome(world: World) -> Json:
    """What must not depend on crashes: everything but times, counts, uids and words."""
    return {
        "routed": world.routed,
        "rollouts": [
            (one["metadata"]["name"], one["status"]["phase"], one["status"]["reason"], one["status"]["weight"])
            for one in world.rollouts
        ],
        "rejected": [(entry["revision"], entry["policy"]) for entry in world.status["rejected"]],
        "conditions": [(one["type"], one["status"], one["reason"]) for one in world.status["conditions"]],
        "serving": world.status["serving"],
        "objects": sorted((one["kind"], one["metadata"]["name"]) for one in world.api.objects.values()),
    }


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("name", STORIES)
async def test_killed_at_any_write_the_story_ends_as_it_should(name: str, after_effect: bool) -> None:
    """Every write of the whole story is tried."""
    start = World()
    await STORIES[name][0](start)
    untouched = await told(start, name)
    expected, writes = outcome(untouched), list(untouched.api.writes)
    assert len(writes) > 5
    for number, write in enumerate(writes):
        world = await told(start, name, kill_at=number, after_effect=after_effect)
        assert world.restarts == 1, f"write {number}, {write}"
        assert outcome(world) == expected, f"killed at write {number}, {write}"
