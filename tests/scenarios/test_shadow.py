"""A shadow stage: the canary gets copies, and is judged by its answers before anybody sees one."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import ERROR_RATE

pytestmark = WITH_EACH_API

SHADOW: list[Json] = [
    {"setMirrorRoute": {"percentage": 50}},
    {"pause": {"duration": "10s"}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
]
SEQUENTIAL: Json = {"analysis": {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}]}}


def spec(**more: Any) -> Json:
    return {"steps": SHADOW, **more}


async def shadowed(model: Model | None = None, **more: Any) -> World:
    """A canary that gets copies of half of the requests."""
    world = await serving(**spec(**more))
    world.models["2"] = model or Model()
    world.commit(fraud("2", **spec(**more)))
    await world.until(lambda w: w.split is not None and w.split.mirror == 50)
    Watchdog(world)
    return world


def answered_by(world: World, version: str) -> float:
    """How many users had an answer of a version."""
    return sum(number for (one, _), number in world.answers.items() if one == version)


@pytest.mark.parametrize("more", [{}, SEQUENTIAL], ids=["by limits", "by the test"])
async def test_a_good_version_is_judged_on_copies_and_goes_on_to_users(more: Json) -> None:
    """The copies end with the first weight."""
    world = await shadowed(**more)
    assert world.routed == {"1": 100, "2": 0}
    assert world.state["exposure"] == "mirror 50%"
    await world.run(8)
    assert answered_by(world, "2") == 0
    assert world.state["verdict"] == "Safe"
    await world.until(lambda w: w.routed.get("2") == 50)
    assert world.split is not None
    assert world.split.mirror == 0
    raised = [one for one in world.state["decisions"] if one["action"] == "Raised"]
    assert "mirror 50%" in raised[0]["message"]
    await world.until(lambda w: w.routed == {"2": 100})


@pytest.mark.parametrize("more", [{}, SEQUENTIAL], ids=["by limits", "by the test"])
async def test_a_version_that_fails_a_fifth_is_found_and_no_user_has_met_it(more: Json) -> None:
    """Its errors are copies' errors."""
    world = await shadowed(Model(error_rate=0.2), **more)
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert world.split is not None
    assert world.split.exposure_of(world.revision("2")) == Exposure()
    assert answered_by(world, "2") == 0


async def test_the_pods_of_a_shadow_can_bear_the_copies() -> None:
    """Half of the requests take half of the pods, whoever sees the answers."""
    world = await shadowed()
    await world.run(3)
    assert len(world.pods("2")) == 2


async def test_copies_that_nobody_counts_are_never_begun() -> None:
    """A gateway's own counters are of what callers see: it may hide its clusters, and pods may have no sidecar."""
    world = await serving(**spec())
    world.prometheus.counts_copies = False
    world.models["2"] = Model()
    world.commit(fraud("2", **spec()))
    await world.run(30)
    assert world.split is not None
    assert world.split.mirror == 0
    assert world.reason == "MirrorNotCounted"
    assert "proxyStatsMatcher" in world.state["message"]
    world.prometheus.counts_copies = True
    await world.until(lambda w: w.split is not None and w.split.mirror == 50)


@pytest.mark.parametrize("error_rate", [0.0, 0.2], ids=["a good one goes on", "a bad one ends"])
@pytest.mark.parametrize("more", [{}, SEQUENTIAL], ids=["by limits", "by the test"])
async def test_sidecars_count_copies_where_the_gateway_shows_no_cluster(more: Json, error_rate: float) -> None:
    """A pod's own proxy reports all that its model has answered."""
    world = await serving(**spec(**more))
    world.prometheus.counts_copies, world.prometheus.sidecars = False, True
    world.models["2"] = Model(error_rate=error_rate)
    world.commit(fraud("2", **spec(**more)))
    await world.until(lambda w: w.split is not None and w.split.mirror == 50)
    Watchdog(world)
    if error_rate:
        await world.until(lambda w: w.phase == "Reverted", limit=60)
        assert answered_by(world, "2") == 0
    else:
        await world.until(lambda w: w.routed.get("2") == 50)


async def test_a_query_that_says_nothing_of_copies_does_not_hold_them() -> None:
    """Conversions of copies are nobody's: the record says that they were not judged."""
    query = 'conversions{modeldeployment="{{name}}", revision="{{revision}}"}'
    own: Json = {"name": "conversions", "query": query, "thresholdRange": {"min": "10"}}
    world = await serving(**spec(analysis={"metrics": [ERROR_RATE, own]}))
    stable = world.revision("1").rpartition("-")[2]
    world.prometheus.own["conversions"] = lambda asked: [20.0] if stable in asked else []
    world.models["2"] = Model()
    world.commit(fraud("2", **spec(analysis={"metrics": [ERROR_RATE, own]})))
    await world.until(lambda w: w.routed.get("2") == 50)
    raised = [one for one in world.state["decisions"] if one["action"] == "Raised"][-1]
    assert "conversions not judged on copies: no data" in raised["message"]


async def test_a_query_that_has_numbers_of_copies_judges_them() -> None:
    """Drift, for example, is the pods' own counter."""
    own: Json = {
        "name": "drift",
        "query": 'drift{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"max": "10"},
    }
    world = await shadowed(analysis={"metrics": [ERROR_RATE, own]})
    stable = world.revision("1").rpartition("-")[2]
    world.prometheus.own["drift"] = lambda asked: [1.0 if stable in asked else 20.0]
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert answered_by(world, "2") == 0


async def test_an_abort_ends_the_copies_at_once() -> None:
    """A rejected version is neither weighted, matched nor mirrored to."""
    world = await shadowed()
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted", limit=5)
    assert world.split is not None
    assert world.split.exposure_of(world.revision("2")) == Exposure()


async def test_a_restart_in_a_shadow_stage_goes_on_where_it_was() -> None:
    """What the canary is shown stands in the status."""
    world = await shadowed()
    world.restart()
    await world.run(2)
    assert world.split is not None
    assert world.split.mirror == 50
    await world.until(lambda w: w.routed == {"2": 100})


async def test_a_paused_shadow_stays_and_goes_on() -> None:
    """Nobody is shown more meanwhile."""
    world = await shadowed()
    world.lever(paused=True)
    await world.run(30)
    assert world.split is not None
    assert (world.split.mirror, world.routed["2"]) == (50, 0)
    world.lever(paused=None)
    await world.until(lambda w: w.routed == {"2": 100})


async def test_a_newer_version_takes_the_shadows_place() -> None:
    """The superseded one gets no copy any more."""
    world = await shadowed()
    world.models["3"] = Model()
    world.commit(fraud("3", **spec()))
    await world.until(lambda w: w.tried == "3" and w.split is not None and w.split.mirror == 50)
    assert world.split is not None
    assert world.split.revisions[-1] == world.revision("3")


async def test_copies_of_which_nothing_that_decides_has_a_number_are_not_safe() -> None:
    """Else a version that fails all of them would be shown to users, judged by nothing."""
    own: Json = {
        "name": "conversions",
        "query": 'conversions{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"min": "1"},
    }
    world = await shadowed(Model(error_rate=1.0), analysis={"metrics": [own]})
    await world.run(60)
    assert world.split is not None
    assert (world.split.mirror, world.routed["2"]) == (50, 0)
    assert world.reason == "NotComparable"
