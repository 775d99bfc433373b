"""Counts for the goal that a rollout waits for, and ends the rollout that stable, or nobody, has won."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from serinus.api.durations import seconds
from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import Finding, Look, Missing, Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.verbs.await_goal import AwaitGoalVerb, is_sticky, outcome_of, standing_text
from serinus.core.rollout.verbs.steps import verb_at

OUTAGES: Final = frozenset(
    {Reason.UNREACHABLE, Reason.REFUSED, Reason.PARTIAL_ANSWER, Reason.STALE, Reason.TARGETS_ABSENT}
)
"""What passes: nobody can see how users fare, and nothing is wrong with the queries."""


def with_goal_counted(plan: RolloutPlan, state: RolloutState, seen: Snapshot, look: Look) -> RolloutState:
    """Take a look in for the goal of the step that the rollout is at, if it has one."""
    verb = verb_at(plan, state.step)
    if not isinstance(verb, AwaitGoalVerb):
        return state
    # Late: numpy is the price of a test.
    from serinus.core.analysis.goal import Draw, count_goal
    from serinus.core.analysis.goal_words import standing_of

    known, analysis = state.analysis, plan.policy.analysis
    draw = Draw(
        began=state.stage_started_at or look.at,
        sticky=is_sticky(seen),
        blind=_is_blind(state, look, verb.wish.goal.metric),
        interval=seconds(analysis.interval) if analysis.interval else Draw.interval,
    )
    count = count_goal(known.goal, verb.wish, look, draw, counted_before=state.goal is not None)
    standing = standing_of(count, verb.wish, look.at, draw, look.observations.get(verb.wish.goal.metric))
    return replace(state, analysis=replace(known, goal=count), goal=standing)


def _is_blind(state: RolloutState, look: Look, metric: str) -> bool:
    """Whether nobody can see how users fare just now, by any metric; a query that is wrong will not be right later."""
    seen = look.observations.get(metric)
    read = (seen.canary, seen.stable) if seen is not None else ()
    outage = any(isinstance(one, Missing) and one.verdict is Verdict.BLIND and one.reason in OUTAGES for one in read)
    return outage or (state.verdict is Verdict.BLIND and not _is_wrong(state, metric))


def _is_wrong(state: RolloutState, metric: str) -> bool:
    found = state.assessment.finding if state.assessment is not None else None
    return found is not None and found.metric == metric and found.reason not in OUTAGES


def ended_by_goal(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> tuple[Phase, Cause] | None:
    """Why the rollout ends for what its goal has decided; while an SRE holds it, or after a promotion, nothing does."""
    verb = verb_at(plan, state.step)
    if not isinstance(verb, AwaitGoalVerb) or plan.spec.paused or plan.skips(state.step) or not is_sticky(seen):
        return None
    outcome = outcome_of(state)
    if outcome is None or not verb.ends_with(outcome):
        return None
    verdict = Verdict.UNSAFE if outcome is RolloutReason.STABLE_WON else Verdict.UNDECIDED
    return Phase.REVERTED, Cause(outcome, standing_text(state), verdict, _finding(state))


def _finding(state: RolloutState) -> Finding | None:
    """What the goal's metric says, with the numbers of the whole test instead of a window's."""
    standing, assessment = state.goal, state.assessment
    found = assessment.findings if assessment else ()
    finding = next((one for one in found if standing is not None and one.metric == standing.metric), None)
    if standing is None or finding is None:
        return finding
    return replace(
        finding,
        value=_rate(standing.events_canary, standing.trials_canary),
        baseline=_rate(standing.events_stable, standing.trials_stable),
        samples=standing.trials_canary,
        limit=None,
    )


def _rate(events: float, trials: float) -> float | None:
    return events / trials if trials else None
