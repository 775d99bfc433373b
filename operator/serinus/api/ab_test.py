"""abTest: stable and canary side by side at a fixed split, users sticky, until a goal is decided.

`awaitGoal` is the step that waits for it; abTest is a setWeight and an awaitGoal by another name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from serinus.api import ab_test_rules as rules
from serinus.api.base import ApiModel
from serinus.api.constraints import Duration, Label, Share
from serinus.api.durations import seconds, share
from serinus.api.rules import ruled


class Direction(StrEnum):
    """Which way a goal's metric should move."""

    INCREASE = "Increase"
    DECREASE = "Decrease"


class OnWinner(StrEnum):
    """What to do when the canary has won."""

    PROMOTE = "Promote"
    WAIT = "Wait"


class OnNoDifference(StrEnum):
    """What to do when neither has won."""

    KEEP_STABLE = "KeepStable"
    PROMOTE = "Promote"


class Goal(ApiModel):
    """What the canary should do better than stable."""

    model_config = ruled(*rules.GOAL)

    metric: Label
    """A metric of analysis.metrics of type Ratio: query counts successes, of counts users or sessions, not requests."""
    direction: Direction
    """Increase if more is better, Decrease if less is."""
    minimum_effect: Share
    """The smallest relative change worth knowing of, such as 2%. The test ends as NoDifference once it rules out a
    change of that size."""


class AwaitGoal(ApiModel):
    """Stay at this split until the goal is decided. Needs traffic.sessionAffinity."""

    model_config = ruled(*rules.AWAIT_GOAL)

    goal: Goal
    """What decides."""
    false_promotion_rate: Share | None = None
    """How likely a canary that is no better may be called the winner, and stable that is no better likewise,
    however often is looked; default 0.05."""
    min_duration: Duration | None = None
    """Nothing is decided before; default 168h, a whole week, because days differ."""
    max_duration: Duration | None = None
    """What is undecided by then is NoDifference; default 672h, four weeks."""
    lag: Duration | None = None
    """How long after its trial a success may come. Nothing is counted for so long after the split began, or after users
    were split anew: until then stable's successes are of users who came before. At most minDuration; default a tenth
    of it."""
    on_winner: OnWinner | None = None
    """What follows when the canary has won: Promote (it goes on to 100 percent) or Wait (for promote); default
    Promote."""
    on_no_difference: OnNoDifference | None = None
    """What follows when neither has won: KeepStable (the canary is rejected) or Promote; default KeepStable."""

    @property
    def least_effect(self) -> float:
        """The smallest relative change worth knowing of, as a ratio."""
        return share(self.goal.minimum_effect)

    @property
    def error_rate(self) -> float:
        """How likely either may win wrongly."""
        return share(self.false_promotion_rate or FALSE_PROMOTION_RATE)

    @property
    def min_seconds(self) -> float:
        return seconds(self.min_duration or MIN_DURATION)

    @property
    def max_seconds(self) -> float:
        return seconds(self.max_duration or MAX_DURATION)

    @property
    def lag_seconds(self) -> float:
        """How long nothing is counted, because successes belong to earlier trials."""
        return self.min_seconds * LAG if self.lag is None else seconds(self.lag)

    @model_validator(mode="after")
    def _can_be_decided(self) -> Self:
        """Refuse what admission refuses: an object may be older than the rules."""
        if problem := self._numbers_are_wrong():
            raise ValueError(problem)
        if self.min_seconds > self.max_seconds:
            raise ValueError(rules.min_above_max(self.min_duration or MIN_DURATION, self.max_duration or MAX_DURATION))
        if self.lag_seconds > self.min_seconds:
            raise ValueError(rules.lag_above_min(self.lag or "", self.min_duration or MIN_DURATION))
        return self

    def _numbers_are_wrong(self) -> str | None:
        if not rules.LEAST_EFFECTS[0] <= self.least_effect <= rules.LEAST_EFFECTS[1]:
            return rules.not_between("minimumEffect", self.goal.minimum_effect, rules.LEAST_EFFECTS, "2%")
        if not rules.ERROR_RATES[0] <= self.error_rate <= rules.ERROR_RATES[1]:
            given = self.false_promotion_rate or FALSE_PROMOTION_RATE
            return rules.not_between("falsePromotionRate", given, rules.ERROR_RATES, "0.05")
        return None


class AbTest(AwaitGoal):
    """Stable and canary at a fixed split, users sticky, until the goal is decided."""

    weight: Annotated[int, Field(ge=1, le=99)] | None = None
    """The canary's share of users, in percent; default 50."""


WEIGHT = 50
FALSE_PROMOTION_RATE = "0.05"
MIN_DURATION = "168h"
MAX_DURATION = "672h"
LAG = 0.1
"""Of minDuration, unless told."""


def goal_filled_in(wish: AwaitGoal) -> AwaitGoal:
    """Fill in what the user left out of a goal; a weight is the step's before it."""
    return AwaitGoal(
        goal=wish.goal,
        false_promotion_rate=wish.false_promotion_rate or FALSE_PROMOTION_RATE,
        min_duration=wish.min_duration or MIN_DURATION,
        max_duration=wish.max_duration or MAX_DURATION,
        lag=wish.lag or _tenth(wish.min_seconds),
        on_winner=wish.on_winner or OnWinner.PROMOTE,
        on_no_difference=wish.on_no_difference or OnNoDifference.KEEP_STABLE,
    )


def _tenth(of_s: float) -> str:
    lag_s = of_s * LAG
    if lag_s < 60.0:
        return f"{max(1, int(lag_s * 1000))}ms"
    return f"{int(lag_s)}s" if lag_s < 360_000.0 else f"{int(lag_s / 3600)}h"
