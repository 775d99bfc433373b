"""What is counted for a goal, and when it is decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.ab_test import AwaitGoal, goal_filled_in
from serinus.core.analysis.goal import GoalCount, GoalOutcome, count_goal, decided, read_goal_count
from serinus.core.analysis.goal_words import standing_of
from serinus.core.analysis.sequential.relative_effect import EffectTest
from serinus.core.model.assessment import Increment, Look, Measured, Observation, StoredEvidence
from tests.unit.core.rollout.test_status_size import GOAL_COUNT, GOAL_TEXT

HOUR = 3600.0
BEGAN = 1_800_000_000.0


def goal(**wishes: Any) -> AwaitGoal:
    wanted = {"metric": "conversion", "direction": "Increase", "minimumEffect": "10%", **wishes.pop("goal", {})}
    return goal_filled_in(AwaitGoal.parse({"goal": wanted, "minDuration": "1h", "maxDuration": "10h", **wishes}))


def counted(challenger: float, champion: float, *, users: float = 1000, blocks: int = 40) -> EffectTest:
    """A test in which shares of the users of each version convert."""
    test = EffectTest(0.1)
    for _ in range(blocks):
        test = test.taking((users, challenger * users), (users, champion * users))
    return test


def look(at: float, *increments: tuple[float, tuple[float, float], tuple[float, float]]) -> Look:
    known = Measured(0.1, 100.0, at)
    seen = tuple(Increment(*one) for one in increments)
    return Look(at, {"conversion": Observation(known, known, "", seen)})


@pytest.mark.parametrize(
    ("challenger", "champion", "wishes", "after", "outcome"),
    [
        pytest.param(0.15, 0.1, {}, 2 * HOUR, "ChallengerWon", id="more"),
        pytest.param(0.1, 0.15, {}, 2 * HOUR, "ChampionWon", id="less"),
        pytest.param(0.15, 0.1, {"goal": {"direction": "Decrease"}}, 2 * HOUR, "ChampionWon", id="more of a bad thing"),
        pytest.param(0.1, 0.15, {"goal": {"direction": "Decrease"}}, 2 * HOUR, "ChallengerWon", id="less of it"),
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
    challenger: float, champion: float, wishes: dict[str, Any], after: float, outcome: str | None
) -> None:
    """By the evidence, not before minDuration, and at the latest after maxDuration."""
    assert decided(counted(challenger, champion), goal(**wishes), after) == outcome


def test_a_challenger_that_may_be_worse_is_promoted_only_when_the_time_is_over() -> None:
    """To promote it for want of a difference, a loss of minimumEffect must be ruled out as well as a gain."""
    test = counted(0.095, 0.1, blocks=10)
    wish = goal(onNoDifference="Promote")
    assert decided(test, wish, 2 * HOUR) is None
    assert decided(test, wish, 10 * HOUR) is GoalOutcome.NO_DIFFERENCE


@pytest.mark.parametrize(("follows", "outcome"), [("KeepStable", "NoDifference"), ("Promote", None)])
def test_what_nobody_was_counted_for_is_not_promoted(follows: str, outcome: str | None) -> None:
    """It goes back when the time is over, and never on."""
    assert decided(EffectTest(0.1), goal(onNoDifference=follows), 1000 * HOUR) == outcome


def test_each_increment_is_counted_once() -> None:
    """Looks show what no pass has taken in yet, and again what it has."""
    first = (BEGAN + 1, (10.0, 1.0), (12.0, 2.0))
    count = count_goal(None, goal(), look(BEGAN, (BEGAN - 5, (99.0, 9.0), (99.0, 9.0))), sticky=True)
    count = count_goal(count, goal(), look(BEGAN + 1, first), sticky=True)
    count = count_goal(count, goal(), look(BEGAN + 2, first, (BEGAN + 2, (1.0, 0.0), (2.0, 1.0))), sticky=True)
    assert count.test.totals == [11.0, 1.0, 14.0, 3.0]
    assert (count.since, count.taken) == (BEGAN, BEGAN + 2)


def test_users_who_change_versions_are_not_counted() -> None:
    """What came while they were not sticky stays out when they are again."""
    count = count_goal(None, goal(), look(BEGAN), sticky=True)
    count = count_goal(count, goal(), look(BEGAN + 1, (BEGAN + 1, (10.0, 1.0), (10.0, 1.0))), sticky=False)
    count = count_goal(count, goal(), look(BEGAN + 2, (BEGAN + 1, (10.0, 1.0), (10.0, 1.0))), sticky=True)
    assert count.test.totals == [0.0] * 4


def test_what_is_decided_stays_decided() -> None:
    """Enough evidence once is what the error rate is about."""
    count = GoalCount(counted(0.15, 0.1), BEGAN, BEGAN, GoalOutcome.CHALLENGER_WON)
    later = look(BEGAN + 2 * HOUR, (BEGAN + 2 * HOUR, (9e4, 0.0), (9e4, 9e3)))
    assert count_goal(count, goal(), later, sticky=True).outcome is GoalOutcome.CHALLENGER_WON


def test_a_clock_that_was_ahead_keeps_nothing_out() -> None:
    """The leader before us counted until tomorrow."""
    ahead = GoalCount(EffectTest(0.1), BEGAN + 86_400, BEGAN + 86_400)
    count = count_goal(ahead, goal(), look(BEGAN), sticky=True)
    count = count_goal(count, goal(), look(BEGAN + 5, (BEGAN + 5, (10.0, 1.0), (10.0, 1.0))), sticky=True)
    assert (count.since, count.test.totals[0]) == (BEGAN, 10.0)


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


def test_a_standing_says_it_in_words() -> None:
    """Effect, band, counts, odds; and while it is open what is missing."""
    wish = goal()
    told = standing_of(GoalCount(counted(0.15, 0.1, blocks=4), BEGAN, BEGAN), wish, BEGAN + HOUR / 2).text
    assert told.startswith("conversion +")
    assert "600 of 4000 against 400 of 4000" in told
    assert "to 1 that the challenger is better" in told
    assert "more users or sessions" in told
    assert "nothing is decided for 30 min (minDuration 1h)" in told
    over = standing_of(GoalCount(counted(0.15, 0.1), BEGAN, BEGAN, GoalOutcome.CHALLENGER_WON), wish, BEGAN + HOUR)
    assert "more users" not in over.text
    early = standing_of(GoalCount(EffectTest(0.1), BEGAN, BEGAN), wish, BEGAN)
    assert early.text.startswith("conversion: too few to compare yet, 0 of 0 against 0 of 0")
    assert early.effect is None
