"""What was counted before a stage began does not judge it, however long its writes take."""

from __future__ import annotations

from serinus.core.model.kinds import Json
from tests.support.world import KEY, Model, World, trying


async def test_a_look_during_the_raise_counts_from_the_new_stage_on() -> None:
    """A second attempt is not condemned by the first one's errors: its stage is known before it is written."""
    world = await trying("2", at=10, model=Model(error_rate=0.5))
    await world.until(lambda w: w.phase == "Reverted")
    world.models["2"].error_rate = 0.0
    counted_from: list[float | None] = []
    world.api.on_write = lambda verb, manifest: _watch_raise(world, verb, manifest, counted_from)
    world.lever(retry="mended")
    await world.until(lambda w: w.routed.get("2") == 10)
    assert counted_from
    assert None not in counted_from


def _watch_raise(world: World, verb: str, manifest: Json, counted_from: list[float | None]) -> None:
    if verb == "status" and manifest["kind"] == "Rollout" and manifest["status"]["weight"] == 10:
        counted_from.append(world.sampler._watches[KEY].since)
