"""Looks at many rollouts: weighed together, and worth a pass only when they bring something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from serinus.core.analysis import foretelling
from serinus.core.analysis.comparison import Feed, Weighed
from serinus.core.model.assessment import Look, Stage
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import RolloutPlan
from serinus.runtime import sampler, sampling, weighing
from tests.support.world.given import ERROR_RATE, fraud, serving
from tests.support.world.given import STEPS as SHORT
from tests.support.world.grouped import member
from tests.support.world.kubelet import Model
from tests.support.world.served import Served
from tests.support.world.world import KEY, START, World

LATENCY: Json = {"name": "latency-p99", "preset": "latency", "quantile": "0.99"}
DEFAULT: Json = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
STEPS: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {}}]
MODELS = {"fraud": Model(error_rate=0.004), "prep": Model(error_rate=0.05), "rank": Model()}
"""One as good as stable, one worse, and one better."""


def manifest(name: str, version: str) -> Json:
    if name == "fraud":
        return fraud(version, steps=STEPS, analysis=DEFAULT)
    return member(name, version, None, steps=STEPS, analysis=DEFAULT)


COHORT: Json = {"setHeaderRoute": {"match": [{"headerName": "X-Tier", "headerValue": {"exact": "premium"}}]}}
LIMITED: Json = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}]}


async def walked(*, apart: frozenset[str] = frozenset()) -> tuple[list[Any], int]:
    """Try a version of each at the same time: where they stand, second by second, and how many passes that takes."""
    world = World()
    world.weighed_apart = apart
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
    monkeypatch.setattr(weighing, "FEWEST_TOGETHER", 1000)
    one_by_one, _ = await walked()
    assert one_by_one == together
    assert {phase for _, phase, _, _ in together[-1]} == {"Paused", "Reverted"}


async def test_who_cannot_be_weighed_beside_others_costs_them_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own passes weigh it, all others have their looks, and the log says it once a stage."""
    together, _ = await walked()
    stage_of, feed = sampling.stage_of, foretelling.feed

    def wrong(plan: RolloutPlan, *rest: Any) -> Stage:
        stage = stage_of(plan, *rest)
        return replace(stage, weight=101) if plan.canary.startswith("rank") else stage

    def picky(weighed: Weighed, look: Look, stage: Stage, *streams: Any) -> Feed:
        if stage.weight == 101:
            raise ValueError("not this one")
        return feed(weighed, look, stage, *streams)

    monkeypatch.setattr(sampling, "stage_of", wrong)
    monkeypatch.setattr(foretelling, "feed", picky)
    with capture_logs() as logs:
        apart, _ = await walked(apart=frozenset({"rank"}))
    assert apart == together
    assert [one["key"] for one in logs if one["event"] == "a look cannot be weighed beside others"] == ["ml/rank"] * 2


async def beside(steps: list[Json], analysis: Json = LIMITED) -> tuple[World, Served]:
    """Version 2 of `fraud` is about to take these steps, and one of `prep` has a weight for good."""
    world, long = World(), [{"setWeight": 10}, {"pause": {}}]
    other = world.beside("prep")
    for version in ("1", "2", "p1", "p2"):
        world.models[version] = Model()
    world.commit(fraud("1", steps=steps, analysis=analysis))
    world.commit(member("prep", "p1", None, steps=long, analysis=analysis))
    await world.until(lambda w: w.phase == "Succeeded" and other.phase == "Succeeded")
    world.cohort = 20.0
    world.commit(fraud("2", steps=steps, analysis=analysis))
    world.commit(member("prep", "p2", None, steps=long, analysis=analysis))
    return world, other


async def assert_reverts(world: World, other: Served) -> None:
    """A bad version beside it is taken back; that its looks may not have been weighed is what `World` asserts."""
    world.models["p2"].error_rate = 0.5
    await world.until(lambda w: other.phase == "Reverted", limit=30)


async def test_on_the_way_from_copies_to_a_cohort_others_have_their_looks() -> None:
    """What is gathered on copies waits meanwhile: a cohort is compared with nobody."""
    world, other = await beside(
        [{"setMirrorRoute": {"percentage": 50}}, {"pause": {"duration": "20s"}}, COHORT, {"pause": {}}]
    )
    await world.until(lambda w: w.state.get("exposure") == "x-tier=premium", limit=90)
    await world.run(5)
    await assert_reverts(world, other)


async def test_back_at_a_cohort_others_have_their_looks() -> None:
    """It has lost its pods at a weight, and begins again."""
    world, other = await beside([COHORT, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {}}])
    await world.until(lambda w: w.weight == 50 and other.weight == 10)
    await world.run(30)
    world.break_pods("2", 9)
    await world.until(lambda w: w.weight == 0, limit=20)
    world.kubelet.unready = set()
    await world.until(lambda w: w.state.get("exposure") == "x-tier=premium", limit=60)
    await assert_reverts(world, other)


@pytest.mark.parametrize(
    ("analysis", "seconds"),
    [pytest.param(LIMITED, 33, id="error-rate")]
    + [pytest.param(DEFAULT, seconds, id=f"with-histograms-{seconds}s") for seconds in (41, 42, 43, 44, 45)],
)
async def test_what_was_passed_by_counts_where_the_stage_ends(
    analysis: Json, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary loses its pods, and the pass that says so judges no look: the evidence is that of a pass a look.

    Wherever in a cell of five seconds that is.
    """
    found = []
    for most in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", most)
        world, _ = await beside([{"setWeight": 50}, {"pause": {}}], analysis)
        await world.until(lambda w: w.weight == 50 and w.state.get("verdict") == "Safe")
        await world.run(seconds)
        world.break_pods("2", 9)
        await world.until(lambda w: w.weight == 0, limit=5)
        found.append(evidence_of(world))
    assert found[0] == found[1]


@pytest.mark.parametrize("pause", ["62s", "64s"])
async def test_what_was_put_off_counts_where_the_weight_rises(pause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters and histograms of a cell that the next stage cuts off: the evidence is that of a pass a look."""
    found = []
    for most in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", most)
        steps: list[Json] = [{"setWeight": 50}, {"pause": {"duration": pause}}, {"setWeight": 80}, {"pause": {}}]
        world, _ = await beside(steps, DEFAULT)
        took = await world.until(lambda w: w.weight == 80)
        found.append((took, evidence_of(world)))
    assert found[0] == found[1]


def evidence_of(world: World) -> Json:
    known = world.memories.of(KEY, world.deployment["metadata"]["uid"]).rollouts
    (state,) = [one.state for one in known.values() if one.state.active]
    assert isinstance(state.analysis.gathered, Weighed)
    return state.analysis.gathered.monitor.to_dict()


@pytest.mark.parametrize("analysis", [LIMITED, {"mode": "Threshold"}], ids=["Sequential", "Threshold"])
async def test_a_rise_that_waits_for_the_gateways_is_never_passed_by(
    analysis: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They follow again, and the weight rises as soon as where each look has its pass."""
    took = []
    for most in (sampler.CALM_PASSES_A_SECOND, 0.0):
        monkeypatch.setattr(sampler, "CALM_PASSES_A_SECOND", most)
        world, _ = await beside(SHORT, analysis)
        await world.until(lambda w: w.weight == 10)
        world.stop_istiod()
        took.append(await world.until(lambda w: w.reason == "RouteNotFollowed"))
        await world.run(7)
        world.data_plane.start()
        took.append(await world.until(lambda w: w.weight == 100, limit=200))
    assert took[:2] == took[2:]


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
