"""The guard: the time at 100 % in which the previous revision is kept and the new one must show that it can serve."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.status import Phase, Verdict
from serinus.core.analysis.silence import is_about_silence
from serinus.core.analysis.source_time import WINDOW_SCRAPES
from serinus.core.model.assessment import Look, Reason
from serinus.core.model.group import position
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.following import not_followed
from serinus.core.rollout.group import is_hurried, waits_for_group
from serinus.core.rollout.holding import because, held
from serinus.core.rollout.question import Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause, recorded


def guarded(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Stay until the guard's time is over and something speaks for the canary."""
    lasts = guard_seconds(plan, seen.look)
    over = now - (state.guard_started_at or now) >= lasts or is_hurried(plan, state, seen)
    # One that has no guard stands here only until its group is as far.
    cause = kept_open(plan, state, over=over) if lasts > 0 or plan.spec.paused else None
    cause = cause or (_not_followed(plan, state, seen) if over else None)
    if cause is not None:
        return held(plan, state, cause, now)
    if not over:
        text = f"guarding for {plan.policy.guard.duration}"
        if lasts > plan.policy.guard.seconds:
            text = f"guarding for {lasts:.0f} s: three scrapes take longer than {plan.policy.guard.duration}"
        return because(state, Cause(RolloutReason.GUARDING, text, state.verdict))
    if plan.spec.group is not None:
        state = replace(state, ready_for=position(state))
        if cause := waits_for_group(Question(plan, state, seen, now)):
            return because(state, cause)
    return succeeded(plan, state, _success(plan, state), now)


def _not_followed(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Cause | None:
    """Say that it was never asked what it now claims to answer.

    An SRE who promotes it knows better, and a way back waits for nobody: it has answered before.
    """
    return None if plan.promote.full or plan.spec.rollback else not_followed(plan, state, seen)


def guard_seconds(plan: RolloutPlan, look: Look | None) -> float:
    """Tell how long the guard lasts: long enough for three scrapes to show what the canary does with all traffic.

    A policy that wants no guard has none.
    """
    asked = plan.policy.guard.seconds
    if look is None or look.scrape_interval is None or asked <= 0:
        return asked
    return max(asked, WINDOW_SCRAPES * look.scrape_interval + look.delay)


def succeeded(plan: RolloutPlan, state: RolloutState, cause: Cause, now: float) -> RolloutState:
    """End well: the canary is stable from now on."""
    cause = replace(cause, verdict=final_verdict(state))
    state = replace(
        state,
        phase=Phase.SUCCEEDED,
        verdict=cause.verdict,
        finished_at=now,
        settled_at=now,
        waiting_since=None,
        ready_for=None,
    )
    return recorded(plan, because(state, cause), "Held", cause, now)


def final_verdict(state: RolloutState) -> Verdict | None:
    """Tell what a rollout that ends well was found to be: Safe, or nothing where no metrics were Safe at the end.

    What the last look alone could not decide is no verdict on what serves from now on.
    """
    return Verdict.SAFE if state.safe_at is not None or state.verdict is Verdict.SAFE else None


def clean(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether a commit in the guard may start from the canary: it was Safe at 100 %, and nothing speaks against it."""
    verdict = state.assessment.verdict if state.assessment is not None else state.verdict
    return (
        state.safe_at is not None
        and not plan.spec.paused
        and verdict is not Verdict.BLIND
        and not failing_metrics(plan, state)
        and not (state.assessment is not None and is_about_silence(state.assessment))
    )


def kept_open(plan: RolloutPlan, state: RolloutState, *, over: bool) -> Cause | None:
    """Why the guard may not end; what stands only in the way of its end is said once its time is over."""
    if plan.spec.paused:
        return Cause(
            RolloutReason.PAUSED_BY_USER, "spec.paused is true: the guard stays open until it is false", state.verdict
        )
    assessment = state.assessment
    if assessment is None:
        text = "no metrics evaluated since it reached 100%, or since the operator started"
        return Cause(RolloutReason.NO_ASSESSMENT, text, Verdict.UNDECIDED) if over else None
    if assessment.verdict is Verdict.BLIND or failing_metrics(plan, state) or is_about_silence(assessment):
        return Cause(assessment.reason, assessment.message, assessment.verdict, assessment.finding)
    if over and not _may_succeed(plan, state):
        text = f"the guard stays open until metrics are Safe once: {assessment.message}"
        return Cause(assessment.reason, text, assessment.verdict, assessment.finding)
    return None


def failing_metrics(plan: RolloutPlan, state: RolloutState) -> tuple[str, ...]:
    """The metrics that decide and are in a failing streak."""
    watched = {metric.name for metric in plan.policy.analysis.metrics if metric.gating is False}
    return tuple(name for name in state.analysis.failures if name not in watched)


def _may_succeed(plan: RolloutPlan, state: RolloutState) -> bool:
    return state.safe_at is not None or bool(plan.promote.full) or _unobserved(state)


def _unobserved(state: RolloutState) -> bool:
    """Whether truly nobody has asked since it got all traffic."""
    quiet = state.assessment is not None and state.assessment.reason is Reason.NO_TRAFFIC
    return quiet and state.asked_at is None


def _success(plan: RolloutPlan, state: RolloutState) -> Cause:
    version = plan.spec.to.version
    if state.safe_at is None and _unobserved(state):
        return Cause(RolloutReason.UNOBSERVED, f"version {version} is now stable; no request was seen during the guard")
    return Cause(RolloutReason.SUCCEEDED, f"version {version} is now stable")
