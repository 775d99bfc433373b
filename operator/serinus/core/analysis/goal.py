"""What a goal's test has counted, and what is decided by it: champion against challenger, until one of them has won."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from serinus.api.ab_test import AwaitGoal, Direction, OnNoDifference
from serinus.core.analysis.sequential.relative_effect import EffectTest, RelativeEffect
from serinus.core.analysis.sequential.state import UnknownStateSchemaError
from serinus.core.model.assessment import Gathered, Increment, Look

SCHEMA: Final = 1


class GoalOutcome(StrEnum):
    """How a goal is decided; also the reason that people read."""

    CHALLENGER_WON = "ChallengerWon"
    CHAMPION_WON = "ChampionWon"
    NO_DIFFERENCE = "NoDifference"


@dataclass(frozen=True, eq=False)
class GoalCount:
    """All that was counted for a goal `since` a time, of looks until `taken`; both in unix seconds.

    What is decided stays decided: that the evidence was enough once is what the error rate is about. `anew` says that
    an earlier count was lost.
    """

    test: EffectTest
    since: float
    taken: float
    outcome: GoalOutcome | None = None
    anew: bool = False

    def stored(self) -> str:
        """Write it as JSON, compressed."""
        text = json.dumps(
            {
                "schema": SCHEMA,
                "since": self.since,
                "taken": self.taken,
                "outcome": self.outcome,
                "anew": self.anew,
                "test": self.test.to_dict(),
            },
            separators=(",", ":"),
        )
        return base64.b64encode(zlib.compress(text.encode())).decode()


def read_goal_count(gathered: Gathered | None) -> GoalCount | None:
    """Read what was counted; None where there is nothing, or nothing that this version understands."""
    if gathered is None or isinstance(gathered, GoalCount):
        return gathered
    try:
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(gathered.stored(), validate=True)))
        if found.get("schema") != SCHEMA:
            return None
        outcome = GoalOutcome(found["outcome"]) if found["outcome"] else None
        test = EffectTest.from_dict(found["test"])
        return GoalCount(test, float(found["since"]), float(found["taken"]), outcome, bool(found["anew"]))
    except (UnknownStateSchemaError, ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return None


def count_goal(
    known: Gathered | None, wish: AwaitGoal, look: Look, *, sticky: bool, counted_before: bool = False
) -> GoalCount:
    """Count what a look brings of both versions, and decide what can be decided.

    Without `sticky` users nothing is counted and nothing is decided. `counted_before` says that there must be a count.
    """
    count = read_goal_count(known) or GoalCount(EffectTest(wish.least_effect), look.at, look.at, anew=counted_before)
    # What a leader counted whose clock was ahead of ours must keep nothing of today out.
    since, taken = min(count.since, look.at), min(count.taken, look.at)
    test = count.test
    for one in _increments(wish, look):
        if taken < one.at <= look.at:
            taken = one.at
            test = test.taking(_counts(one.canary), _counts(one.stable)) if sticky else test
    outcome = count.outcome
    if outcome is None and sticky:
        outcome = decided(test, wish, look.at - since)
    return replace(count, test=test, since=since, taken=taken, outcome=outcome)


def decided(test: EffectTest, wish: AwaitGoal, lasted: float) -> GoalOutcome | None:
    """Decide after so many seconds (s); None while it is open, always so before minDuration."""
    if lasted < wish.min_seconds:
        return None
    effect, bar = test.effect(wish.error_rate), -math.log(wish.error_rate)
    better, worse = evidence_of(effect, wish)
    if better >= bar:
        return GoalOutcome.CHALLENGER_WON
    if worse >= bar:
        return GoalOutcome.CHAMPION_WON
    # No data is no good news: what nobody was counted for is not promoted for want of a difference.
    over = lasted >= wish.max_seconds and (test.weighed[1] > 0.0 or not _promotes(wish))
    return GoalOutcome.NO_DIFFERENCE if over or _makes_no_difference(effect, wish) else None


def evidence_of(effect: RelativeEffect, wish: AwaitGoal) -> tuple[float, float]:
    """Give the logs of the evidence that the challenger is better, and that it is worse."""
    pair = effect.log_more, effect.log_less
    return pair if wish.goal.direction is Direction.INCREASE else pair[::-1]


def _makes_no_difference(effect: RelativeEffect, wish: AwaitGoal) -> bool:
    """Whether what follows cannot matter by as much as minimumEffect any more.

    A challenger that is kept out need not be shown to be no worse.
    """
    no_more = effect.upper < math.log1p(wish.least_effect)
    no_less = effect.lower > math.log1p(-wish.least_effect)
    if _promotes(wish):
        return no_more and no_less
    return no_more if wish.goal.direction is Direction.INCREASE else no_less


def _promotes(wish: AwaitGoal) -> bool:
    return wish.on_no_difference is OnNoDifference.PROMOTE


def _increments(wish: AwaitGoal, look: Look) -> tuple[Increment, ...]:
    seen = look.observations.get(wish.goal.metric)
    return seen.increments if seen is not None else ()


def _counts(increment: tuple[float, ...]) -> tuple[float, float]:
    trials, events = increment
    return trials, events
