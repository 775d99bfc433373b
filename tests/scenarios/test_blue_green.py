"""Blue-green: at full size beside stable, tried there, then everybody in one switch, and back in one write."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog, healthy
from tests.support.world import Model, World, fraud, serving

pytestmark = WITH_EACH_API

TESTERS: Json = {"match": [{"headerName": "x-preview", "headerValue": {"exact": "yes"}}]}
MATCH = Match(Part.HEADER, "x-preview", By.EXACT, "yes")


def blue_green(version: str, **wishes: Any) -> Json:
    return fraud(version, strategy={"blueGreen": wishes})


async def standing(model: Model | None = None, **wishes: Any) -> World:
    """Version 1 serves, and version 2 stands beside it at full size."""
    world = World()
    world.models.update({"1": Model(), "2": model or Model()})
    world.commit(blue_green("1", **wishes))
    await world.until(lambda w: w.phase == "Succeeded")
    Watchdog(world)
    world.commit(blue_green("2", **wishes))
    await world.until(lambda w: w.tried == "2" and len(w.ready("2")) == 4)
    await world.run(2)
    return world


async def test_it_switches_everybody_at_once_after_its_time_and_keeps_stable_warm() -> None:
    """At full size before, and nobody sees it: then 100 %, with the old version's pods there for the guard."""
    world = await standing(autoPromotionAfter="20s")
    assert world.routed["1"] == 100
    await world.until(lambda w: w.routed.get("2") == 100)
    assert [one["weight"] for one in world.state["decisions"] if one["action"] == "Raised"] == [100]
    assert len(world.ready("1")) == 4
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(10)
    healthy(world)


async def test_it_waits_for_a_person_where_no_time_is_given() -> None:
    """By `promote`, as at any pause without a duration."""
    world = await standing()
    await world.run(120)
    assert (world.routed["1"], world.reason) == (100, "AwaitingPromotion")
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.routed.get("2") == 100, limit=5)


async def test_the_way_back_is_one_write() -> None:
    """An abort in the guard window gives stable everything at once: its pods are there."""
    world = await standing(autoPromotionAfter="5s")
    await world.until(lambda w: w.phase == "Guarding")
    world.api.writes.clear()
    world.lever(abort=True)
    await world.until(lambda w: w.routed["1"] == 100, limit=3)
    routes = [one for one in world.api.writes if f"apply {world.provider.route.name} fraud" in one]
    assert set(routes) <= {f"apply {world.provider.route.name} fraud", f"apply {world.provider.route.name} fraud.mesh"}
    assert len(routes) == len(set(routes))


async def test_testers_see_it_before_the_switch_and_nobody_else_does() -> None:
    """By a header; that nobody tests holds nothing, and the record says that nothing was judged."""
    world = await standing(preview=TESTERS, autoPromotionAfter="20s")
    assert world.split is not None
    assert world.split.exposure_of(world.revision("2")) == Exposure(matches=(MATCH,))
    assert world.state["exposure"] == "x-preview=yes"
    await world.until(lambda w: w.routed.get("2") == 100, limit=60)
    raised = [one for one in world.state["decisions"] if one["action"] == "Raised"][-1]
    assert "too few requests of the preview to judge" in raised["message"]


async def test_testers_who_meet_errors_reject_it() -> None:
    """What breaks a limit in the preview is never switched to."""
    world = await standing(Model(error_rate=0.5), preview=TESTERS)
    world.cohort = 20.0
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert world.split is not None
    assert world.split.exposure_of(world.revision("2")) == Exposure()


async def test_copies_judge_it_before_the_switch() -> None:
    """Half of the requests are copied; a version that fails them is never seen."""
    world = await standing(Model(error_rate=0.3), mirror={"percentage": 50, "duration": "10s"})
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert not any(version == "2" for version, _ in world.answers)


async def test_good_copies_lead_to_the_preview_and_the_switch() -> None:
    """Copies, testers, everybody."""
    wishes = {"mirror": {"percentage": 50, "duration": "10s"}, "preview": TESTERS, "autoPromotionAfter": "10s"}
    world = await standing(**wishes)
    assert world.state["exposure"] == "mirror 50%"
    await world.until(lambda w: w.state.get("exposure") == "x-preview=yes")
    await world.until(lambda w: w.routed.get("2") == 100)


@pytest.mark.parametrize("wishes", [{}, {"preview": TESTERS}], ids=["unseen", "in a preview"])
async def test_a_restart_while_it_stands_ready_goes_on(wishes: Json) -> None:
    """The steps are frozen in the Rollout."""
    world = await standing(**wishes, autoPromotionAfter="20s")
    world.restart()
    await world.run(3)
    assert world.routed["1"] == 100
    await world.until(lambda w: w.routed.get("2") == 100)


async def test_a_newer_version_takes_its_place() -> None:
    """The one that stood ready goes, and nobody has met it."""
    world = await standing(autoPromotionAfter="60s")
    world.models["3"] = Model()
    world.commit(blue_green("3", autoPromotionAfter="10s"))
    await world.until(lambda w: w.routed.get("3") == 100)
    assert not any(version == "2" for version, _ in world.answers)


async def test_few_testers_whose_requests_fail_hold_the_switch() -> None:
    """Too few to reject it, and too bad to go on; what they met is not forgotten."""
    world = await standing(Model(error_rate=1.0), preview=TESTERS, autoPromotionAfter="30s")
    world.requests_per_second, world.cohort = 10, 10.0
    await world.run(10)
    world.cohort = 0.0
    await world.run(90)
    assert world.routed["1"] == 100


async def test_a_preview_that_nobody_used_does_not_hold_a_cohort_after_it() -> None:
    """The next step comes all the same, whatever it shows; an ordinary cohort has to be judged."""
    cohort: Json = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}
    preview: Json = {"setHeaderRoute": {**TESTERS, "preview": True}}
    pause: Json = {"pause": {"duration": "5s"}}
    steps = [preview, pause, cohort, pause, {"setWeight": 50}, pause]
    world = await serving(steps=steps)
    world.models["2"] = Model()
    world.commit(fraud("2", steps=steps))
    await world.until(lambda w: "x-tier=premium" in w.state.get("exposure", ""), limit=60)
    await world.run(30)
    assert (world.routed["2"], world.reason) == (0, "NoTraffic")
