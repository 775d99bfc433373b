"""The gateways do not do as the route says: nothing rises, no pod goes, and everything goes on once they do."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import DEPLOYMENT, POD_DISRUPTION_BUDGET, ROLLOUT, SERVICE, Json, Kind
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import ERROR_RATE, HALF, STEPS
from tests.support.world.world import DRAIN_SECONDS

pytestmark = WITH_EACH_API

LONG = 120
"""Seconds in which everything would have happened that was going to."""
STICKY: Json = {"sessionAffinity": {"cookie": {"name": "seat"}}}


def runs(world: World, revision: str) -> bool:
    return world.api.find(DEPLOYMENT, revision) is not None


def degraded(world: World) -> str:
    found = world.condition("Degraded")
    return str(found["reason"]) if found["status"] == "True" else ""


async def reverted_unheard() -> World:
    """Version 2 has lost half of the requests, and the gateways have not heard of it."""
    world = await trying(at=50, steps=HALF)
    Watchdog(world)
    world.stop_istiod()
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted" and not w.routed.get("2"), limit=5)
    return world


async def test_a_rise_that_never_arrived_holds_the_next_one() -> None:
    """The canary gets ten percent where the route says fifty: what is Safe there is Safe at ten."""
    world = await trying(at=10)
    Watchdog(world)
    world.stop_istiod()
    await world.until(lambda w: w.routed["2"] == 50)
    await world.run(LONG)
    assert (world.phase, world.reason, world.routed["2"]) == ("Progressing", "RouteNotFollowed", 50)
    assert "about 10% of the requests go to version 2, whose weight is 50" in world.state["message"]
    assert degraded(world) == "RouteNotFollowed"


async def test_it_goes_on_once_the_gateways_follow() -> None:
    """In less than two minutes: of old requests there are soon too few."""
    world = await trying(at=10)
    world.stop_istiod()
    await world.until(lambda w: w.reason == "RouteNotFollowed")
    world.data_plane.start()
    await world.until(lambda w: w.phase == "Succeeded", limit=150)
    assert degraded(world) == ""


async def test_a_gateway_that_follows_late_holds_nothing_up_for_long() -> None:
    """A write takes its time; five seconds are no reason to say anything to anybody."""
    world = await serving()
    world.data_plane.lag = 5
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.phase == "Succeeded", limit=120)


async def test_without_enough_requests_nothing_is_held_against_the_route() -> None:
    """One request a second at ten percent: chance explains a minute without one."""
    world = await serving(world=World(requests_per_second=1))
    world.models["2"] = Model()
    world.stop_istiod()
    world.commit(fraud("2"))
    await world.run(60)
    assert (world.reason, degraded(world)) == ("NoTraffic", "")


async def with_sticky_users() -> World:
    """Half of the weight is the canary's, and three users of a hundred, because the others stay where they were."""
    world = await serving()
    world.models["2"] = Model()
    manifest = fraud("2", steps=HALF)
    manifest["spec"]["traffic"].update(STICKY)
    world.commit(manifest)
    await world.until(lambda w: w.routed.get("2") == 50)
    world.data_plane.keep_to({world.revision("1"): 97.0, world.revision("2"): 3.0})
    await world.run(60)
    return world


async def test_users_who_stay_where_they_are_say_nothing_of_the_route() -> None:
    """A canary has few of them at first, whatever its weight."""
    world = await with_sticky_users()
    assert degraded(world) == ""


async def test_a_revision_that_still_gets_requests_keeps_its_pods() -> None:
    """However long it takes: each of those requests would fail without them."""
    world = await reverted_unheard()
    await world.run(3 * LONG)
    assert runs(world, world.revision("2"))
    assert len(world.ready("2")) > 0
    assert degraded(world) == "RouteNotFollowed"
    assert ("fraud", "RouteNotFollowed") in {(about, reason) for about, reason, _ in world.events}
    assert world.lost == 0


async def test_a_guard_stays_open_while_the_gateways_do_not_follow() -> None:
    """Half of the requests say nothing of what it does with all of them."""
    world = await trying(at=50)
    Watchdog(world)
    world.stop_istiod()
    await world.until(lambda w: w.routed["2"] == 100, limit=60)
    await world.run(LONG)
    assert (world.phase, world.reason) == ("Guarding", "RouteNotFollowed")
    world.data_plane.start()
    await world.until(lambda w: w.phase == "Succeeded", limit=150)


async def test_its_pods_go_once_the_gateways_follow() -> None:
    """The condition goes with them."""
    world = await reverted_unheard()
    canary = world.revision("2")
    await world.run(LONG)
    world.data_plane.start()
    await world.until(lambda w: not runs(w, canary), limit=15)
    await world.run(2)
    assert degraded(world) == ""
    assert world.lost == 0


async def test_the_predecessor_of_a_promoted_version_is_kept_as_well() -> None:
    """Its success is decided; what the gateways make of it is another matter."""
    world = await trying(at=50, steps=HALF)
    Watchdog(world)
    await world.run(3)
    world.stop_istiod()
    world.lever(promote={"full": True})
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    await world.run(LONG)
    assert len(world.ready("1")) > 0
    world.data_plane.start()
    await world.until(lambda w: not w.pods("1"), limit=20)
    assert world.lost == 0


async def test_a_new_process_keeps_them_as_well() -> None:
    """It finds what arrives in the counters, as the last one did."""
    world = await reverted_unheard()
    await world.run(2)
    world.restart()
    await world.run(LONG)
    assert len(world.ready("2")) > 0


async def test_without_a_request_the_drain_delay_alone_counts() -> None:
    """Nobody asks for anything: there is nothing that could arrive."""
    world = await trying(at=50, steps=HALF)
    world.requests_per_second = 0
    await world.run(3)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted", limit=5)
    took = await world.until(lambda w: not w.pods("2"), limit=60)
    assert took <= DRAIN_SECONDS + 3


@pytest.mark.parametrize("blind", ["reachable", "scrapes"])
async def test_without_metrics_the_drain_delay_alone_counts(blind: str) -> None:
    """A source that does not answer, or has nothing new, holds up nothing for long."""
    world = await trying(at=50, steps=HALF)
    setattr(world.prometheus, blind, False)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted", limit=5)
    await world.until(lambda w: not w.pods("2"), limit=60)


async def test_a_revert_is_never_held_up() -> None:
    """The route is written in the same pass, whether or not anybody follows it."""
    world = await trying(at=10)
    world.stop_istiod()
    await world.until(lambda w: w.reason == "RouteNotFollowed")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert world.routed == {"1": 100}


async def test_the_next_version_starts_while_an_old_one_is_kept() -> None:
    """It has nothing to do with it."""
    world = await reverted_unheard()
    world.models["3"] = Model()
    world.commit(fraud("3", steps=STEPS))
    await world.until(lambda w: w.routed.get("3") == 10, limit=60)
    assert len(world.ready("2")) > 0


@pytest.mark.parametrize("blind", ["reachable", "scrapes"])
async def test_metrics_that_fail_take_nothing_back(blind: str) -> None:
    """A Prometheus that restarts says nothing of the requests that were just seen to arrive."""
    world = await reverted_unheard()
    await world.run(30)
    setattr(world.prometheus, blind, False)
    await world.run(LONG)
    assert runs(world, world.revision("2"))
    setattr(world.prometheus, blind, True)
    await world.run(10)
    assert (runs(world, world.revision("2")), degraded(world), world.lost) == (True, "RouteNotFollowed", 0)


async def test_history_that_is_pruned_takes_no_pod_along() -> None:
    """The Rollout that says what a revision had stays as long as its pods."""
    world = await trying(at=50, steps=HALF, revisionHistoryLimit=1)
    Watchdog(world)
    await world.run(3)
    world.stop_istiod()
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted" and not w.routed.get("2"), limit=5)
    for version in ("3", "4", "5"):
        world.models[version] = Model()
        world.commit(fraud(version, steps=HALF, revisionHistoryLimit=1))
        await world.run(15)
        world.lever(abort=True)
        await world.run(5)
    kept = world.revision("2")
    assert runs(world, kept)
    assert "2" in {one["spec"]["to"]["version"] for one in world.rollouts}
    world.data_plane.start()
    await world.until(lambda w: not runs(w, kept), limit=30)
    await world.run(5)
    assert "2" not in {one["spec"]["to"]["version"] for one in world.rollouts}


async def test_a_rollout_that_is_deleted_by_hand_takes_no_pod_along() -> None:
    """Nothing says any more that its revision had traffic, and nothing that it had none."""
    world = await reverted_unheard()
    world.restart()
    world.api.remove(ROLLOUT, "ml", next(iter(world.rollouts[-1:]))["metadata"]["name"])
    await world.run(60)
    assert (runs(world, world.revision("2")), world.lost) == (True, 0)


@pytest.mark.parametrize("kind", [SERVICE, POD_DISRUPTION_BUDGET], ids=lambda kind: kind.name)
async def test_what_leads_to_kept_pods_comes_back(kind: Kind) -> None:
    """Without its Service each of the requests would fail; without a budget a node drain takes all pods at once."""
    world = await reverted_unheard()
    await world.run(30)
    revision = world.revision("2")
    world.api.remove(kind, "ml", revision)
    await world.run(2)
    assert world.api.find(kind, revision) is not None
    world.data_plane.start()
    await world.until(lambda w: w.api.find(kind, revision) is None, limit=15)
    await world.run(5)
    assert world.api.find(kind, revision) is None


async def test_a_way_back_waits_for_nobody() -> None:
    """Not even at the end of its guard: it has answered before."""
    world = await trying(at=50, steps=HALF)
    world.lever(promote={"full": True})
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    await world.run(20)
    world.stop_istiod()
    world.commit(fraud("1", steps=HALF))
    await world.until(lambda w: w.tried == "1" and w.phase == "Succeeded", limit=120)


async def test_users_who_stay_where_they_were_until_now_say_nothing_of_the_route() -> None:
    """The cookie is taken out in mid-rollout: what it has led astray is not counted."""
    world = await with_sticky_users()
    world.commit(fraud("2", steps=HALF))
    world.data_plane.start()
    told = set()
    for _ in range(LONG):
        await world.run(1)
        told.add(degraded(world))
    assert told == {""}


async def test_a_write_that_the_api_server_refused_is_no_matter_of_the_gateways() -> None:
    """They do as the live route says; whoever reads it must not look for istiod."""
    world = await trying(at=10)
    world.api.refuse.add(world.provider.route)
    await world.until(lambda w: w.reason == "RouteNotFollowed", limit=LONG)
    assert "the live route says 10, the operator's write of it has not been taken" in world.state["message"]
    assert "istiod" not in world.state["message"]


async def test_answers_that_come_late_say_nothing_of_the_route() -> None:
    """Each raise is followed by twenty seconds of answers to requests from before it."""
    pause: Json = {"pause": {"duration": "60s"}}
    steps = [{"setWeight": 10}, pause, {"setWeight": 50}, pause]
    latency: Json = {"name": "latency", "preset": "latency", "thresholdRange": {"max": "60s"}}
    analysis: Json = {"metrics": [ERROR_RATE, latency]}
    world = await serving(steps=steps, analysis=analysis)
    world.models["1"].seconds_to_answer = 20
    await world.run(60)
    world.models["2"] = Model(seconds_to_answer=20)
    world.commit(fraud("2", steps=steps, analysis=analysis))
    told = set()
    for _ in range(200):
        await world.run(1)
        told.add(degraded(world))
    assert (told, world.tried, world.phase) == ({""}, "2", "Succeeded")
