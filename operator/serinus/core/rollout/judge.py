"""Every look at a rollout that has weight becomes a verdict; a look that does not come is Blind."""

from __future__ import annotations

from serinus.api.judging import Mode
from serinus.api.rollout import Outlook
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.threshold import blind_too_long
from serinus.core.model.assessment import AnalysisState, Assessment, Finding, Gathered, Look, Reason, Stage
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.values import revised
from serinus.core.rollout.gates import overdue
from serinus.core.rollout.goal import with_goal_counted
from serinus.core.rollout.outlook import outlook_of
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.verbs.await_goal import is_sticky
from serinus.core.rollout.verbs.steps import next_exposure


def judged(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Take in the newest look, if there is one that has not been taken in; one that came too late can only condemn."""
    if not _is_judged(plan, state):
        return state
    began = state.stage_started_at or now
    last = max(began, state.analysis.last_look or began)
    look = seen.look
    if look is not None and look.at > last:
        stage = stage_of(plan, state, seen, began)
        outage, analysis = _usual_outage(plan, state), plan.policy.analysis
        known, assessment = assess(
            look, state.analysis, stage, analysis, now, pace=plan.pace, longest_outage_s=outage, goal=plan.goal
        )
        if assessment.verdict is Verdict.UNSAFE or not overdue(plan, look.at, now):
            state = _with(plan, state, known, assessment)
            # What is condemned ends now: nothing of a goal may stop that.
            if assessment.verdict is not Verdict.UNSAFE:
                state = with_goal_counted(plan, state, seen, look)
            return _asked(state, look) if state.exposure.is_full else state
    return _overdue(plan, state, now) if overdue(plan, max(last, seen.watched_since), now) else state


def unjudged_evidence(state: RolloutState, look: Look | None, now: float) -> Gathered | None:
    """Give the evidence of a stage that ends now by something else than a look, with what was passed by under load.

    Looks of before that changed nothing were left for the next pass to judge, and this one judges nothing of the stage.
    """
    known, weighed = state.analysis.gathered, look.weighed if look is not None else None
    if known is None or weighed is None:
        return known
    # Late: numpy is the price of the sequential tests alone.
    from serinus.core.analysis.comparison import Foretold

    passed_by = weighed.passed_by if isinstance(weighed, Foretold) and weighed.before is known else ()
    return next((evidence for at, evidence in reversed(passed_by) if at < now), known)


def stage_of(plan: RolloutPlan, state: RolloutState, seen: Snapshot, began: float) -> Stage:
    """Say what is judged.

    Where users stay where they are, a revision's share of the requests follows its weight slowly.
    """
    shown, following = state.exposure, next_exposure(plan, state)
    return Stage(shown.weight, following.weight, began, bool(shown.matches) or is_sticky(seen), shown.mirror)


def unsafe(plan: RolloutPlan, state: RolloutState, now: float) -> Cause | None:
    """Why the weight must be taken away now: a verdict, or blindness that lasts longer than the policy bears."""
    assessment = state.assessment
    if not _is_judged(plan, state) or assessment is None:
        return None
    if assessment.verdict is Verdict.UNSAFE:
        return Cause(assessment.reason, assessment.message, assessment.verdict, assessment.finding)
    if blind_too_long(state.analysis, plan.policy.analysis, now):
        text = f"no metrics for {plan.policy.analysis.blind_timeout}: {assessment.message}"
        return Cause(RolloutReason.BLIND_TIMEOUT, text, assessment.verdict, assessment.finding)
    return None


def _is_judged(plan: RolloutPlan, state: RolloutState) -> bool:
    return plan.stable is not None and not state.exposure.is_nothing and not state.phase.ended


def _overdue(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    text = "no metrics evaluated in time: the operator is late, or its metrics source does not answer"
    finding = Finding("", Verdict.BLIND, Reason.LOOK_OVERDUE, text, "")
    known = revised(state.analysis, blind_since=state.analysis.blind_since or now)
    return _with(plan, state, known, Assessment(now, Verdict.BLIND, Reason.LOOK_OVERDUE, finding))


def _with(plan: RolloutPlan, state: RolloutState, known: AnalysisState, assessment: Assessment) -> RolloutState:
    state = revised(
        state,
        analysis=known,
        assessment=assessment,
        outlook=_outlook(plan, state, assessment),
        verdict=assessment.verdict,
        assessed_at=known.last_look or state.assessed_at,
    )
    return _at_full_weight(state, assessment) if state.exposure.is_full else state


def _outlook(plan: RolloutPlan, state: RolloutState, assessment: Assessment) -> Outlook | None:
    """Write down what the test knows, unless it is what was written down already: evidence comes cell by cell."""
    if state.outlook is not None and state.assessment is not None and assessment.knows_as_much_as(state.assessment):
        return state.outlook
    return outlook_of(assessment, plan.pace) or state.outlook


def _usual_outage(plan: RolloutPlan, state: RolloutState) -> float | None:
    """At 100 %, where nothing else tells an outage from a bad version: how long stable's were, where that is known."""
    gathered = state.analysis.gathered
    if not state.exposure.is_full or gathered is None or plan.policy.analysis.mode is Mode.THRESHOLD:
        return None
    # Late: numpy is the price of the sequential test alone.
    from serinus.core.analysis.comparison import longest_outage

    return longest_outage(gathered)


def _asked(state: RolloutState, look: Look) -> RolloutState:
    """Remember that requests went in, also where none has been answered."""
    silence = look.silence
    went_in = silence is not None and bool(silence.entered or silence.in_flight)
    return revised(state, asked_at=state.asked_at or look.at) if went_in else state


def _at_full_weight(state: RolloutState, assessment: Assessment) -> RolloutState:
    """Remember what the guard's end rests on: that it was Safe once, and that somebody asked."""
    asked = assessment.verdict is Verdict.SAFE or any(finding.samples for finding in assessment.findings)
    return revised(
        state,
        safe_at=state.safe_at or (assessment.at if assessment.verdict is Verdict.SAFE else None),
        asked_at=state.asked_at or (assessment.at if asked else None),
    )
