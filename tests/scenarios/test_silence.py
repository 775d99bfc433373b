"""A version that takes requests and answers none is told from one that nobody asks."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from tests.support.world import Model, World, fraud, serving, trying

SLOW_WALK: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]
TO_ALL: list[Json] = [{"setWeight": 50}, {"pause": {"duration": "10s"}}]
PROBE: Json = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 1], "data": [1]}]}


async def begun(world: World, *, at: int = 10, **spec: object) -> World:
    """Commit version 2 and wait for its weight."""
    world.commit(fraud("2", **spec))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == at)
    return world


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_a_canary_that_answers_nothing_is_reverted_within_forty_seconds(mode: str) -> None:
    """Its callers wait; nothing is counted as an error, and nothing as slow."""
    world = await trying(model=Model(answers=False), steps=SLOW_WALK, analysis={"mode": mode})
    took = await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert world.reason == "AnswersNothing"
    assert 30 <= took <= 40
    assert world.routed == {"1": 100}
    assert "in flight" in world.state["message"]


@pytest.mark.parametrize("leaves_a_line", [False, True], ids=["callers leave no line", "a line with code 0"])
async def test_callers_who_hang_up_do_not_hide_it(leaves_a_line: bool) -> None:
    """They wait for a moment: hardly anything is in flight at any time, and their lines are no answers."""
    ignoring: Json = {"metrics": [{"name": "latency", "preset": "latency", "thresholdRange": {"max": "1s"}}]}
    world = await serving(steps=SLOW_WALK, analysis=ignoring)
    world.models["2"] = Model(answers=False)
    world.waiting.callers_wait, world.prometheus.counts_hung_up = 0.05, leaves_a_line
    world.prometheus.counts_waiting = not leaves_a_line
    await begun(world, steps=SLOW_WALK, analysis=ignoring)
    took = await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert (world.reason, world.routed) == ("AnswersNothing", {"1": 100})
    assert took <= 40


@pytest.mark.parametrize("at", [10, 100])
async def test_the_sample_request_is_proof_where_no_series_counts_what_waits(at: int) -> None:
    """The pods that answered it before the first weight do not answer it any more."""
    served: Json = {"version": "2", "storageUri": "pvc://models/fraud/2", "probe": PROBE}
    steps = SLOW_WALK if at < 100 else TO_ALL
    world = await serving(steps=steps, guard={"duration": "10m"})
    world.prometheus.counts_waiting = False
    world.models["2"] = Model()
    await begun(world, at=at, steps=steps, model=served, guard={"duration": "10m"})
    await world.run(10)
    world.models["2"].answers = False
    took = await world.until(lambda w: w.phase == "Reverted", limit=120)
    assert (world.reason, took <= 40) == ("AnswersNothing", True)
    assert "sample request" in world.state["message"]


OWN: Json = {
    "name": "psi",
    "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "0.25"},
}


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_a_rollout_with_users_queries_alone_is_judged_for_silence_too(mode: str) -> None:
    """The gateway counts its requests, whatever its metrics are; drift says nothing of answers that never come."""
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    await serving(world=world, steps=SLOW_WALK, analysis={"mode": mode, "metrics": [OWN]})
    world.models["2"] = Model(answers=False)
    await begun(world, steps=SLOW_WALK, analysis={"mode": mode, "metrics": [OWN]})
    took = await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert (world.reason, world.routed, took <= 40) == ("AnswersNothing", {"1": 100}, True)


async def test_a_source_that_counts_no_requests_is_not_asked_who_waits() -> None:
    """A store of business metrics has no series of a gateway: its users' queries are all that it is asked."""
    world = World()
    world.prometheus.own["psi"] = lambda query: [0.1]
    world.requests_per_second = 0
    await serving(world=world, analysis={"metrics": [OWN]})
    world.models["2"] = Model()
    world.prometheus.asked.clear()
    world.commit(fraud("2", analysis={"metrics": [OWN]}))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=120)
    assert not [query for query in world.prometheus.asked if "upstream_rq" in query]


async def test_silence_without_proof_is_want_of_traffic() -> None:
    """No series counts what waits, and no sample request is given: it may be that nobody asks."""
    world = await serving(steps=SLOW_WALK)
    world.prometheus.counts_waiting = False
    world.models["2"] = Model(answers=False)
    await begun(world, steps=SLOW_WALK)
    await world.run(120)
    assert (world.state["verdict"], world.reason, world.routed["2"]) == ("Undecided", "NoTraffic", 10)


@pytest.mark.parametrize("probed", [False, True], ids=["no sample request", "a sample request"])
async def test_a_route_that_never_arrives_is_want_of_traffic(probed: bool) -> None:
    """istiod has stopped: the route says 10 %, and the gateway sends nothing."""
    served: Json = {"version": "2", "storageUri": "pvc://models/fraud/2", **({"probe": PROBE} if probed else {})}
    world = await serving(steps=SLOW_WALK)
    world.models["2"] = Model()
    world.stop_istiod()
    await begun(world, steps=SLOW_WALK, model=served)
    await world.run(120)
    assert (world.state["verdict"], world.reason, world.routed["2"]) == ("Undecided", "NoTraffic", 10)


async def test_long_inferences_are_given_twice_the_time_of_stables_slowest() -> None:
    """Both take a minute: thirty seconds without an answer mean nothing."""
    world = World()
    world.models["1"] = Model(seconds_to_answer=60)
    await serving(world=world, steps=SLOW_WALK)
    await world.run(90)
    world.models["2"] = Model(seconds_to_answer=60)
    await begun(world, steps=SLOW_WALK)
    await world.run(110)
    assert (world.phase, world.state["verdict"]) == ("Progressing", "Safe") or world.phase == "Paused"
    assert world.answers["2", "200"] > 0


async def test_a_hung_canary_of_long_inferences_is_reverted_all_the_same() -> None:
    """It is given two minutes where stable takes one."""
    world = World()
    world.models["1"] = Model(seconds_to_answer=60)
    await serving(world=world, steps=SLOW_WALK)
    await world.run(90)
    world.models["2"] = Model(answers=False)
    await begun(world, steps=SLOW_WALK)
    took = await world.until(lambda w: w.phase == "Reverted", limit=200)
    assert world.reason == "AnswersNothing"
    assert 115 <= took <= 130


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_a_version_that_begins_to_hang_in_the_guard_is_reverted(mode: str) -> None:
    """What it answered before is no success for what waits now; the guard does not end meanwhile."""
    world = await trying(at=100, steps=TO_ALL, analysis={"mode": mode}, guard={"duration": "40s"})
    await world.run(20)
    world.models["2"].answers = False
    took = await world.until(lambda w: w.phase != "Guarding", limit=90)
    assert (world.phase, world.reason, world.routed) == ("Reverted", "AnswersNothing", {"1": 100})
    assert took <= 40


async def test_traffic_that_ends_in_the_guard_is_no_silence_of_the_canarys() -> None:
    """Nobody asks, and nothing waits."""
    world = await trying(at=100, steps=TO_ALL, guard={"duration": "120s"})
    await world.run(20)
    world.requests_per_second = 0
    await world.run(60)
    assert (world.phase, world.routed) == ("Guarding", {"1": 0, "2": 100})


async def test_a_fault_that_both_share_condemns_nobody() -> None:
    """What both depend on hangs: stable answers nothing either."""
    world = await trying(steps=SLOW_WALK)
    await world.run(10)
    world.models["1"].answers = world.models["2"].answers = False
    await world.run(90)
    assert world.routed == {"1": 90, "2": 10}


async def test_an_operator_that_starts_anew_knows_the_silence_from_before() -> None:
    """The series reach back: the thirty seconds do not begin again."""
    world = await trying(model=Model(answers=False), steps=SLOW_WALK)
    await world.run(25)
    world.restart()
    took = await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert (world.reason, took <= 15) == ("AnswersNothing", True)


async def test_silence_is_noticed_where_scrapes_come_each_half_minute() -> None:
    """Two scrapes without an answer are as good as thirty."""
    world = World()
    world.prometheus.every = 30
    await serving(world=world, steps=SLOW_WALK)
    await world.run(60)
    world.models["2"] = Model(answers=False)
    await begun(world, steps=SLOW_WALK)
    took = await world.until(lambda w: w.phase == "Reverted", limit=200)
    assert (world.reason, took <= 100) == ("AnswersNothing", True)


async def test_silence_is_noticed_at_a_source_with_another_clock() -> None:
    """Its times are written at ours."""
    world = World()
    world.prometheus.ahead = 600
    await serving(world=world, steps=SLOW_WALK)
    world.models["2"] = Model(answers=False)
    await begun(world, steps=SLOW_WALK)
    took = await world.until(lambda w: w.phase == "Reverted", limit=100)
    assert (world.reason, took <= 40) == ("AnswersNothing", True)
