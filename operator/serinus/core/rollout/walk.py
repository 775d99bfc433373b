"""One rollout, one pass: the way back first, then the walk through the steps.

Every function takes the state and gives the next one; nothing here reads a clock or a cluster. `walk` is safe to
repeat: on the same snapshot at the same time its own result is left as it is.
"""

from __future__ import annotations

from dataclasses import replace

from serinus.api.policy import Pace
from serinus.api.status import Phase, Verdict
from serinus.core.analysis.silence import is_about_silence
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.gates import Question, first_refusal, waits_for_pods
from serinus.core.rollout.judge import judged, unsafe
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.weights import taken_weight


def walk(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Decide one active rollout."""
    if state.phase.ended:
        return _taking_back(plan, with_levers_seen(plan, state), seen, now)
    state = replace(
        state,
        observed_generation=plan.generation,
        acknowledged=plan.levers,
        started_at=state.started_at or now,
    )
    state = judged(plan, state, seen, now)
    ending = _ending(plan, state, seen, now)
    if ending is not None:
        return _ended(plan, replace(state, phase=ending[0]), seen, ending[1], now)
    state = _timed_wait(plan, state, seen, now)
    if cause := _deadline(plan, state, seen, now):
        return _ended(plan, replace(state, phase=Phase.ABORTED), seen, cause, now)
    return _guard(plan, state, now) if state.phase is Phase.GUARDING else _steps(plan, state, seen, now)


def with_levers_seen(plan: RolloutPlan, state: RolloutState) -> RolloutState:
    """Say that the levers on an ended rollout were seen; a retry waits until another attempt answers it."""
    levers = plan.levers.model_copy(update={"retry": state.acknowledged.retry})
    return replace(state, observed_generation=plan.generation, acknowledged=levers)


def _ending(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> tuple[Phase, Cause] | None:
    """What ends the rollout now, most urgent first: a verdict, an SRE, another wish."""
    if cause := unsafe(plan, state, now):
        return Phase.REVERTED, cause
    if plan.spec.abort:
        return Phase.ABORTED, Cause(RolloutReason.ABORT_REQUESTED, "spec.abort is true")
    wanted = seen.wanted
    if wanted is None or wanted.name == plan.canary:
        return None
    if wanted.name == plan.stable:
        return Phase.SUPERSEDED, Cause(RolloutReason.SPEC_RESTORED, f"the spec asks for {plan.stable} again")
    if state.phase is Phase.GUARDING:
        return Phase.SUCCEEDED, Cause(RolloutReason.ENDED_IN_GUARD, f"the spec asks for {wanted.name} already")
    return Phase.SUPERSEDED, Cause(RolloutReason.NEW_SPEC, f"the spec asks for {wanted.name} now")


def _ended(plan: RolloutPlan, state: RolloutState, seen: Snapshot, cause: Cause, now: float) -> RolloutState:
    state = replace(
        state,
        reason=cause.reason,
        message=cause.message,
        verdict=cause.verdict or state.verdict,
        finished_at=now,
        waiting_since=None,
    )
    if state.phase is Phase.SUCCEEDED:
        return replace(recorded(plan, state, "Held", cause, now), settled_at=now)
    return _taking_back(plan, state, seen, now, cause)


def _taking_back(
    plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float, cause: Cause | None = None
) -> RolloutState:
    """Give stable what it can carry; what it cannot carry yet follows pod by pod."""
    weight = taken_weight(state.weight, seen.fleet(plan.stable))
    taken = weight < state.weight
    state = replace(
        state,
        weight=weight,
        weight_changed_at=now if taken else state.weight_changed_at,
        settled_at=now if weight == 0 else None,
    )
    if taken or cause is not None:
        state = recorded(plan, state, "Taken", cause or _cause_of(state), now)
    return state


def _cause_of(state: RolloutState) -> Cause:
    return Cause(state.reason or state.phase, state.message or "", state.verdict)


def _timed_wait(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Time the waiting for pods, and nothing else: pauses, holds and blindness are no fault of the canary.

    Before a rise its waits add up. In a pause and in the guard each counts for itself: nothing waits for the canary
    there, and short outages over hours make no long one.
    """
    waits = waits_for_pods(Question(plan, state, seen, now)) is not None and not plan.spec.paused
    if waits:
        return state if state.waiting_since is not None else replace(state, waiting_since=now)
    if state.waiting_since is None:
        return state
    return replace(state, waiting_since=None, waited_seconds=_waited(state, now) if _rises_next(plan, state) else 0.0)


def _rises_next(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the next thing is a rise of the weight, and no pause or guard whose end is awaited."""
    return state.phase is not Phase.GUARDING and plan.weight_at(state.step) is not None


def _waited(state: RolloutState, now: float) -> float:
    return round(state.waited_seconds + (now - state.waiting_since if state.waiting_since is not None else 0.0), 3)


def _deadline(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> Cause | None:
    deadline = plan.policy.progress_deadline_seconds
    if state.waiting_since is None or _waited(state, now) < deadline:
        return None
    why = waits_for_pods(Question(plan, state, seen, now))
    detail = f": {why.message}" if why else ""
    return Cause(RolloutReason.DEADLINE_EXCEEDED, f"not ready within progressDeadlineSeconds ({deadline}){detail}")


def _guard(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    """Stay until the guard's time is over; blindness, or a failing streak, keeps the way back open."""
    over = now - (state.guard_started_at or now) >= plan.policy.guard.seconds
    held = _guard_held(plan, state, over=over)
    if over and held is None:
        cause = Cause(RolloutReason.SUCCEEDED, f"{plan.spec.to.version} is stable now", state.verdict)
        state = replace(state, phase=Phase.SUCCEEDED, finished_at=now, settled_at=now)
        return recorded(plan, _because(state, cause), "Held", cause, now)
    cause = held or Cause(RolloutReason.GUARDING, f"guarded for {plan.policy.guard.duration}", state.verdict)
    return _held(plan, state, cause, now) if held else _because(state, cause)


def _guard_held(plan: RolloutPlan, state: RolloutState, *, over: bool) -> Cause | None:
    if plan.spec.paused:
        return Cause(RolloutReason.PAUSED_BY_USER, "spec.paused is true: the guard window stays open", state.verdict)
    assessment = state.assessment
    if assessment is None:
        text = "nobody has looked since it got all traffic, or since the operator started"
        return Cause(RolloutReason.NO_ASSESSMENT, text, Verdict.UNDECIDED) if over else None
    if assessment.verdict is Verdict.BLIND or state.evidence.failures or is_about_silence(assessment):
        return Cause(assessment.reason, assessment.message, assessment.verdict, assessment.finding)
    return None


def _steps(plan: RolloutPlan, state: RolloutState, seen: Snapshot, now: float) -> RolloutState:
    """Walk as far as the steps and the gates allow; several steps may pass in one go."""
    while state.phase in {Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED}:
        weight = plan.weight_at(state.step)
        stepped = _pause(plan, state, now) if weight is None else _set_weight(plan, state, seen, weight, now)
        if stepped.phase is Phase.GUARDING:
            return _guard(plan, stepped, now)
        if stepped.step == state.step:
            return stepped
        state = stepped
    return state


def _pause(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    pause = plan.steps[state.step].pause
    duration = pause.seconds if pause else 0.0
    if _skips(plan, state.step):
        return _next_step(state, now)
    if plan.spec.paused:
        return _held(plan, state, Cause(RolloutReason.PAUSED_BY_USER, "spec.paused is true", state.verdict), now)
    if duration is None:
        text = f"set spec.promote.throughStep to {state.step + 1} to go on{_beside(state)}"
        return _held(plan, state, Cause(RolloutReason.AWAITING_PROMOTION, text, state.verdict), now)
    if plan.pace is Pace.EVIDENCE or now - (state.step_started_at or now) >= duration:
        return _next_step(state, now)
    state = replace(state, step_started_at=state.step_started_at or now)
    if cause := _suspicion(state):
        return _held(plan, state, cause, now)
    cause = Cause(RolloutReason.PAUSING, f"pauses for {pause.duration if pause else ''}")
    return _because(replace(state, phase=_phase_while_held(plan, state)), cause)


def _beside(state: RolloutState) -> str:
    """Say beside the wait for people what speaks against going on."""
    assessment = state.assessment
    return "" if assessment is None or assessment.verdict is Verdict.SAFE else f" ({assessment.message})"


def _suspicion(state: RolloutState) -> Cause | None:
    """Say in a pause already what would hold the weight at its end."""
    assessment = state.assessment
    if assessment is None:
        return None
    return Cause(assessment.reason, assessment.message, assessment.verdict, assessment.finding)


def _skips(plan: RolloutPlan, step: int) -> bool:
    """Whether an SRE has promoted past this pause; steps count from 1 for people."""
    return step + 1 <= (plan.promote.through_step or 0)


def _next_step(state: RolloutState, now: float) -> RolloutState:
    return replace(state, step=state.step + 1, step_started_at=now)


def _set_weight(plan: RolloutPlan, state: RolloutState, seen: Snapshot, weight: int, now: float) -> RolloutState:
    if weight > state.weight:
        refusal = first_refusal(Question(plan, state, seen, now))
        if refusal is not None:
            return _held(plan, state, refusal, now)
        state = _raised(plan, state, weight, now)
    if plan.straight or state.step >= len(plan.steps):
        return _at_full_weight(plan, replace(state, step=len(plan.steps)), now)
    return _next_step(state, now)


def _raised(plan: RolloutPlan, state: RolloutState, weight: int, now: float) -> RolloutState:
    """Raise the weight and begin a new stage: what was counted before does not judge it."""
    caveat = state.assessment.caveat if state.assessment else ""
    text = f"weight {state.weight} to {weight}{f'; {caveat}' if caveat else ''}"
    reason = RolloutReason.PROMOTED if plan.promote.full else RolloutReason.RAISED
    finding = state.assessment.finding if state.assessment else None
    cause = Cause(reason, text, state.verdict, finding)
    state = replace(
        state,
        phase=Phase.PROGRESSING,
        weight=weight,
        weight_changed_at=now,
        stage_started_at=now,
        waited_seconds=0.0,
        evidence=state.evidence.for_new_stage(),
        assessment=None,
    )
    state = recorded(plan, _because(state, cause), "Raised", cause, now)
    return replace(state, verdict=None if plan.stable is None else Verdict.UNDECIDED, reason=RolloutReason.STAGE_BEGAN)


def _at_full_weight(plan: RolloutPlan, state: RolloutState, now: float) -> RolloutState:
    if plan.stable is not None and plan.policy.guard.seconds > 0:
        return replace(state, phase=Phase.GUARDING, guard_started_at=now, step_started_at=now)
    reason = RolloutReason.FIRST_REVISION if plan.stable is None else RolloutReason.SUCCEEDED
    cause = Cause(reason, f"{plan.spec.to.version} is stable now")
    state = replace(state, phase=Phase.SUCCEEDED, finished_at=now, settled_at=now)
    return recorded(plan, _because(state, cause), "Held", cause, now)


def _because(state: RolloutState, cause: Cause) -> RolloutState:
    return replace(state, reason=cause.reason, message=cause.message)


def _held(plan: RolloutPlan, state: RolloutState, cause: Cause, now: float) -> RolloutState:
    """Hold the weight, and say why."""
    held = _because(replace(state, phase=_phase_while_held(plan, state)), cause)
    looked_at = state.assessment.at if state.assessment is not None and cause.finding is not None else now
    return recorded(plan, held, "Held", cause, looked_at)


def _phase_while_held(plan: RolloutPlan, state: RolloutState) -> Phase:
    if state.phase is Phase.GUARDING:
        return Phase.GUARDING
    pause = plan.steps[state.step].pause if state.step < len(plan.steps) and not plan.straight else None
    waits_for_people = pause is not None and pause.duration is None and not _skips(plan, state.step)
    if plan.spec.paused or waits_for_people:
        return Phase.PAUSED
    return Phase.PENDING if state.weight == 0 else Phase.PROGRESSING
