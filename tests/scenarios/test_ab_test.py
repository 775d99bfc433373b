"""A/B test: stable and canary at a fixed split, users sticky, until the goal is decided or the time is over."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from serinus.core.model.kinds import ROLLOUT, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog, healthy
from tests.support.world import Model, World
from tests.support.world.given import ERROR_RATE, fraud, routed_by
from tests.support.world.platform import ROUTING
from tests.support.world.visitors import CONVERSION, Visitors

pytestmark = WITH_EACH_API

GOAL: Json = {"metric": "conversion", "direction": "Increase", "minimumEffect": "10%"}


def split_test(version: str, *, metrics: list[Json] | None = None, **wishes: Any) -> Json:
    """A ModelDeployment with an A/B test of at least a minute."""
    return fraud(
        version,
        strategy={"abTest": {"goal": GOAL, "minDuration": "60s", "maxDuration": "20m", **wishes}},
        analysis={"mode": "Sequential", "metrics": [ERROR_RATE, *(metrics or [CONVERSION])]},
        traffic={**routed_by(ROUTING.get()), "sessionAffinity": {"cookie": {"maxAge": "672h"}}},
    )


async def under_way(
    stable: float = 0.1, canary: float = 0.1, *, model: Model | None = None, **wishes: Any
) -> tuple[World, Visitors]:
    """Version 1 serves, and half of the users have version 2; a share of each one's users converts."""
    world = World()
    visitors = Visitors(world, v1=stable, v2=canary)
    world.models["1"] = Model()
    world.commit(split_test("1", **wishes))
    await world.until(lambda w: w.phase == "Succeeded")
    Watchdog(world)
    world.models["2"] = model or Model()
    world.commit(split_test("2", **wishes))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == wishes.get("weight", 50))
    return world, visitors


def decided(world: World) -> Json:
    """The record of what ended the rollout, or let it go on."""
    records: list[Json] = world.state["decisions"]
    return next(one for one in records if one["action"] in {"Decided", "Taken"})


async def test_a_canary_that_converts_better_is_promoted() -> None:
    """Not before minDuration; the record has the effect, its band, the odds and the counts."""
    world, _ = await under_way(0.1, 0.13)
    took = await world.until(lambda w: w.routed.get("2") == 100, limit=300)
    assert took >= 55
    record = decided(world)
    assert (record["action"], record["reason"], record["weight"]) == ("Decided", "CanaryWon", 50)
    goal = world.state["goal"]
    assert goal["outcome"] == "CanaryWon"
    assert 0.0 < goal["lower"] < goal["effect"] < goal["upper"]
    assert goal["effect"] == pytest.approx(0.3, abs=0.05)
    assert goal["odds"] >= 20
    assert record["message"].startswith("conversion +")
    assert "to 1 that the canary is better" in record["message"]
    await world.until(lambda w: w.phase == "Succeeded")
    healthy(world)


async def test_a_winner_waits_for_a_person_where_it_is_told_to() -> None:
    """It is Paused, says who has won, and `promote` goes on."""
    world, _ = await under_way(0.1, 0.13, onWinner="Wait")
    await world.until(lambda w: w.reason == "AwaitingPromotion", limit=300)
    await world.run(30)
    assert (world.phase, world.routed) == ("Paused", {"1": 50, "2": 50})
    assert "the canary has won" in world.state["message"]
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=60)


async def test_a_canary_that_converts_worse_is_reverted() -> None:
    """The pair is rejected, and the message has both counts."""
    world, _ = await under_way(0.13, 0.1)
    await world.until(lambda w: w.phase == "Reverted", limit=300)
    record = decided(world)
    assert (record["reason"], record["metric"], record["verdict"]) == ("StableWon", "conversion", "Unsafe")
    assert (record["value"], record["baseline"]) == ("10%", "13%")
    assert "to 1 that the canary is worse" in record["message"]
    assert [one["reason"] for one in world.status["rejected"]] == ["StableWon"]
    await world.run(30)
    assert world.routed == {"1": 100}
    healthy(world)


async def test_less_is_better_where_the_goal_says_so() -> None:
    """Of complaints, fewer win."""
    world, _ = await under_way(0.13, 0.1, goal={**GOAL, "direction": "Decrease"})
    await world.until(lambda w: w.routed.get("2") == 100, limit=300)
    assert decided(world)["reason"] == "CanaryWon"


@pytest.mark.parametrize(
    ("follows", "phase"),
    [pytest.param("KeepStable", "Reverted", id="keep stable"), pytest.param("Promote", "Succeeded", id="promote")],
)
async def test_without_a_difference_it_ends_as_asked(follows: str, phase: str) -> None:
    """As soon as a change of minimumEffect is ruled out, long before maxDuration."""
    world, _ = await under_way(onNoDifference=follows, maxDuration="100h")
    await world.until(lambda w: w.tried == "2" and w.phase == phase, limit=1200)
    assert decided(world)["reason"] == "NoDifference"
    assert world.state["goal"]["upper"] < 0.1


@pytest.mark.parametrize(
    ("follows", "phase"),
    [pytest.param("KeepStable", "Reverted", id="keep stable"), pytest.param("Promote", "Succeeded", id="promote")],
)
async def test_what_is_undecided_after_the_longest_time_is_no_difference(follows: str, phase: str) -> None:
    """A change of 1 % takes more users than there are in two minutes."""
    world, _ = await under_way(onNoDifference=follows, goal={**GOAL, "minimumEffect": "1%"}, maxDuration="120s")
    took = await world.until(lambda w: w.reason == "NoDifference" or w.routed.get("2") == 100, limit=200)
    assert took >= 115
    await world.until(lambda w: w.tried == "2" and w.phase == phase, limit=60)
    assert decided(world)["reason"] == "NoDifference"


async def test_nobody_counted_is_not_promoted_for_want_of_a_difference() -> None:
    """No data is no good news: it holds, however long."""
    world = World()
    visitors = Visitors(world, per_second=0, v1=0.1, v2=0.1)
    wishes = {"onNoDifference": "Promote", "maxDuration": "90s"}
    world.models.update({"1": Model(), "2": Model()})
    world.commit(split_test("1", **wishes))
    await world.until(lambda w: w.phase == "Succeeded")
    world.commit(split_test("2", **wishes))
    await world.until(lambda w: w.routed.get("2") == 50)
    await world.run(200)
    assert (world.routed, world.reason) == ({"1": 50, "2": 50}, "AwaitingGoal")
    visitors.per_second = 200
    await world.until(lambda w: w.routed.get("2") == 100, limit=120)


async def test_it_says_what_is_missing_while_it_waits() -> None:
    """The effect so far, the users that a change of minimumEffect takes, and when anything is decided at all."""
    world, _ = await under_way(minDuration="10m", lag="5s", goal={**GOAL, "minimumEffect": "2%"})
    await world.run(40)
    assert (world.phase, world.reason) == ("Progressing", "AwaitingGoal")
    assert "more users or sessions" in world.state["message"]
    assert "nothing is decided for" in world.state["message"]
    assert world.state["goal"]["trialsNeeded"] > 10_000
    assert world.state["goal"]["etaSeconds"] > 60


async def test_another_metric_reverts_it_in_the_middle_of_the_test() -> None:
    """All other metrics go on guarding, whoever converts better."""
    world, _ = await under_way(0.1, 0.2, minDuration="10m")
    await world.run(20)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert decided(world)["reason"] == "LimitExceeded"


async def test_a_limit_of_the_goals_own_metric_guards_it() -> None:
    """It is compared by the goal's test alone, and held to its range all the same."""
    limited = {**CONVERSION, "thresholdRange": {"min": "8%"}}
    world, visitors = await under_way(0.1, 0.1, minDuration="10m", metrics=[limited])
    await world.run(30)
    visitors.converts["2"] = 0.0
    await world.until(lambda w: w.phase == "Reverted", limit=90)
    assert decided(world)["reason"] == "LimitExceeded"


async def test_more_of_a_goal_with_an_upper_limit_is_not_compared_twice() -> None:
    """The ordinary comparison, for which more is worse, would revert it before the goal is decided."""
    limited = {**CONVERSION, "thresholdRange": {"max": "50%"}}
    world, _ = await under_way(0.1, 0.2, metrics=[limited])
    await world.until(lambda w: w.routed.get("2") == 100, limit=120)
    assert decided(world)["reason"] == "CanaryWon"


async def test_a_winner_is_held_by_the_gates_like_any_rise() -> None:
    """Blind holds: the goal is decided, and the weight waits."""
    world, _ = await under_way(0.1, 0.13, onWinner="Wait")
    await world.until(lambda w: w.reason == "AwaitingPromotion", limit=300)
    world.prometheus.reachable = False
    await world.run(30)
    world.lever(promote={"throughStep": 2})
    await world.run(20)
    assert (world.routed, world.state["verdict"]) == ({"1": 50, "2": 50}, "Blind")
    world.prometheus.reachable = True
    await world.until(lambda w: w.routed.get("2") == 100, limit=60)


async def test_without_sticky_users_nothing_is_decided() -> None:
    """Traffic is live, the strategy is frozen: a commit without both holds it, with the fix in the message."""
    world, _ = await under_way(0.1, 0.2)
    await world.run(20)
    before = world.state["goal"]["trialsCanary"]
    world.commit(fraud("2"))
    await world.run(120)
    assert (world.routed, world.reason) == ({"1": 50, "2": 50}, "NotSticky")
    assert "set traffic.sessionAffinity" in world.state["message"]
    assert world.state["goal"]["trialsCanary"] <= before + 2000


async def test_a_restart_keeps_the_count() -> None:
    """It comes back from the status; only users of the last minute, of both versions alike, are lost."""
    world, _ = await under_way(0.1, 0.13, minDuration="200s")
    await world.run(90)
    began, counted = world.state["goal"]["since"], world.state["goal"]["trialsCanary"]
    world.restart()
    await world.run(15)
    assert world.state["goal"]["trialsCanary"] > counted - 6_000
    await world.run(60)
    assert world.state["goal"]["since"] == began
    assert world.state["goal"]["trialsCanary"] > counted
    assert "began anew" not in world.state["goal"]["text"]
    await world.until(lambda w: w.routed.get("2") == 100, limit=200)


async def test_a_lost_count_begins_anew_and_says_so() -> None:
    """Whoever wipes the checkpoint has minDuration to wait again."""
    world, _ = await under_way(0.1, 0.2, minDuration="100s")
    await world.run(70)
    began = world.state["goal"]["since"]
    world.api.edit(ROLLOUT, world.rollout["metadata"]["name"], lambda one: one["status"]["analysis"].pop("goal"))
    world.restart()
    await world.run(20)
    assert world.state["goal"]["since"] > began
    assert "the count was lost and began anew" in world.state["goal"]["text"]
    await world.run(50)
    assert world.routed == {"1": 50, "2": 50}
    await world.until(lambda w: w.routed.get("2") == 100, limit=100)


async def test_a_pause_holds_what_is_decided() -> None:
    """A lever: neither the winner goes on nor the loser goes back by its goal until it is let go."""
    world, _ = await under_way(0.13, 0.1)
    world.lever(paused=True)
    await world.run(150)
    assert (world.phase, world.reason) == ("Paused", "PausedByUser")
    assert world.state["goal"]["outcome"] == "StableWon"
    assert "stable has won, so then the canary goes back to 0" in world.state["message"]
    world.lever(paused=False)
    await world.until(lambda w: w.phase == "Reverted", limit=10)


async def test_an_abort_ends_it() -> None:
    """In the middle of the test."""
    world, _ = await under_way(0.1, 0.2, minDuration="10m")
    await world.run(30)
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted" and w.routed == {"1": 100}, limit=10)


async def test_an_sre_may_go_on_without_a_decision() -> None:
    """`throughStep` passes the goal as it passes a pause."""
    world, _ = await under_way(minDuration="10m")
    await world.run(60)
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.routed.get("2") == 100, limit=30)
    assert not [one for one in world.state["decisions"] if one["action"] == "Decided"]


async def test_a_newer_version_begins_a_test_of_its_own() -> None:
    """Its count begins at nothing."""
    world, visitors = await under_way(0.1, 0.2, minDuration="10m")
    visitors.converts["3"] = 0.1
    visitors.visited["3"] = visitors.converted["3"] = 0.0
    await world.run(60)
    world.models["3"] = Model()
    world.commit(split_test("3", minDuration="10m"))
    await world.until(lambda w: w.tried == "3" and w.routed.get("3") == 50)
    await world.run(20)
    superseded = [one["status"]["phase"] for one in world.api.all(ROLLOUT)][:-1]
    assert superseded[-1] == "Superseded"
    assert world.state["goal"]["trialsCanary"] < 3000


async def test_a_canary_that_loses_its_pods_goes_on_with_its_count() -> None:
    """A drained node is no verdict, and no new week."""
    world, _ = await under_way(minDuration="10m", lag="5s")
    await world.run(60)
    began, counted = world.state["goal"]["since"], world.state["goal"]["trialsCanary"]
    world.break_pods("2", 4)
    await world.until(lambda w: w.routed.get("2", 0) == 0, limit=5)
    world.break_pods("2", 0)
    await world.until(lambda w: w.routed.get("2") == 50, limit=60)
    await world.run(30)
    assert world.state["goal"]["since"] == began
    assert world.state["goal"]["trialsCanary"] > counted


class LateVisitors(Visitors):
    """Users who convert `lag` seconds after their visit, with the version that they have seen."""

    lag = 10.0

    def _count(self) -> None:
        before = dict(self.converted)
        super()._count()
        now = self.world.clock.now()
        self.due = [
            *getattr(self, "due", []),
            *((now + self.lag, one, self.converted[one] - before[one]) for one in before),
        ]
        self.converted.update(before)
        for _, version, came in [one for one in self.due if one[0] <= now]:
            self.converted[version] += came
        self.due = [one for one in self.due if one[0] > now]


async def begun(visitors: type[Visitors], stable: float, canary: float, **wishes: Any) -> World:
    """An A/B test of users of a special kind."""
    world = World()
    world.after_tick = visitors(world, v1=stable, v2=canary)._count
    world.models.update({"1": Model(), "2": Model()})
    world.commit(split_test("1", **wishes))
    await world.until(lambda w: w.phase == "Succeeded")
    await world.run(30)
    world.commit(split_test("2", **wishes))
    await world.until(lambda w: w.tried == "2" and w.routed.get("2") == 50)
    return world


async def test_late_successes_of_earlier_users_make_stable_no_winner() -> None:
    """Equal versions: what stable's users of before the split buy in its first seconds is not counted."""
    world = await begun(LateVisitors, 0.1, 0.1, lag="20s", onNoDifference="Promote", maxDuration="100h")
    await world.run(15)
    assert world.state["goal"]["trialsCanary"] == 0
    assert "nothing is counted for" in world.state["message"]
    await world.until(lambda w: w.phase == "Reverted" or w.routed.get("2") == 100, limit=900)
    assert decided(world)["reason"] == "NoDifference"


def hash_of(world: World, version: str) -> str:
    return world.revision(version).rpartition("-")[2]


class UncountedVisitors(Visitors):
    """The first success makes the counter, and nobody succeeds with version 2."""

    def _shown(self, query: str, counts: dict[str, float]) -> list[float]:
        return [one for one in super()._shown(query, counts) if one > 0.0]


@pytest.mark.parametrize("follows", ["KeepStable", "Promote"])
async def test_a_goal_that_cannot_be_counted_is_told(follows: str) -> None:
    """A series that is missing is not zero: it ends as asked after the longest time, and never by a promotion."""
    world = await begun(UncountedVisitors, 0.1, 0.0, onNoDifference=follows, maxDuration="90s")
    await world.run(60)
    assert world.reason == "NothingCounted"
    assert world.state["message"].startswith("nothing is counted: canary, query: the query gives no series although")
    asked = f'sum(converted_total{{namespace="ml", modeldeployment="fraud", revision="{hash_of(world, "2")}"}})'
    assert f"in the window: check the names in {asked}; if no series means 0" in world.state["message"]
    if follows == "KeepStable":
        await world.until(lambda w: w.phase == "Reverted", limit=60)
        assert "maxDuration 90s is over" in decided(world)["message"]
    else:
        await world.run(90)
        assert (world.routed, world.reason) == ({"1": 50, "2": 50}, "NothingCounted")
        assert "maxDuration 90s is over, and of what was not counted nothing is promoted" in world.state["message"]


async def test_the_time_ends_no_test_that_nobody_can_see() -> None:
    """Metrics are unreachable when it is over: that is no draw."""
    world, _ = await under_way(maxDuration="90s", goal={**GOAL, "minimumEffect": "1%"})
    await world.run(60)
    world.prometheus.reachable = False
    await world.run(60)
    assert (world.routed, world.state["verdict"]) == ({"1": 50, "2": 50}, "Blind")
    world.prometheus.reachable = True
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert "maxDuration 90s is over" in decided(world)["message"]


async def test_a_broken_count_keeps_no_bad_version() -> None:
    """Counting begins anew, and the other metrics revert as ever."""
    world, _ = await under_way(0.1, 0.13, minDuration="10m")
    await world.run(60)
    found = json.loads(zlib.decompress(base64.b64decode(world.state["analysis"]["goal"])))
    found["test"]["block"] = [1]
    broken = base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()
    world.api.edit(
        ROLLOUT, world.rollout["metadata"]["name"], lambda one: one["status"]["analysis"].update(goal=broken)
    )
    world.restart()
    await world.run(5)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=40)
    assert decided(world)["reason"] == "LimitExceeded"
