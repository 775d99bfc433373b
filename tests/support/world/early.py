"""An operator that has just started and knows of the whole cluster only what it has read by itself."""

from __future__ import annotations

import copy
from typing import Final

from serinus.core.model import kinds
from serinus.core.model.identity import Key
from serinus.core.model.kinds import GATEWAY, ISTIO_GATEWAY, MODEL_DEPLOYMENT, Kind
from tests.support.world.world import World

ALL_KINDS: Final = frozenset(one for one in vars(kinds).values() if isinstance(one, Kind))


async def restart_early(world: World) -> None:
    """Start a new process: no watch tells of anything, and who sends somebody to a canary is read by itself."""
    world.known, world.api.unwatched = False, set(ALL_KINDS)
    world.restart()
    await world.rereading.live()
    for key in sorted(world.engine.shown()):
        world.engine.put_in_front(key)


def know(world: World) -> None:
    """Let the operator list everything, and watch it from now on."""
    world.known, world.api.unwatched = True, set()
    world.early.known.set()
    for manifest in (*world.api.objects.values(), *world.platform.gateways.values()):
        world.api.cache.store(copy.deepcopy(manifest))
    now = str(next(world.api._versions))
    for kind in ALL_KINDS - {GATEWAY, ISTIO_GATEWAY}:
        world.api.cache.retain(kind, {place[1:] for place in world.api.objects if place[0] == kind}, now)
    for place in world.api.cache.all(MODEL_DEPLOYMENT):
        world.engine.wake(Key(*place))
