"""Looks at many rollouts: weighed together, and worth a pass only when they bring something."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import Json
from serinus.runtime import sampler
from tests.support.world.given import ERROR_RATE, fraud, serving
from tests.support.world.grouped import member
from tests.support.world.kubelet import Model
from tests.support.world.world import START, World

LATENCY: Json = {"name": "latency-p99", "preset": "latency", "quantile": "0.99"}
DEFAULT: Json = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
STEPS: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {}}]
MODELS = {"fraud": Model(error_rate=0.004), "prep": Model(error_rate=0.05), "rank": Model()}
"""One as good as stable, one worse, and one better."""


def manifest(name: str, version: str) -> Json:
    if name == "fraud":
        return fraud(version, steps=STEPS, analysis=DEFAULT)
    return member(name, version, None, steps=STEPS, analysis=DEFAULT)


async def walked() -> tuple[list[Any], int]:
    """Try a version of each at the same time: where they stand, second by second, and how many passes that takes."""
    world = World()
    served = {"fraud": world, **{name: world.beside(name) for name in ("prep", "rank")}}
    for name in served:
        world.models[f"{name}-1"], world.models[f"{name}-2"] = Model(error_rate=0.004), MODELS[name]
        world.commit(manifest(name, f"{name}-1"))
    await world.until(lambda _: all(one.phase == "Succeeded" for one in served.values()))
    for name in served:
        world.commit(manifest(name, f"{name}-2"))
    told, passes = [], list[float]()
    world.engine.on_pass = lambda seconds, failure: passes.append(seconds)
    for _ in range(120):
        await world.tick()
        told.append([(one.weight, one.phase, one.reason, one.state.get("message")) for one in served.values()])
    return told, len(passes)


async def test_rollouts_are_judged_the_same_whether_together_or_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts, reasons and the numbers in them, second by second; one of them is worse, and is taken back."""
    together, _ = await walked()
    monkeypatch.setattr(sampler, "FEWEST_TOGETHER", 1000)
    one_by_one, _ = await walked()
    assert one_by_one == together
    assert {phase for _, phase, _, _ in together[-1]} == {"Paused", "Reverted"}


async def test_a_pass_may_wait_only_where_nothing_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load a look that changes nothing is taken in later; whatever changes does so in the very same second."""
    at_each_look, many = await walked()
    monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", 0.0)
    under_load, few = await walked()
    for one, other in zip(under_load, at_each_look, strict=True):
        assert [standing[:3] for standing in one] == [standing[:3] for standing in other]
    assert few < many - 50


async def test_a_look_without_a_new_scrape_costs_no_pass() -> None:
    """All is well, and is looked at each second; scraped it is every fifteen, and each scrape is taken in at once."""
    world = World()
    world.prometheus.every = 15.0
    long = [{"setWeight": 50}, {"pause": {}}]
    await serving(world=world, steps=long, analysis=DEFAULT)
    world.models["2"] = Model()
    world.commit(fraud("2", steps=long, analysis=DEFAULT))
    await world.until(lambda w: w.routed.get("2") == 50 and w.state.get("verdict") == "Safe", limit=300)
    await world.run(20)
    passes = list[float]()
    world.engine.on_pass = lambda seconds, failure: passes.append(world.clock.monotonic())
    scraped = len(world.prometheus.scrape_times)
    await world.run(60)
    scrapes = {at - START for at in list(world.prometheus.scrape_times)[scraped:]}
    assert len(scrapes) == 4
    assert scrapes <= set(passes)
    assert len(passes) <= 30
