"""Of several rollouts that are looked at together, who is over a limit has its pass before those that are well."""

from __future__ import annotations

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from tests.support.world import Model, World
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.grouped import member
from tests.support.world.served import Served

STEPS: list[Json] = [{"setWeight": 50}, {"pause": {}}]
LIMITED: Json = {"metrics": [{**ERROR_RATE, "minSamples": 5}], "interval": "1s"}
WELL = ("a", "b", "c", "d")


async def several() -> tuple[World, Served]:
    """Six with half of their traffic on a canary; the last one to begin is the one that goes bad."""
    world = World()
    served = {"fraud": world, **{name: world.beside(name) for name in (*WELL, "last")}}
    for version in ("1", "2"):
        for name in served:
            world.models[f"{name}-{version}"] = Model()
            analysed = {"steps": STEPS, "analysis": LIMITED}
            of = f"{name}-{version}"
            world.commit(fraud(of, **analysed) if name == "fraud" else member(name, of, None, **analysed))
        wanted = {"Succeeded"} if version == "1" else {"Paused"}
        await world.until(lambda _, wanted=wanted: {one.phase for one in served.values()} == wanted)
    return world, served["last"]


async def test_who_is_over_a_limit_goes_before_those_that_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them wait for a pass in that second; one turn in four is for those that do not press."""
    world, last = await several()
    passes: list[str] = []
    run_pass = world.engine.run_pass

    async def noted(key: Key) -> bool:
        passes.append(key.name)
        return await run_pass(key)

    take_looks = world.sampler.take_looks

    async def looked(interval: float) -> None:
        passes.clear()
        for name in ("fraud", *WELL):
            world.engine.wake(Key("ml", name))
        await take_looks(interval)

    monkeypatch.setattr(world.engine, "run_pass", noted)
    monkeypatch.setattr(world.sampler, "take_looks", looked)
    world.models["last-2"].error_rate = 1.0
    await world.until(lambda _: not last.weight, limit=60)
    assert set(passes) == {"fraud", *WELL, "last"}
    assert passes.index("last") <= 1
