"""Where the test of a goal stands, for a status and for people."""

from __future__ import annotations

import math
from collections.abc import Iterator

from serinus.api.ab_test import AwaitGoal, OnNoDifference
from serinus.api.rollout import GoalStanding
from serinus.core.analysis.goal import Draw, GoalCount, GoalOutcome, evidence_of
from serinus.core.analysis.sequential.relative_effect import RelativeEffect, as_odds, as_ratio
from serinus.core.analysis.words import shown_duration
from serinus.core.model.assessment import Missing, Observation, Reason
from serinus.core.model.rollout import shortened
from serinus.core.model.timestamps import to_rfc3339

FIGURES = 6
LARGEST_ODDS = 1e12
NOTEWORTHY_ODDS = 2.0
LONGEST_READING = 360
"""Bytes of what a query has said."""


def standing_of(
    count: GoalCount, wish: AwaitGoal, now: float, draw: Draw | None = None, seen: Observation | None = None
) -> GoalStanding:
    """Tell where it stands at a time (unix seconds), how users are drawn, and what the metric's queries have said."""
    test = count.test
    effect = test.effect(wish.error_rate)
    better, worse = evidence_of(effect, wish)
    # What is proved already waits for its time alone.
    proved = max(better, worse) >= -math.log(wish.error_rate)
    needed = test.trials_needed(wish.error_rate) if count.outcome is None and not proved else None
    eta = _eta(count, needed, now)
    known = bool(test.weighed[0])
    standing = GoalStanding(
        metric=wish.goal.metric,
        outcome=count.outcome,
        effect=_short(as_ratio(effect.estimate)) if known else None,
        lower=_short(as_ratio(effect.lower)),
        upper=_short(as_ratio(effect.upper)),
        odds=_odds(better),
        odds_against=_odds(worse),
        trials_canary=effect.challenger[0],
        events_canary=effect.challenger[1],
        trials_stable=effect.champion[0],
        events_stable=effect.champion[1],
        since=to_rfc3339(count.began(now)),
        trials_needed=None if needed is None else float(round(needed)),
        eta_seconds=None if eta is None else float(round(eta)),
        text="",
    )
    parts = [_effect(standing, effect)]
    if count.outcome is None:
        # What keeps everybody from being counted is what has to be mended.
        parts = [*_unread(seen), *parts, *_lagging(count, wish, now, draw)]
        parts.extend(_missing(standing, wish, now - count.began(now), counted=test.weighed[1] > 0.0))
    else:
        parts.append(_decided(count, wish))
    if count.anew:
        parts.append(f"the count was lost and began anew at {standing.since}")
    return standing.model_copy(update={"text": "; ".join(parts)})


def _unread(seen: Observation | None) -> Iterator[str]:
    """Say which query has no number, so that nothing is counted just now."""
    read = (("canary", seen.canary), ("stable", seen.stable)) if seen is not None else ()
    for who, reading in read:
        # A share that is not there yet says nothing of the counters.
        if isinstance(reading, Missing) and reading.reason is not Reason.INSUFFICIENT_DATA:
            yield f"nothing is counted: {who}, {shortened(reading.message, LONGEST_READING)}"
            return


def _lagging(count: GoalCount, wish: AwaitGoal, now: float, draw: Draw | None) -> Iterator[str]:
    """Say how long successes are of earlier visits still."""
    left = count.counts_from(wish, draw, now) - now if draw is not None else 0.0
    if left > 0.0:
        yield f"nothing is counted for {shown_duration(left)} (lag {shown_duration(wish.lag_seconds)})"


def _decided(count: GoalCount, wish: AwaitGoal) -> str:
    if count.outcome is GoalOutcome.CANARY_WON:
        return "the canary has won"
    if count.outcome is GoalOutcome.STABLE_WON:
        return "stable has won"
    if count.over:
        return f"no difference is known: maxDuration {wish.max_duration} is over"
    change = "change" if wish.on_no_difference is OnNoDifference.PROMOTE else "gain"
    return f"no difference: a {change} of {wish.goal.minimum_effect} is ruled out"


def _effect(standing: GoalStanding, effect: RelativeEffect) -> str:
    """Say the effect, its band, what both counted and the odds, as far as they say anything."""
    counted = f"{_counted(effect.challenger)} against {_counted(effect.champion)}"
    if standing.effect is None:
        return f"{standing.metric}: too few to compare yet, {counted}"
    band = f"band {_signed(standing.lower, 'no lower end')} to {_signed(standing.upper, 'no upper end')}"
    text = f"{standing.metric} {_signed(standing.effect, '')} ({band}), {counted}"
    odds, who = max((standing.odds, "better"), (standing.odds_against, "worse"))
    return f"{text}, odds {odds:.3g} to 1 that the canary is {who}" if odds >= NOTEWORTHY_ODDS else text


def _missing(standing: GoalStanding, wish: AwaitGoal, lasted: float, *, counted: bool) -> list[str]:
    """Say what a decision waits for: the time, and the users that a change of minimumEffect takes."""
    parts = []
    seconds_left = wish.min_seconds - lasted
    if standing.trials_needed:
        soon = f" ({shown_duration(standing.eta_seconds)})" if standing.eta_seconds else ""
        effect = wish.goal.minimum_effect
        parts.append(f"about {standing.trials_needed:.0f} more users or sessions{soon} to tell a change of {effect}")
    if seconds_left > 0.0:
        parts.append(f"nothing is decided for {shown_duration(seconds_left)} (minDuration {wish.min_duration})")
    if lasted >= wish.max_seconds:
        why = "of what was not counted nothing is promoted" if not counted else "it waits for metrics that answer"
        parts.append(f"maxDuration {wish.max_duration} is over, and {why}")
    return parts


def _eta(count: GoalCount, needed: float | None, now: float) -> float | None:
    """Tell how long so many trials take at the pace since counting began."""
    counted, lasted = count.test.totals[0] + count.test.totals[2], now - count.began(now)
    return None if not needed or counted <= 0.0 or lasted <= 0.0 else needed * lasted / counted


def _counted(arm: tuple[float, float]) -> str:
    trials, events = arm
    return f"{events:.0f} of {trials:.0f}"


def _signed(effect: float | None, none: str) -> str:
    return none if effect is None else f"{100.0 * effect:+.1f}%"


def _odds(log_evidence: float) -> float:
    return float(f"{min(as_odds(log_evidence), LARGEST_ODDS):.{FIGURES}g}")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{FIGURES}g}")
