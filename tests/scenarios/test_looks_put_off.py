"""Where very many rollouts are live, a look is taken only where a glance at the counters finds that it can say more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
TIMED: list[Json] = [{"setWeight": 50}, {"pause": {"duration": "3m"}}, {"setWeight": 80}, {"pause": {}}]
NAMES = "fraud", "prep", "rank"
CALM_SECONDS = 40
Standing = tuple[Any, ...]


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three rollouts be more than there is time for."""
    monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", 0.0)


def manifest(name: str, version: str, metrics: list[Json], steps: list[Json]) -> Json:
    analysis = {"mode": "Sequential", "metrics": metrics}
    if name == "fraud":
        return fraud(version, steps=steps, analysis=analysis)
    return member(name, version, None, steps=steps, analysis=analysis)


async def half_way(
    metrics: list[Json] = LIMITED, *, steps: list[Json] = HALF, every: float = 1.0
) -> tuple[World, dict[str, Served]]:
    """Three canaries with half of the requests, each as good as stable, and everybody knows it."""
    world = World(requests_per_second=200)
    world.prometheus.every = every
    served: dict[str, Served] = {"fraud": world, **{name: world.beside(name) for name in NAMES[1:]}}
    for name in NAMES:
        world.models[f"{name}-1"] = world.models[f"{name}-2"] = Model(error_rate=0.004)
        world.commit(manifest(name, f"{name}-1", metrics, steps))
    await world.until(lambda _: all(one.phase == "Succeeded" for one in served.values()))
    for name in NAMES:
        world.commit(manifest(name, f"{name}-2", metrics, steps))
    await world.until(lambda _: all(one.state.get("verdict") == "Safe" for one in served.values()), limit=500)
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


def _no_more_scrapes(world: World, _: Served) -> None:
    world.prometheus.scrapes = False


def _source_gone(world: World, _: Served) -> None:
    world.prometheus.reachable = False


def _callers_blamed(world: World, _: Served) -> None:
    world.models["prep-2"] = Model(error_rate=0.3, error_code="404")


def _no_answers(world: World, _: Served) -> None:
    world.models["prep-2"] = Model(answers=False)


def _stable_bad(world: World, _: Served) -> None:
    world.models["prep-1"] = Model(error_rate=0.5)


def _nobody_asks(_: World, prep: Served) -> None:
    prep.requests_per_second = 0


def _streams_opened(world: World, prep: Served) -> None:
    world.prometheus.stream_messages[prep.revision("prep-2")] = 600.0


@pytest.mark.parametrize(
    ("happens", "every"),
    [
        pytest.param(_no_more_scrapes, 1.0, id="no-more-scrapes"),
        pytest.param(_no_more_scrapes, 5.0, id="no-more-scrapes-that-were-seldom"),
        pytest.param(_source_gone, 1.0, id="the-source-is-gone"),
        pytest.param(_callers_blamed, 1.0, id="errors-that-blame-callers"),
        pytest.param(_no_answers, 1.0, id="no-answers"),
        pytest.param(_stable_bad, 1.0, id="stable-is-bad"),
        pytest.param(_nobody_asks, 1.0, id="nobody-asks"),
        pytest.param(_streams_opened, 1.0, id="streams-that-nobody-judges"),
    ],
)
async def test_whatever_the_counters_show_is_seen_in_the_same_second(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[World, Served], None], every: float
) -> None:
    """Also that they show nothing any more; the two beside it go on, where it is not theirs as well."""
    told = []
    for passes in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", passes)
        world, served = await half_way(every=every)
        happens(world, served["prep"])
        told.append(await stands(45, world, served))
    assert told[0] == told[1]


async def test_no_weight_rises_before_all_that_was_put_off_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Histograms with other buckets, which no counter tells of, come two seconds before the pause is over."""
    world, served = await half_way(steps=TIMED)
    rises = await world.until(lambda _: served["prep"].weight == 80)
    told = []
    for passes in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", passes)
        world, served = await half_way(steps=TIMED)
        await world.run(rises - 2)
        world.prometheus.layouts[served["prep"].revision("prep-2")] = ("20", "200", "+Inf")
        await world.run(12)
        told.append({name: one.weight for name, one in served.items()})
    assert told[0] == told[1] == {"fraud": 80, "prep": 50, "rank": 80}


async def test_a_look_that_was_put_off_is_no_newer_than_what_was_asked(crowded: None) -> None:
    """A source that hangs for seconds is overdue, whoever asks for a look meanwhile."""
    world, _ = await half_way()
    asked_at = 0.0
    while {one[-1].at for one in world.sampler._put_off.values()} != {asked_at}:
        await world.tick()
        asked_at = round(world.clock.now(), 3)
    world.clock.move(4.0)
    for key, watch in world.sampler._watches.items():
        look = world.sampler.look(key, watch.rollout)
        assert look is not None
        assert look.at == asked_at


async def test_a_source_that_hangs_keeps_no_weight_on_a_canary_without_pods(
    crowded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put off is asked for before the stage ends, and not waited for."""
    world, served = await half_way()

    async def hangs(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.prometheus, "ask", hangs)
    world.break_pods("fraud-2", 9)
    world.kubelet.run()
    await world.settle()
    assert (world.weight, served["prep"].weight) == (0, 50)


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
