"""What a goal's test has counted, and what is decided by it: stable against canary, until one of them has won."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from serinus.api.ab_test import AwaitGoal, Direction, OnNoDifference
from serinus.core.analysis.sequential.relative_effect import EffectTest, RelativeEffect
from serinus.core.analysis.sequential.state import UnknownStateSchemaError
from serinus.core.model.assessment import Gathered, Increment, Look

SCHEMA: Final = 1
SAME_HOURS_S: Final = 300.0
GAP_LOOKS: Final = 5.0


class GoalOutcome(StrEnum):
    """How a goal is decided; also the reason that people read."""

    CANARY_WON = "CanaryWon"
    STABLE_WON = "StableWon"
    NO_DIFFERENCE = "NoDifference"


@dataclass(frozen=True)
class Draw:
    """How users are drawn at a look: since when (unix seconds), whether each of them stays with one version, and
    whether nobody knows how they fare (`blind`). `interval` is that of the looks (s).
    """

    began: float
    sticky: bool = True
    blind: bool = False
    interval: float = 5.0

    @property
    def longest_gap(self) -> float:
        """How long nothing may be counted (s) until what was counted before is of other hours."""
        return max(SAME_HOURS_S, GAP_LOOKS * self.interval)


@dataclass(frozen=True, eq=False)
class GoalCount:
    """All that was counted for a goal `since` a time, of looks until `taken`; all in unix seconds.

    What is decided stays decided: that the evidence was enough once is what the error rate is about. `over` says that
    the time decided it. `anew` says that an earlier count was lost. `behind` is when the clock was found before
    `since`; `loose` when users were last seen to change versions.
    """

    test: EffectTest
    since: float
    taken: float
    outcome: GoalOutcome | None = None
    anew: bool = False
    over: bool = False
    behind: float | None = None
    loose: float | None = None

    def began(self, now: float) -> float:
        """Tell when the test began by the clock of `now`: no time of the future counts, and no step of the clock."""
        known = [one for one in (self.since, self.behind) if one is not None and one <= now]
        return max(known, default=now)

    def counts_from(self, wish: AwaitGoal, draw: Draw, now: float) -> float:
        """Tell from when on each success belongs to a visit under this very draw."""
        began = draw.began if draw.began <= now else self.began(now)
        return max(began, self.loose or 0.0) + wish.lag_seconds

    def stored(self) -> str:
        """Write it as JSON, compressed."""
        known = {name: getattr(self, name) for name in _PLAIN}
        text = json.dumps({"schema": SCHEMA, **known, "test": self.test.to_dict()}, separators=(",", ":"))
        return base64.b64encode(zlib.compress(text.encode())).decode()


_PLAIN: Final = ("since", "taken", "outcome", "anew", "over", "behind", "loose")


def read_goal_count(gathered: Gathered | None) -> GoalCount | None:
    """Read what was counted; None where there is nothing, or nothing that this version understands."""
    if gathered is None or isinstance(gathered, GoalCount):
        return gathered
    try:
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(gathered.stored(), validate=True)))
        return _read(found) if found.get("schema") == SCHEMA else None
    except (UnknownStateSchemaError, ValueError, KeyError, TypeError, AttributeError, OverflowError, zlib.error):
        return None


def _read(found: Mapping[str, Any]) -> GoalCount:
    times = {name: float(found[name]) for name in ("since", "taken", "behind", "loose") if found[name] is not None}
    if not all(math.isfinite(one) for one in times.values()):
        raise ValueError(f"no times: {times}")
    return GoalCount(
        EffectTest.from_dict(found["test"]),
        times["since"],
        times["taken"],
        GoalOutcome(found["outcome"]) if found["outcome"] else None,
        anew=bool(found["anew"]),
        over=bool(found["over"]),
        behind=times.get("behind"),
        loose=times.get("loose"),
    )


def count_goal(
    known: Gathered | None, wish: AwaitGoal, look: Look, draw: Draw, *, counted_before: bool = False
) -> GoalCount:
    """Count what a look brings of both versions, and decide what can be decided.

    Without sticky users nothing is counted and nothing is decided. `counted_before` says that there must be a count.
    """
    count = read_goal_count(known)
    if count is None or count.test.least_effect != wish.least_effect:
        count = GoalCount(EffectTest(wish.least_effect), look.at, look.at, anew=counted_before or count is not None)
    # What a leader counted whose clock was ahead of ours must keep nothing of today out.
    count = replace(
        count,
        taken=min(count.taken, look.at),
        behind=count.behind if count.since <= look.at else count.began(look.at),
        loose=_loose(count, draw, look.at),
    )
    count = _taking(count, wish, look, draw)
    if count.outcome is not None or not draw.sticky:
        return count
    lasted = look.at - count.began(look.at)
    if outcome := decided(count.test, wish, lasted, timed=not draw.blind):
        over = outcome is GoalOutcome.NO_DIFFERENCE and not rules_out_a_change(count.test, wish)
        return replace(count, outcome=outcome, over=over)
    return count


def _loose(count: GoalCount, draw: Draw, at: float) -> float | None:
    """Tell when users were last seen to change versions; no time of the future counts."""
    if not draw.sticky:
        return at
    return None if count.loose is None else min(count.loose, at)


def _taking(count: GoalCount, wish: AwaitGoal, look: Look, draw: Draw) -> GoalCount:
    """Take the increments that are new, as far as they count.

    A block is of users of the same hours: one that was left open before a gap is dropped, and so is one of a split
    that ended.
    """
    test, taken, counts_from = count.test, count.taken, count.counts_from(wish, draw, look.at)
    for one in increments_of(wish, look):
        if not taken < one.at <= look.at:
            continue
        counts = draw.sticky and taken >= counts_from
        if not counts or one.at - taken > draw.longest_gap:
            test = test.without_the_block()
        if counts:
            test = test.taking(_counts(one.canary), _counts(one.stable))
        taken = one.at
    return replace(count, test=test, taken=taken)


def decided(test: EffectTest, wish: AwaitGoal, lasted: float, *, timed: bool = True) -> GoalOutcome | None:
    """Decide after so many seconds (s); None while it is open, always so before minDuration.

    Unless it is `timed` the evidence alone decides: that the time is over says nothing while nobody can be seen.
    """
    if lasted < wish.min_seconds:
        return None
    effect, bar = test.effect(wish.error_rate), -math.log(wish.error_rate)
    better, worse = evidence_of(effect, wish)
    if better >= bar:
        return GoalOutcome.CANARY_WON
    if worse >= bar:
        return GoalOutcome.STABLE_WON
    # No data is no good news: what nobody was counted for is not promoted for want of a difference.
    over = timed and lasted >= wish.max_seconds and (test.weighed[1] > 0.0 or not _promotes(wish))
    return GoalOutcome.NO_DIFFERENCE if over or rules_out_a_change(test, wish) else None


def evidence_of(effect: RelativeEffect, wish: AwaitGoal) -> tuple[float, float]:
    """Give the logs of the evidence that the canary is better, and that it is worse."""
    pair = effect.log_more, effect.log_less
    return pair if wish.goal.direction is Direction.INCREASE else pair[::-1]


def rules_out_a_change(test: EffectTest, wish: AwaitGoal) -> bool:
    """Whether what follows cannot matter by as much as minimumEffect any more.

    A canary that is kept out need not be shown to be no worse.
    """
    effect = test.effect(wish.error_rate)
    no_more = effect.upper < math.log1p(wish.least_effect)
    no_less = effect.lower > math.log1p(-wish.least_effect)
    if _promotes(wish):
        return no_more and no_less
    return no_more if wish.goal.direction is Direction.INCREASE else no_less


def _promotes(wish: AwaitGoal) -> bool:
    return wish.on_no_difference is OnNoDifference.PROMOTE


def increments_of(wish: AwaitGoal, look: Look) -> tuple[Increment, ...]:
    seen = look.observations.get(wish.goal.metric)
    return seen.increments if seen is not None else ()


def _counts(increment: tuple[float, ...]) -> tuple[float, float]:
    trials, events = increment
    return trials, events
