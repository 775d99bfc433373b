"""The guard ends in success only on evidence, and is kept open by nothing that does not decide."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import ERROR_RATE

WATCHED = {
    "name": "watched",
    "query": 'x{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "0.25"},
}


async def beside(**metric: Any) -> World:
    """Version 2 has all traffic; a second metric is over its limit from then on."""
    world = World()
    values = [0.1]
    world.prometheus.own["x{"] = lambda query: values
    analysis = {"metrics": [ERROR_RATE, {**WATCHED, **metric}]}
    await serving(world=world, analysis=analysis)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis))
    await world.until(lambda w: w.routed.get("2") == 100)
    values[0] = 0.9
    return world


async def test_a_metric_that_is_only_watched_keeps_no_guard_open() -> None:
    """It is over its limit all the time, and decides nothing."""
    world = await beside(gating=False)
    await world.until(lambda w: w.phase == "Succeeded", limit=30)


async def test_a_failing_streak_of_a_metric_that_decides_keeps_the_guard_open() -> None:
    """It is tolerated for sixty looks, which is no success."""
    world = await beside(failureLimit=60)
    await world.run(40)
    assert world.phase == "Guarding"
    assert world.routed == {"1": 0, "2": 100}


async def test_nobody_asked_for_the_whole_guard() -> None:
    """It succeeds, and says that nothing was seen."""
    world = await serving()
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.tried == "2" and w.phase == "Pending", limit=10)
    world.requests_per_second = 0
    world.lever(promote={"full": True})
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    assert world.reason == "Unobserved"


async def test_silence_after_failures_is_no_success() -> None:
    """The last requests of the stage failed, within what is tolerated, and then nobody asked any more."""
    metric = {**ERROR_RATE, "failureLimit": 100, "window": "5s"}
    world = await trying(at=100, analysis={"metrics": [metric]})
    world.models["2"].error_rate = 0.5
    await world.run(3)
    world.requests_per_second = 0
    await world.run(60)
    assert world.phase == "Guarding"


@pytest.mark.parametrize("policy", [{}, {"mode": "Sequential"}], ids=["Threshold", "Sequential"])
async def test_a_guard_that_was_safe_ends_in_time(policy: dict[str, str]) -> None:
    """Twenty seconds."""
    world = await trying(at=100, analysis={**policy, "metrics": [ERROR_RATE]})
    assert 18 <= await world.until(lambda w: w.phase == "Succeeded", limit=30) <= 22
    assert world.reason == "Succeeded"


async def test_the_verdict_that_allowed_a_rise_is_in_the_status_of_the_rise() -> None:
    """Whoever watches from outside sees Safe at each weight that rose, but for the first."""
    world = await trying(at=10)
    seen: list[tuple[int, str]] = []

    def at_write(verb: str, manifest: Any) -> None:
        if (verb, manifest["kind"]) == ("status", "Rollout"):
            status = manifest["status"]
            if not seen or seen[-1][0] != status["weight"]:
                seen.append((status["weight"], status.get("verdict", "")))

    world.api.on_write = at_write
    await world.until(lambda w: w.phase == "Succeeded", limit=90)
    assert [one for one in seen if one[0] > 10] == [(50, "Safe"), (100, "Safe")]


async def guarding_between_slow_scrapes() -> World:
    """A version in a guard of 20 s, of which Prometheus sees hardly anything."""
    world = World()
    world.prometheus.every = 30
    policy: dict[str, Any] = {"steps": [{"setWeight": 50}, {"pause": {"duration": "2m"}}], "guard": {"duration": "20s"}}
    await serving(world=world, **policy)
    await world.run(60)
    world.models["2"] = Model()
    world.commit(fraud("2", **policy))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 100, limit=400)
    return world


async def test_a_guard_that_is_shorter_than_three_scrapes_lasts_for_three() -> None:
    """Prometheus scrapes each half minute: a guard of 20 s would end before anything is seen of it."""
    world = await guarding_between_slow_scrapes()
    assert 90 <= await world.until(lambda w: w.phase == "Succeeded", limit=200) <= 130
    assert world.routed == {"2": 100}


async def test_a_version_that_breaks_in_a_guard_of_slow_scrapes_is_reverted() -> None:
    """Its first requests at 100 % fail, which the second scrape shows."""
    world = await guarding_between_slow_scrapes()
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=70)


async def test_no_guard_stays_no_guard() -> None:
    """Whatever the scrape interval."""
    world = await trying(at=50, guard={"duration": "0s"})
    await world.until(lambda w: w.phase == "Succeeded", limit=60)
    assert all(one["reason"] != "Guarding" for one in world.state["decisions"])


async def test_requests_that_went_in_and_were_not_answered_are_no_want_of_traffic() -> None:
    """Too few for their silence to condemn: but nobody says that no request was sent."""
    world = await serving()
    world.models["2"] = Model(answers=False)
    world.commit(fraud("2"))
    await world.until(lambda w: w.tried == "2" and w.phase == "Pending", limit=10)
    world.requests_per_second = 0.02
    world.lever(promote={"full": True})
    await world.run(60)
    assert world.reason != "Unobserved"
