"""Where the test of a goal stands, for a status and for people."""

from __future__ import annotations

from serinus.api.ab_test import AwaitGoal
from serinus.api.rollout import GoalStanding
from serinus.core.analysis.goal import GoalCount, evidence_of
from serinus.core.analysis.sequential.relative_effect import RelativeEffect, as_odds, as_ratio
from serinus.core.analysis.words import shown_duration
from serinus.core.model.timestamps import to_rfc3339

FIGURES = 6
LARGEST_ODDS = 1e12
NOTEWORTHY_ODDS = 2.0


def standing_of(count: GoalCount, wish: AwaitGoal, now: float) -> GoalStanding:
    """Tell where it stands at a time (unix seconds)."""
    test = count.test
    effect = test.effect(wish.error_rate)
    better, worse = evidence_of(effect, wish)
    needed = test.trials_needed(wish.error_rate) if count.outcome is None else None
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
        since=to_rfc3339(count.since),
        trials_needed=None if needed is None else float(round(needed)),
        eta_seconds=None if eta is None else float(round(eta)),
        text="",
    )
    return standing.model_copy(update={"text": _text(standing, count, wish, effect, now)})


def _text(standing: GoalStanding, count: GoalCount, wish: AwaitGoal, effect: RelativeEffect, now: float) -> str:
    parts = [_effect(standing, effect)]
    if count.outcome is None:
        parts.extend(_missing(standing, wish, wish.min_seconds - (now - count.since)))
    if count.anew:
        parts.append(f"the count was lost and began anew at {standing.since}")
    return "; ".join(parts)


def _effect(standing: GoalStanding, effect: RelativeEffect) -> str:
    """Say the effect, its band, what both counted and the odds, as far as they say anything."""
    counted = f"{_counted(effect.challenger)} against {_counted(effect.champion)}"
    if standing.effect is None:
        return f"{standing.metric}: too few to compare yet, {counted}"
    band = f"band {_signed(standing.lower, 'no lower end')} to {_signed(standing.upper, 'no upper end')}"
    text = f"{standing.metric} {_signed(standing.effect, '')} ({band}), {counted}"
    odds, who = max((standing.odds, "better"), (standing.odds_against, "worse"))
    return f"{text}, odds {odds:.3g} to 1 that the challenger is {who}" if odds >= NOTEWORTHY_ODDS else text


def _missing(standing: GoalStanding, wish: AwaitGoal, seconds_left: float) -> list[str]:
    """Say what a decision waits for: the time, and the users that a change of minimumEffect takes."""
    parts = []
    if standing.trials_needed:
        soon = f" ({shown_duration(standing.eta_seconds)})" if standing.eta_seconds else ""
        effect = wish.goal.minimum_effect
        parts.append(f"about {standing.trials_needed:.0f} more users or sessions{soon} to tell a change of {effect}")
    if seconds_left > 0.0:
        parts.append(f"nothing is decided for {shown_duration(seconds_left)} (minDuration {wish.min_duration})")
    return parts


def _eta(count: GoalCount, needed: float | None, now: float) -> float | None:
    """Tell how long so many trials take at the pace since counting began."""
    counted, lasted = count.test.totals[0] + count.test.totals[2], now - count.since
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
