"""One rollout, one pass: the way back first, then the walk through the steps.

Every function takes the state and gives the next one; nothing here reads a clock or a cluster. `walk` is safe to
repeat: on the same snapshot at the same time its own result is left as it is.
"""

from __future__ import annotations

from serinus.api.status import Phase, Verdict
from serinus.core.model.exposure import FULL_WEIGHT, Exposure, change
from serinus.core.model.group import position
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.values import revised
from serinus.core.rollout.ending import condemned, ended, ending, killed, taking_back, with_the_others, without_pods
from serinus.core.rollout.gates import awaits_first_look, first_refusal, refusal_beside_stable, waits_for_pods
from serinus.core.rollout.goal import ended_by_goal
from serinus.core.rollout.group import waits_for_group, with_others_seen
from serinus.core.rollout.guard import guarded, succeeded
from serinus.core.rollout.holding import because, held, phase_while_held
from serinus.core.rollout.judge import judged
from serinus.core.rollout.lives import with_life_begun
from serinus.core.rollout.question import Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.sizes import pod_counts, stage_counts
from serinus.core.rollout.stable import stable_fails, with_stable_seen
from serinus.core.rollout.verbs.set_weight import SetWeightVerb
from serinus.core.rollout.verbs.steps import is_preview, verb_at
from serinus.core.rollout.verbs.verb import Verb
from serinus.core.rollout.waiting import overdue_pods, timed_wait

PREVIEW_UNUSED = "too few requests of the preview to judge: it was ready and answered its probe, if it has one"


def walk(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Decide one active rollout."""
    state = with_stable_seen(plan, state, seen, now)
    state = revised(state, pods=pod_counts(plan, state, seen))
    if state.phase.ended:
        return taking_back(plan, with_levers_seen(plan, state), seen, now)
    state = with_others_seen(plan, _begun(plan, state, now), seen)
    how = killed(plan, state, seen)
    if how is None:
        state = judged(plan, without_pods(plan, state, seen, now), seen, now)
        how = condemned(plan, state, now) or ending(plan, state, seen) or ended_by_goal(plan, state, seen)
    if how is not None:
        return ended(plan, state, seen, how, now)
    state = with_the_others(plan, state, seen, now)
    state = timed_wait(plan, state, seen, now)
    if cause := overdue_pods(plan, state, seen, now):
        return ended(plan, state, seen, (Phase.ABORTED, cause), now)
    state = guarded(plan, state, seen, now) if state.phase is Phase.GUARDING else _steps(plan, state, seen, now)
    return state if state.phase.ended else timed_wait(plan, state, seen, now)


def with_levers_seen(plan: RolloutPlan, state: RolloutState) -> RolloutState:
    """Say that the levers on an ended rollout were seen; a retry waits until another attempt answers it."""
    levers = plan.levers.model_copy(update={"retry": state.acknowledged.retry})
    return revised(state, observed_generation=plan.generation, acknowledged=levers)


def _begun(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    """Acknowledge the plan; one that was found with traffic and no record of its stage begins it now."""
    found = not state.exposure.is_nothing and state.stage_started_at is None
    return revised(
        state,
        observed_generation=plan.generation,
        acknowledged=plan.levers,
        started_at=state.started_at or now,
        stage_started_at=now if found else state.stage_started_at,
        ready_for=None,
    )


def _steps(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Walk as far as the steps and the gates allow; several steps may pass in one go."""
    while state.phase in {Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED}:
        question = Question(plan, state, seen, now)
        if plan.stable is not None and stable_fails(state, now):
            return _in_place_of_stable(question)
        stepped = _step(question, verb_at(plan, state.step))
        if stepped.phase is Phase.GUARDING:
            return guarded(plan, stepped, seen, now)
        if stepped.step == state.step:
            return stepped
        state = stepped
    return state


def _step(question: Question, verb: Verb) -> RolloutState:
    """Do what the step does if the gates allow it, and go on to the next one unless it waits."""
    plan, state, now = question.plan, question.state, question.now
    exposure = verb.shows(state.exposure)
    rises = exposure.exceeds(state.exposure)
    if rises and (refusal := first_refusal(question)) is not None:
        return state if awaits_first_look(state, refusal) else held(plan, state, refusal, now)
    if not rises and (cause := verb.waits(question) or _wait_for_scale(question, verb)):
        return _waiting(question, cause)
    if plan.spec.group is not None and (cause := waits_for_group(question)):
        return _in_line(question, cause)
    if rises:
        state = _raised(question, exposure, _rise(question, exposure))
    if done := verb.tells(question):
        state = _done(question, verb, done)
    if plan.straight or state.step >= len(plan.steps):
        return _at_full_weight(plan, revised(state, step=len(plan.steps)), now)
    return revised(state, step=state.step + 1, step_started_at=now)


def _in_line(question: Question, cause: Cause) -> RolloutState:
    """Stand ready for the step, and say so to the other members: it is theirs to come as far."""
    plan, state = question.plan, question.state
    state = revised(state, step_started_at=state.step_started_at or question.now, ready_for=position(state))
    return because(revised(state, phase=phase_while_held(plan, state)), cause)


def _wait_for_scale(question: Question, verb: Verb) -> Cause | None:
    return waits_for_pods(question) if verb.scale is not None and verb.scale.asks else None


def _done(question: Question, verb: Verb, cause: Cause) -> RolloutState:
    """Record what a step has led to. A canary that has its size has its pods: the next wait has the whole deadline."""
    plan, state = question.plan, revised(question.state, waited_seconds=0.0)
    return recorded(plan, state, "Decided" if verb.scale is None else "Scaled", cause, question.now)


def _waiting(question: Question, cause: Cause) -> RolloutState:
    """Stay at a step; that a pause takes its time is no decision."""
    plan, state, now = question.plan, question.state, question.now
    state = revised(state, step_started_at=state.step_started_at or now)
    if cause.reason in {RolloutReason.PAUSING, RolloutReason.AWAITING_GOAL}:
        state = because(state, cause)
        return revised(state, phase=phase_while_held(plan, state))
    return held(plan, state, cause, now)


def _in_place_of_stable(question: Question) -> RolloutState:
    """Give the canary all that its ready pods may carry: nobody else can answer, whatever metrics say or do not say."""
    plan, state, seen, now = question.plan, question.state, question.seen, question.now
    refusal = refusal_beside_stable(question)
    if refusal is not None:
        return held(plan, state, refusal, now)
    ready, full = seen.fleet(plan.canary).ready, max(1, state.pods.full)
    exposure = SetWeightVerb(min(FULL_WEIGHT, FULL_WEIGHT * ready // full)).shows(state.exposure)
    text = f"stable has no ready pod, {min(ready, full)} of {full} canary pods are ready"
    if exposure.exceeds(state.exposure):
        cause = Cause(RolloutReason.STABLE_FAILING, f"{change(state.exposure, exposure)}: {text}")
        state = _raised(question, exposure, cause)
    if exposure.is_full:
        state = _at_full_weight(plan, revised(state, step=len(plan.steps)), now)
        return guarded(plan, state, seen, now) if state.phase is Phase.GUARDING else state
    return held(plan, state, Cause(RolloutReason.STABLE_FAILING, text, state.verdict), now)


def _rise(question: Question, exposure: Exposure) -> Cause:
    """Say what the rise rests on, and what no metric has judged."""
    plan, state = question.plan, question.state
    unjudged = state.verdict is Verdict.UNDECIDED and is_preview(plan, state)
    caveat = PREVIEW_UNUSED if unjudged else state.assessment.caveat if state.assessment else ""
    text = f"{change(state.exposure, exposure)}{f'; {caveat}' if caveat else ''}"
    finding = state.assessment.finding if state.assessment else None
    if plan.promote.full:
        return Cause(RolloutReason.PROMOTED, text, state.verdict, finding)
    if plan.spec.rollback:
        return Cause(RolloutReason.ROLLED_BACK, f"{text}: it has succeeded before", state.verdict, finding)
    if question.outdone:
        return Cause(RolloutReason.STABLE_FAILING, f"{text}: {question.outdone}", state.verdict, finding)
    return Cause(RolloutReason.RAISED, text, state.verdict, finding)


def _raised(question: Question, exposure: Exposure, cause: Cause) -> RolloutState:
    """Show the canary more and begin a new stage: what was counted before does not judge it.

    The verdict that allowed the rise stays in the status until the next look.
    """
    plan, state, seen, now = question.plan, question.state, question.seen, question.now
    first = state.exposure.is_nothing
    state = revised(
        with_life_begun(plan, state, now),
        phase=Phase.PROGRESSING,
        exposure=exposure,
        weight_changed_at=now,
        stage_started_at=now,
        waited_seconds=0.0,
        pods=stage_counts(plan, state, seen),
        analysis=state.analysis.for_new_stage(),
        assessment=None,
    )
    state = recorded(plan, because(state, cause), "Raised", cause, now)
    verdict = Verdict.UNDECIDED if first else state.verdict
    return revised(state, verdict=None if plan.stable is None else verdict, reason=RolloutReason.STAGE_BEGAN)


def _at_full_weight(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    if plan.stable is not None and (plan.policy.guard.seconds > 0 or plan.spec.group is not None):
        return revised(state, phase=Phase.GUARDING, guard_started_at=now, step_started_at=now)
    reason = RolloutReason.FIRST_REVISION if plan.stable is None else RolloutReason.SUCCEEDED
    return succeeded(plan, state, Cause(reason, f"version {plan.spec.to.version} is now stable"), now)
