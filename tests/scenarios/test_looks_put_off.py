"""Where very many rollouts are live, a look is taken only where a glance at the counters finds that it can say more."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import Json
from serinus.runtime import sampler
from tests.support.world.given import ERROR_RATE, HALF, fraud
from tests.support.world.grouped import member
from tests.support.world.kubelet import Model
from tests.support.world.served import Served
from tests.support.world.world import World

LATENCY: Json = {"name": "latency-p99", "preset": "latency", "quantile": "0.99"}
LIMITED = [{**ERROR_RATE, "minSamples": 5}, LATENCY]
COMPARED = [{"name": "error-rate", "preset": "error-rate"}, LATENCY]
"""Without any limit: only the comparison with stable decides."""
NAMES = "fraud", "prep", "rank"
CALM_SECONDS = 40
Standing = tuple[Any, ...]


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three rollouts be more than there is time for."""
    monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", 0.0)


def manifest(name: str, version: str, metrics: list[Json]) -> Json:
    analysis = {"mode": "Sequential", "metrics": metrics}
    if name == "fraud":
        return fraud(version, steps=HALF, analysis=analysis)
    return member(name, version, None, steps=HALF, analysis=analysis)


async def half_way(metrics: list[Json] = LIMITED) -> tuple[World, dict[str, Served]]:
    """Three canaries with half of the requests, each as good as stable, and everybody knows it."""
    world = World(requests_per_second=200)
    served: dict[str, Served] = {"fraud": world, **{name: world.beside(name) for name in NAMES[1:]}}
    for name in NAMES:
        world.models[f"{name}-1"] = world.models[f"{name}-2"] = Model(error_rate=0.004)
        world.commit(manifest(name, f"{name}-1", metrics))
    await world.until(lambda _: all(one.phase == "Succeeded" for one in served.values()))
    for name in NAMES:
        world.commit(manifest(name, f"{name}-2", metrics))
    await world.until(lambda _: all(one.state.get("verdict") == "Safe" for one in served.values()))
    await world.run(20)
    return world, served


async def stands(seconds: int, world: World, served: dict[str, Served]) -> list[list[Standing]]:
    """Tell second by second where each stands."""
    told = []
    for _ in range(seconds):
        await world.tick()
        told.append([(one.weight, one.phase, one.reason, one.state.get("verdict")) for one in served.values()])
    return told


@pytest.mark.parametrize(
    ("metrics", "model", "found"),
    [
        pytest.param(LIMITED, Model(error_rate=0.3), "Reverted", id="over-the-limit"),
        pytest.param(COMPARED, Model(error_rate=0.3), "Reverted", id="worse-than-stable"),
        pytest.param(LIMITED, Model(seconds_to_answer=1.5), "Undecided", id="slower-than-stable"),
    ],
)
async def test_a_fault_is_found_in_the_same_second(
    monkeypatch: pytest.MonkeyPatch, metrics: list[Json], model: Model, found: str
) -> None:
    """Whether each look is taken, or none that can say nothing; what is slower looks worse for minutes first."""
    told = []
    for passes in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", passes)
        world, served = await half_way(metrics)
        world.models["prep-2"] = model
        told.append(await stands(60, world, served))
    assert told[0] == told[1]
    assert {name: one.phase for name, one in served.items() if name != "prep"} == {"fraud": "Paused", "rank": "Paused"}
    assert found in {served["prep"].phase, served["prep"].state.get("verdict")}


async def test_a_histogram_is_asked_for_once_a_cell(crowded: None) -> None:
    """Cells of time last five seconds; what counts answers is asked for each second."""
    world, _ = await half_way()
    world.prometheus.asked.clear()
    await world.run(CALM_SECONDS)
    counted = [query for query in world.prometheus.asked if query.startswith("istio_requests_total{")]
    timed = [
        query for query in world.prometheus.asked if query.startswith("istio_request_duration_milliseconds_bucket")
    ]
    assert len(counted) == CALM_SECONDS
    # The three began at the same second, and so do their cells.
    assert len(timed) <= CALM_SECONDS / 5 + 2


async def test_who_asks_for_a_look_that_was_put_off_is_told_of_now(crowded: None) -> None:
    """A pass that a pod has woken must not take a look of seconds ago for a source that does not answer."""
    world, _ = await half_way()
    ages = []
    for _ in range(CALM_SECONDS):
        await world.tick()
        for key, watch in world.sampler._watches.items():
            look = world.sampler.look(key, watch.rollout)
            assert look is not None
            ages.append(world.clock.now() - look.at)
    assert max(ages) < 0.5


async def test_an_outage_that_both_share_is_excused_in_the_same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stable's own scrapes are glanced at, too: what they show for a moment excuses the canary for a while."""
    told = []
    for passes in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", passes)
        world, served = await half_way()
        good, out = world.models["prep-1"], Model(error_rate=0.5)
        world.models["prep-1"] = world.models["prep-2"] = out
        stood = await stands(4, world, served)
        world.models["prep-1"] = world.models["prep-2"] = good
        told.append([*stood, *await stands(90, world, served)])
    assert told[0] == told[1]
    assert {one.phase for one in served.values()} == {"Paused"}
