"""What is counted for a goal, and when it is decided."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pytest

from serinus.api.ab_test import AwaitGoal, goal_filled_in
from serinus.api.status import Verdict
from serinus.core.analysis.goal import Draw, GoalCount, GoalOutcome, count_goal, decided, read_goal_count
from serinus.core.analysis.goal_words import standing_of
from serinus.core.analysis.sequential.relative_effect import EffectTest
from serinus.core.model.assessment import (
    Increment,
    Look,
    Measured,
    Missing,
    Observation,
    Reading,
    Reason,
    StoredEvidence,
)
from tests.unit.core.rollout.test_status_size import GOAL_COUNT, GOAL_TEXT

HOUR = 3600.0
BEGAN = 1_800_000_000.0


def goal(**wishes: Any) -> AwaitGoal:
    wanted = {"metric": "conversion", "direction": "Increase", "minimumEffect": "10%", **wishes.pop("goal", {})}
    return goal_filled_in(AwaitGoal.parse({"goal": wanted, "minDuration": "1h", "maxDuration": "10h", **wishes}))


def counted(canary: float, stable: float, *, users: float = 1000, blocks: int = 40) -> EffectTest:
    """A test in which shares of the users of each version convert."""
    test = EffectTest(0.1)
    for _ in range(blocks):
        test = test.taking((users, canary * users), (users, stable * users))
    return test


def look(at: float, *increments: tuple[float, tuple[float, float], tuple[float, float]]) -> Look:
    known = Measured(0.1, 100.0, at)
    seen = tuple(Increment(*one) for one in increments)
    return Look(at, {"conversion": Observation(known, known, "", seen)})


@pytest.mark.parametrize(
    ("canary", "stable", "wishes", "after", "outcome"),
    [
        pytest.param(0.15, 0.1, {}, 2 * HOUR, "CanaryWon", id="more"),
        pytest.param(0.1, 0.15, {}, 2 * HOUR, "StableWon", id="less"),
        pytest.param(0.15, 0.1, {"goal": {"direction": "Decrease"}}, 2 * HOUR, "StableWon", id="more of a bad thing"),
        pytest.param(0.1, 0.15, {"goal": {"direction": "Decrease"}}, 2 * HOUR, "CanaryWon", id="less of it"),
        pytest.param(0.15, 0.1, {}, 0.9 * HOUR, None, id="before minDuration"),
        pytest.param(0.1, 0.1, {}, 2 * HOUR, "NoDifference", id="equal"),
        pytest.param(0.1, 0.1, {"onNoDifference": "Promote"}, 2 * HOUR, "NoDifference", id="equal, to promote"),
        pytest.param(0.0985, 0.1, {}, 2 * HOUR, "NoDifference", id="no better, which is enough to keep it out"),
        pytest.param(0.1, 0.1, {"goal": {"minimumEffect": "1%"}}, 2 * HOUR, None, id="too few to tell 1%"),
        pytest.param(
            0.1, 0.1, {"goal": {"minimumEffect": "1%"}}, 10 * HOUR, "NoDifference", id="and after maxDuration"
        ),
    ],
)
def test_a_goal_is_decided(
    canary: float, stable: float, wishes: dict[str, Any], after: float, outcome: str | None
) -> None:
    """By the evidence, not before minDuration, and at the latest after maxDuration."""
    assert decided(counted(canary, stable), goal(**wishes), after) == outcome


def test_a_canary_that_may_be_worse_is_promoted_only_when_the_time_is_over() -> None:
    """To promote it for want of a difference, a loss of minimumEffect must be ruled out as well as a gain."""
    test = counted(0.095, 0.1, blocks=10)
    wish = goal(onNoDifference="Promote")
    assert decided(test, wish, 2 * HOUR) is None
    assert decided(test, wish, 10 * HOUR) is GoalOutcome.NO_DIFFERENCE


@pytest.mark.parametrize(("follows", "outcome"), [("KeepStable", "NoDifference"), ("Promote", None)])
def test_what_nobody_was_counted_for_is_not_promoted(follows: str, outcome: str | None) -> None:
    """It goes back when the time is over, and never on."""
    assert decided(EffectTest(0.1), goal(onNoDifference=follows), 1000 * HOUR) == outcome


LONG_AGO = Draw(BEGAN - HOUR)
"""Since when users have been drawn: all successes are of this draw."""


def taken(*looks: Look, draw: Draw = LONG_AGO, **wishes: Any) -> GoalCount:
    count = None
    for one in looks:
        count = count_goal(count, goal(**wishes), one, draw)
    assert count is not None
    return count


def test_each_increment_is_counted_once() -> None:
    """Looks show what no pass has taken in yet, and again what it has."""
    first = (BEGAN + 1, (10.0, 1.0), (12.0, 2.0))
    count = taken(
        look(BEGAN, (BEGAN - 5, (99.0, 9.0), (99.0, 9.0))),
        look(BEGAN + 1, first),
        look(BEGAN + 2, first, (BEGAN + 2, (1.0, 0.0), (2.0, 1.0))),
    )
    assert count.test.totals == [11.0, 1.0, 14.0, 3.0]
    assert (count.since, count.taken) == (BEGAN, BEGAN + 2)


def minutes(*numbers: int) -> list[Look]:
    """A look each minute, at which ten users of either version were seen."""
    return [look(BEGAN + 60 * one, (BEGAN + 60 * one, (10.0, 1.0), (10.0, 1.0))) for one in numbers]


@pytest.mark.parametrize(
    ("began", "wishes", "counted_users"),
    [
        pytest.param(BEGAN, {"lag": "4m"}, 60.0, id="a lag"),
        pytest.param(BEGAN, {}, 40.0, id="a tenth of minDuration"),
        pytest.param(BEGAN + 120, {"lag": "4m"}, 40.0, id="users who were split anew, as after the pods were lost"),
    ],
)
def test_successes_of_another_split_are_not_counted(began: float, wishes: dict[str, Any], counted_users: float) -> None:
    """Right after the split stable's are of its earlier users: nothing is counted until `lag` has passed."""
    count = taken(*minutes(*range(11)), draw=Draw(began), **wishes)
    assert count.test.totals[0] == counted_users


def test_a_block_that_was_open_before_a_gap_is_dropped() -> None:
    """Those users came in other hours; a short gap, as of a restart, drops nothing."""
    assert taken(*minutes(0, 1, 2, 4, 5)).test.totals[0] == 40.0
    assert taken(*minutes(0, 1, 2, 30, 31)).test.totals[0] == 20.0


def test_users_who_change_versions_are_not_counted() -> None:
    """What came while they were not sticky stays out when they are again, and so do their later successes."""
    count, wish = taken(look(BEGAN)), goal(lag="2m")
    loose = replace(LONG_AGO, sticky=False)
    for one in minutes(1, 2):
        count = count_goal(count, wish, one, loose)
    for one in minutes(3, 4):
        count = count_goal(count, wish, one, LONG_AGO)
    assert count.test.totals == [0.0] * 4
    assert count_goal(count, wish, minutes(5)[0], LONG_AGO).test.totals[0] == 10.0


def test_what_is_decided_stays_decided() -> None:
    """Enough evidence once is what the error rate is about."""
    count = GoalCount(counted(0.15, 0.1), BEGAN, BEGAN, GoalOutcome.CANARY_WON)
    later = look(BEGAN + 2 * HOUR, (BEGAN + 2 * HOUR, (9e4, 0.0), (9e4, 9e3)))
    assert count_goal(count, goal(), later, LONG_AGO).outcome is GoalOutcome.CANARY_WON


def test_a_clock_that_was_ahead_keeps_nothing_out() -> None:
    """The leader before us counted until tomorrow."""
    ahead = GoalCount(EffectTest(0.1), BEGAN + 86_400, BEGAN + 86_400)
    count = count_goal(ahead, goal(), look(BEGAN), LONG_AGO)
    count = count_goal(count, goal(), look(BEGAN + 5, (BEGAN + 5, (10.0, 1.0), (10.0, 1.0))), LONG_AGO)
    assert (count.began(BEGAN + 5), count.test.totals[0]) == (BEGAN, 10.0)


def test_a_clock_that_goes_back_and_forth_wins_no_time() -> None:
    """The test began when it began: an hour that was none is no part of minDuration."""
    count = GoalCount(counted(0.15, 0.1), BEGAN, BEGAN)
    for at in (BEGAN + 60, BEGAN - 3540, BEGAN - 3500, BEGAN + 100):
        count = count_goal(count, goal(), look(at), LONG_AGO)
        assert count.outcome is None
    assert count.began(BEGAN + 100) == BEGAN
    assert count_goal(count, goal(), look(BEGAN + HOUR), LONG_AGO).outcome is GoalOutcome.CANARY_WON


def test_the_time_decides_nothing_while_nobody_can_be_seen() -> None:
    """It does as soon as metrics answer again, and is what is said of it."""
    wish = goal(goal={"minimumEffect": "1%"})
    test = EffectTest(0.01).taking((1000.0, 100.0), (1000.0, 100.0))
    count = count_goal(GoalCount(test, BEGAN, BEGAN), wish, look(BEGAN + 11 * HOUR), replace(LONG_AGO, blind=True))
    assert count.outcome is None
    assert "maxDuration 10h is over" in standing_of(count, wish, BEGAN + 11 * HOUR).text
    count = count_goal(count, wish, look(BEGAN + 11 * HOUR), LONG_AGO)
    assert (count.outcome, count.over) == (GoalOutcome.NO_DIFFERENCE, True)
    assert "no difference is known: maxDuration 10h is over" in standing_of(count, wish, BEGAN + 11 * HOUR).text


def test_a_count_survives_a_status() -> None:
    """With its outcome, and as short as the status's other texts leave room for."""
    count = GoalCount(counted(0.1234, 0.1179, users=997), BEGAN, BEGAN + 5, GoalOutcome.NO_DIFFERENCE, anew=True)
    again = read_goal_count(StoredEvidence(count.stored()))
    assert again is not None
    assert replace(again, test=count.test).stored() == count.stored()
    assert again.test.to_dict() == count.test.to_dict()
    assert len(count.stored()) <= GOAL_COUNT
    text = standing_of(count, goal(goal={"metric": "m" * 63}), BEGAN + 5).text
    assert len(text) <= GOAL_TEXT


@pytest.mark.parametrize(
    "text", ["", "nonsense", "eJyrVipOTc7PS1GyMqwFAB4VBE4="], ids=["empty", "no base64", "no count"]
)
def test_what_is_no_count_is_none(text: str) -> None:
    """Counting begins anew."""
    assert read_goal_count(StoredEvidence(text)) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"block": [1]}, id="too short"),
        pytest.param({"totals": []}, id="empty"),
        pytest.param({"weighed": [1.0]}, id="half"),
        pytest.param({"totals": [math.nan] * 4}, id="no numbers"),
        pytest.param({"block": [1e300] * 4}, id="more than anybody counts"),
        pytest.param({"totals": [-1.0] * 4}, id="less than nothing"),
        pytest.param({"leastEffect": -2.0}, id="no effect"),
        pytest.param({"logLikelihood": [0.0]}, id="another grid"),
        pytest.param({"logLikelihood": [math.inf] * 161}, id="no likelihood"),
    ],
)
def test_a_test_that_cannot_be_begins_anew(change: dict[str, Any]) -> None:
    """Whoever has broken the status loses the count, and nothing else."""
    count = GoalCount(counted(0.15, 0.1), BEGAN, BEGAN)
    found = json.loads(zlib.decompress(base64.b64decode(count.stored())))
    found["test"].update(change)
    broken = base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()
    assert read_goal_count(StoredEvidence(broken)) is None


def test_a_count_for_another_effect_begins_anew() -> None:
    """Its grid is not ours."""
    count = count_goal(
        GoalCount(counted(0.15, 0.1), BEGAN, BEGAN), goal(goal={"minimumEffect": "2%"}), look(BEGAN), LONG_AGO
    )
    assert (count.anew, count.test.least_effect, count.test.totals) == (True, 0.02, [0.0] * 4)


def test_a_goal_that_cannot_be_counted_is_told() -> None:
    """With what the queries say; a share that is not there yet is no such thing."""
    wish, count = goal(lag="10m"), GoalCount(EffectTest(0.1), BEGAN, BEGAN)
    known = Measured(0.1, 100.0, BEGAN)
    silent = Missing(Verdict.UNDECIDED, Reason.NO_SERIES, "query: the query gives no series")
    early = Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, "nothing is counted yet")

    def told(canary: Reading, stable: Reading) -> str:
        return standing_of(count, wish, BEGAN, Draw(BEGAN), Observation(canary, stable, "")).text

    assert "nothing is counted: canary, query: the query gives no series" in told(silent, known)
    assert "nothing is counted: stable, query: the query gives no series" in told(known, silent)
    assert "nothing is counted for 10 min (lag 10 min)" in told(early, early)


def test_what_is_proved_waits_for_no_more_users() -> None:
    """Only for its time: a number of users beside odds of thousands to one would say that they are missing."""
    found = standing_of(GoalCount(counted(0.3, 0.1, blocks=20), BEGAN, BEGAN), goal(), BEGAN + HOUR / 2)
    assert "more users" not in found.text
    assert found.text.endswith("to 1 that the canary is better; nothing is decided for 30 min (minDuration 1h)")
    assert (found.trials_needed, found.eta_seconds) == (None, None)


def test_a_standing_says_it_in_words() -> None:
    """Effect, band, counts, odds; and while it is open what is missing."""
    wish = goal()
    told = standing_of(GoalCount(counted(0.15, 0.1, blocks=4), BEGAN, BEGAN), wish, BEGAN + HOUR / 2).text
    assert told.startswith("conversion +")
    assert "600 of 4000 against 400 of 4000" in told
    assert "to 1 that the canary is better" in told
    assert "nothing is decided for 30 min (minDuration 1h)" in told
    unsure = standing_of(GoalCount(counted(0.11, 0.1, blocks=1), BEGAN, BEGAN), wish, BEGAN + HOUR / 2).text
    assert "more users or sessions" in unsure
    over = standing_of(GoalCount(counted(0.15, 0.1), BEGAN, BEGAN, GoalOutcome.CANARY_WON), wish, BEGAN + HOUR)
    assert "more users" not in over.text
    assert over.text.endswith("the canary has won")
    early = standing_of(GoalCount(EffectTest(0.1), BEGAN, BEGAN), wish, BEGAN)
    assert early.text.startswith("conversion: too few to compare yet, 0 of 0 against 0 of 0")
    assert early.effect is None
