"""Sources that show their samples late, beside what is known at once: each is judged by what it can have shown."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from tests.support.world import World, serving
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

STEPS = [{"setWeight": 10}, {"pause": {"duration": "4m"}}, {"setWeight": 50}, {"pause": {"duration": "4m"}}]
LATENCY = {"name": "latency", "preset": "latency", "thresholdRange": {"max": "900ms"}}
OWN = {"name": "psi", "query": 'psi{revision="{{revision}}"}', "thresholdRange": {"max": "0.9"}}
BESIDE_A_QUERY = [ERROR_RATE, LATENCY, OWN]
OF_TWO_SOURCES = [ERROR_RATE, {**LATENCY, "source": "thanos"}]
SECONDS = pytest.mark.parametrize(
    ("every", "late", "look"), [(5, 22, 1), (10, 33, 1), (15, 64, 5)], ids=lambda seconds: f"{seconds} s"
)


async def begun(metrics: list[Any], every: int, look: int, *, late: float = 0.0, thanos: float = 0.0) -> World:
    analysis = {"mode": "Sequential", "interval": f"{look}s", "metrics": metrics}
    spec: dict[str, Any] = {"analysis": analysis, "steps": STEPS, "guard": {"duration": "5m"}}
    world = World(others={"thanos": thanos} if thanos else {})
    world.prometheus.every, world.prometheus.late = every, late
    world.prometheus.own["psi{"] = lambda query: [0.1]
    await serving(world=world, **spec)
    await world.run(2 * every)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10, limit=300)
    return world


async def verdicts(world: World) -> list[str]:
    """Give the verdicts until the guard begins, one after the other, each once while it lasts."""
    seen: list[str] = []
    world.after_tick = lambda: seen.append(world.state.get("verdict", ""))
    await world.until(lambda w: w.phase == "Guarding", limit=900)
    return [verdict for verdict, _ in groupby(seen)]


@SECONDS
async def test_a_query_of_now_makes_no_late_preset_blind(every: int, late: int, look: int) -> None:
    """Each stage is Undecided once and Safe from then on, as it is without the query."""
    world = await begun(BESIDE_A_QUERY, every, look, late=late)
    await world.run(120)
    assert await verdicts(world) == ["Safe", "Undecided", "Safe"]


@SECONDS
async def test_of_two_sources_neither_is_blind_for_the_others_delay(every: int, late: int, look: int) -> None:
    """The error rate is shown at once, and latency as late as another source shows it."""
    world = await begun(OF_TWO_SOURCES, every, look, thanos=late)
    await world.run(140)
    assert await verdicts(world) == ["Safe", "Undecided", "Safe"]


async def test_a_bad_version_is_reverted_by_the_punctual_source() -> None:
    """Half of its answers are errors: nothing is waited for until the late source shows it."""
    world = await begun(OF_TWO_SOURCES, 5, 1, thanos=45)
    await world.run(120)
    world.models["2"].error_rate = 0.5
    assert await world.until(lambda w: w.phase == "Reverted", limit=60) < 30


@pytest.mark.parametrize(
    ("every", "late", "look"), [(5, 45, 1), (10, 33, 1), (15, 90, 5), (30, 100, 5)], ids=lambda seconds: f"{seconds} s"
)
async def test_after_a_restart_nobody_is_blind_for_a_delay_that_is_not_known_yet(
    every: int, late: int, look: int
) -> None:
    """The next scrape tells that the newest is always so old; until then nothing is judged."""
    world = await begun([ERROR_RATE, LATENCY], every, look, late=late)
    await world.until(lambda w: w.state.get("verdict") == "Safe", limit=300)
    seen: list[str] = []
    world.restart()
    world.after_tick = lambda: seen.append(world.state.get("verdict", ""))
    await world.run(60)
    assert "Blind" not in seen
    assert seen[-1] == "Safe"


async def test_after_a_restart_a_source_that_has_ceased_to_scrape_is_blind_when_two_scrapes_were_due() -> None:
    """It may have been late until then."""
    world = await begun([ERROR_RATE, LATENCY], 10, 1)
    await world.until(lambda w: w.state.get("verdict") == "Safe", limit=300)
    world.prometheus.scrapes = False
    await world.run(60)
    world.restart()
    reasons: set[str] = set()
    world.after_tick = lambda: reasons.add(world.reason)
    await world.run(2 * 10 + 3)
    assert (world.state["verdict"], world.reason) == ("Blind", "Stale")
    assert "WithinLimits" not in reasons
