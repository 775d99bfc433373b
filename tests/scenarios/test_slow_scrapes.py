"""Prometheus scrapes every half minute or minute: a canary is judged by scrapes, not by looks between them.

Or it shows them late: what has come is judged, and what has not come yet is waited for.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from serinus.runtime.watch import WARM_UP_SECONDS
from tests.support.world import KEY, World, serving
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

SCRAPED = pytest.mark.parametrize("every", [15, 30, 60], ids=lambda every: f"every {every} s")
MODES = pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
LATE = pytest.mark.parametrize(
    ("every", "late", "look"),
    [(5, 20, 5), (5, 45, 10), (15, 30, 5), (30, 45, 5)],
    ids=lambda seconds: f"{seconds} s",
)
METRICS = [ERROR_RATE, {"name": "latency", "preset": "latency", "thresholdRange": {"max": "900ms"}}]
STEPS = [{"setWeight": 10}, {"pause": {"duration": "4m"}}, {"setWeight": 50}, {"pause": {"duration": "4m"}}]


async def begun(mode: str, every: int, *, late: float = 0, look: int = 5) -> World:
    analysis = {"mode": mode, "interval": f"{look}s", "metrics": METRICS}
    spec: dict[str, Any] = {"analysis": analysis, "steps": STEPS, "guard": {"duration": "5m"}}
    world = World()
    world.prometheus.every, world.prometheus.late = every, late
    await serving(world=world, **spec)
    await world.run(2 * every)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10, limit=200)
    return world


@SCRAPED
@MODES
async def test_a_good_version_is_never_called_blind(mode: str, every: int) -> None:
    """Nor without traffic: each stage waits for its first scrape, is judged, and stays so."""
    world = await begun(mode, every)
    seen: list[tuple[int, str, str]] = []

    def note() -> None:
        assessed = world.memories.of(KEY, world.deployment["metadata"]["uid"]).rollouts
        for known in assessed.values():
            found = known.state.assessment
            if found is not None and known.state.exposure.weight:
                seen.append((known.state.exposure.weight, found.verdict.value, found.reason.value))

    world.after_tick = note
    await world.until(lambda w: w.phase == "Guarding", limit=800)
    await world.run(240)
    assert {verdict for _, verdict, _ in seen} == {"Undecided", "Safe"}
    assert "NoTraffic" not in {reason for _, _, reason in seen}
    turns = [(one, other) for one, other in pairwise(seen) if one[:2] != other[:2] and one[0] == other[0]]
    assert {other[1] for _, other in turns} == {"Safe"}


@SCRAPED
@MODES
async def test_a_bad_version_is_reverted_by_the_first_scrapes_that_show_it(mode: str, every: int) -> None:
    """Two, at most three, whatever the window."""
    world = await begun(mode, every)
    await world.run(90)
    world.models["2"].error_rate = 0.5
    assert await world.until(lambda w: w.phase == "Reverted", limit=300) <= 3 * every + 5


@LATE
@MODES
async def test_requests_that_nobody_has_seen_yet_are_seen_when_they_come(
    mode: str, every: int, late: int, look: int
) -> None:
    """Nobody was asked about before, and nothing is shown yet when the first looks are taken."""
    world = await begun(mode, every, late=late, look=look)
    await world.until(lambda w: w.state.get("verdict") == "Safe", limit=late + 100)
    world.models["2"].error_rate = 0.5
    assert await world.until(lambda w: w.phase == "Reverted", limit=300) <= late + max(3 * every, 30) + look


@pytest.mark.parametrize(("every", "late"), [(5, 45), (10, 30)], ids=lambda seconds: f"{seconds} s")
async def test_a_look_between_two_late_scrapes_is_not_blind(every: int, late: int) -> None:
    """The newest scrape is always that old: nothing has failed to come, and no rise waits for it."""
    world = await begun("Sequential", every, late=late, look=1)
    await world.until(lambda w: w.sampler.sources()["default"][1] >= late, limit=120)
    seen = set[str]()
    world.after_tick = lambda: seen.add(world.state.get("verdict", ""))
    await world.until(lambda w: w.phase == "Guarding", limit=800)
    assert seen == {"Undecided", "Safe"}


async def test_latency_without_a_scrape_since_its_warm_up_is_no_want_of_traffic() -> None:
    """Thirty seconds into a stage its window begins, and is empty until the next scrape."""
    world = await begun("Sequential", 30)
    messages: set[str] = set()

    def note() -> None:
        known = world.memories.of(KEY, world.deployment["metadata"]["uid"]).rollouts.values()
        found = [one.state.assessment for one in known if one.state.assessment and one.state.exposure.weight]
        messages.update(one.message for assessed in found for one in assessed.findings if one.metric == "latency")

    world.after_tick = note
    await world.run(70)
    assert any("warm up" in message for message in messages)
    assert any("no whole scrape interval yet since the warm-up ended" in message for message in messages)
    assert not any("no request" in message for message in messages)


@SCRAPED
async def test_cold_answers_do_not_count_although_their_scrape_comes_when_pods_are_warm(every: int) -> None:
    """Two seconds for each answer in the first half minute: over the limit, and unlike stable."""
    world = await begun("Sequential", every)
    world.models["2"].seconds_to_answer = 2.0
    await world.run(WARM_UP_SECONDS - 1)
    world.models["2"].seconds_to_answer = 0.0
    reasons: set[str] = set()
    world.after_tick = lambda: reasons.add(world.reason)
    await world.until(lambda w: w.phase in {"Guarding", "Reverted"}, limit=1000)
    assert world.phase == "Guarding"
    assert reasons.isdisjoint({"LooksWorse", "Suspicious", "LimitExceeded", "CommonCause"})


@SCRAPED
@MODES
async def test_a_service_that_has_just_begun_to_be_asked_is_not_called_blind_either(mode: str, every: int) -> None:
    """No series of it tells how often is scraped: the gateway's other scrapes do, before the first weight."""
    analysis = {"mode": mode, "interval": "1s", "metrics": METRICS}
    spec: dict[str, Any] = {"analysis": analysis, "steps": STEPS, "guard": {"duration": "5m"}}
    world = World(requests_per_second=0)
    world.prometheus.every = every
    await world.run(4 * every)
    await serving(world=world, **spec)
    world.models["2"] = Model()
    world.commit(fraud("2", **spec))
    seen: set[tuple[str, str]] = set()

    def note() -> None:
        known = world.memories.of(KEY, world.deployment["metadata"]["uid"]).rollouts.values()
        found = [one.state.assessment for one in known if one.state.assessment and one.state.exposure.weight]
        seen.update((one.verdict.value, one.reason.value) for one in found)

    world.after_tick = note
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 10, limit=200)
    await world.run(every / 2)
    world.requests_per_second = 100
    await world.until(lambda w: w.phase == "Guarding", limit=800)
    assert {verdict for verdict, _ in seen} == {"Undecided", "Safe"}


@pytest.mark.parametrize("every", [5, 15, 30], ids=lambda every: f"every {every} s")
async def test_what_looks_worse_is_held_until_it_is_reverted(every: int) -> None:
    """Three in a hundred against one in a thousand, in pauses that end before anybody can be certain."""
    steps = [step for weight in (5, 25, 50) for step in ({"setWeight": weight}, {"pause": {"duration": "1m"}})]
    analysis = {"mode": "Sequential", "interval": "5s", "metrics": [ERROR_RATE]}
    world = World()
    world.prometheus.every = every
    world.models["1"] = Model(error_rate=0.001)
    await serving(world=world, steps=steps, analysis=analysis)
    await world.run(2 * every)
    world.models["2"] = Model(error_rate=0.03)
    world.commit(fraud("2", steps=steps, analysis=analysis))
    said: dict[str, str] = {}
    world.after_tick = lambda: said.update({world.reason: world.state.get("message", "")} if world.tried == "2" else {})
    await world.until(lambda w: w.phase in {"Reverted", "Guarding"} and w.tried == "2", limit=1200)
    assert world.phase == "Reverted"
    assert re.match(
        r"error-rate looks worse on the canary: odds [\d,.]+ to 1; .* of \d+ requests, stable .*; "
        r"held until it is certain, at most \d+ (s|min) more",
        said["LooksWorse"],
    )
