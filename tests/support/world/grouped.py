"""Two ModelDeployments that move together: `fraud` scores what `prep` prepares."""

from __future__ import annotations

from typing import Any

from serinus.core.model.kinds import Json
from tests.support.world.given import fraud, routed_by
from tests.support.world.kubelet import Model
from tests.support.world.platform import ROUTING
from tests.support.world.served import Served
from tests.support.world.world import World

GROUP = "flow"


def member(name: str, version: str, release: str | None, **spec: Any) -> Json:
    """A member of the group, with the short stages of `fraud`; without a release it is in no group."""
    manifest = fraud(version, **spec)
    manifest["metadata"]["name"] = name
    manifest["spec"]["traffic"] = routed_by(ROUTING.get(), f"{name}.example.com")
    if release is not None:
        manifest["spec"]["group"] = {"name": GROUP, "release": release}
    return manifest


def scorer(version: str, release: str | None, **spec: Any) -> Json:
    return member("fraud", version, release, **spec)


def prep(version: str, release: str | None, **spec: Any) -> Json:
    """Its versions are p1, p2 and so on."""
    return member("prep", version, release, **spec)


async def pair(**spec: Any) -> tuple[World, Served]:
    """A world in which both serve release r1; versions 2, 3, p2 and p3 are good ones."""
    world = World()
    other = world.beside("prep")
    for version in ("1", "2", "3", "p1", "p2", "p3"):
        world.models[version] = Model()
    world.commit(scorer("1", "r1", **spec))
    world.commit(prep("p1", "r1", **spec))
    await world.until(lambda w: w.phase == "Succeeded" and other.phase == "Succeeded")
    await world.run(3)
    return world, other


async def moving(at: int = 50, **spec: Any) -> tuple[World, Served]:
    """The same, and both have got as far as a weight on their way to release r2."""
    world, other = await pair(**spec)
    world.commit(scorer("2", "r2", **spec))
    world.commit(prep("p2", "r2", **spec))
    await world.until(lambda w: w.routed.get("2") == at and other.routed.get("p2") == at)
    return world, other


def both(world: World, other: Served, phase: str) -> bool:
    """Whether both rollouts are in a phase."""
    return world.phase == other.phase == phase
