"""Counts for the goal that a rollout waits for, and ends the rollout that its champion, or nobody, has won."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import Finding, Look
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.verbs.await_goal import AwaitGoalVerb, is_sticky, outcome_of, standing_text
from serinus.core.rollout.verbs.steps import verb_at


def with_goal_counted(plan: RolloutPlan, state: RolloutState, seen: Snapshot, look: Look) -> RolloutState:
    """Take a look in for the goal of the step that the rollout is at, if it has one."""
    verb = verb_at(plan, state.step)
    if not isinstance(verb, AwaitGoalVerb):
        return state
    # Late: numpy is the price of a test.
    from serinus.core.analysis.goal import count_goal
    from serinus.core.analysis.goal_words import standing_of

    known = state.analysis
    count = count_goal(known.goal, verb.wish, look, sticky=is_sticky(seen), counted_before=state.goal is not None)
    return replace(state, analysis=replace(known, goal=count), goal=standing_of(count, verb.wish, look.at))


def ended_by_goal(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> tuple[Phase, Cause] | None:
    """Why the rollout ends for what its goal has decided; while an SRE holds it, or after a promotion, nothing does."""
    verb = verb_at(plan, state.step)
    if not isinstance(verb, AwaitGoalVerb) or plan.spec.paused or plan.skips(state.step) or not is_sticky(seen):
        return None
    outcome = outcome_of(state)
    if outcome is None or not verb.ends_with(outcome):
        return None
    verdict = Verdict.UNSAFE if outcome is RolloutReason.CHAMPION_WON else Verdict.UNDECIDED
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
