"""What is reported, and when: only when a phase, a weight or a reason changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.status import Condition, Phase, Verdict
from serinus.core.model.assessment import Reason
from serinus.core.model.exposure import Exposure
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.again import why_again
from serinus.core.rollout.decision import NewRollout, Note, StoredState
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.summary import Standing

WARNING_PHASES = frozenset({Phase.REVERTED, Phase.ABORTED})
FALLBACK = "FallbackServing"
WARNING_CONDITIONS = ("Stalled", FALLBACK, "Degraded")
SELF_EVIDENT = frozenset(
    {
        RolloutReason.STAGE_BEGAN,
        RolloutReason.NO_ASSESSMENT,
        RolloutReason.PAUSING,
        RolloutReason.AWAITING_GOAL,
        RolloutReason.GUARDING,
    }
)
"""The weight's own change says all of it."""
STEPS_DONE = frozenset({"Scaled", "Decided"})


def notes_of(standing: Standing, states: tuple[StoredState, ...], status: ModelDeploymentStatus) -> tuple[Note, ...]:
    """Compare before and after."""
    started = [_started(standing.start, standing.seen)] if standing.start else []
    told = [note for stored in states for note in _rollout_notes(stored)]
    return (*started, *told, *_condition_notes(standing.seen.deployment.status.conditions, status.conditions))


def _started(start: NewRollout, seen: Snapshot) -> Note:
    again = why_again(start.spec, seen)
    what = f": version {start.spec.to.version} is {again}" if again else ""
    return Note("RolloutStarted", f"Starting Rollout {start.name}{what}")


def _rollout_notes(stored: StoredState) -> Iterator[Note]:
    before, after, plan = stored.before, stored.state, stored.plan
    to = plan.spec.to.version
    had, has = before.exposure, after.exposure
    yield from _step_notes(stored)
    if has.exceeds(had):
        yield Note("WeightRaised", f"Version {to}: {_weight(had, has)}{had.text} to {has.text}", rollout=plan)
    if after.phase is not before.phase and (after.phase.ended or after.phase is Phase.GUARDING):
        text = f"Version {to} at {has.text}: {after.message or after.reason}"
        yield Note(f"Rollout{after.phase}", text, after.phase in WARNING_PHASES, plan)
    elif had.exceeds(has):
        yield Note("WeightTaken", f"Version {to}: {_weight(had, has)}{had.text} to {has.text}", rollout=plan)
    elif after.reason != before.reason and not after.phase.ended and not _says_nothing_new(before, after):
        warning = after.verdict in {Verdict.BLIND, Verdict.UNSAFE}
        yield Note(after.reason or "", f"Version {to} held at {has.text}: {after.message}", warning, plan)


def _step_notes(stored: StoredState) -> Iterator[Note]:
    """Tell of each step that has led to something of its own: no phase, weight or reason need change with it."""
    known = {record.first_time for record in stored.before.decisions if record.action in STEPS_DONE}
    to, shown = stored.plan.spec.to.version, stored.before.exposure.text
    for record in stored.state.decisions:
        if record.action in STEPS_DONE and record.first_time not in known:
            yield Note(record.reason, f"Version {to} at {shown}: {record.message}", rollout=stored.plan)


def _weight(had: Exposure, has: Exposure) -> str:
    return "weight " if had.by_weight_alone and has.by_weight_alone else ""


def _says_nothing_new(before: RolloutState, after: RolloutState) -> bool:
    """Whether a reason goes without saying; that it waits for pods does where it has just been told to start."""
    begins = before.reason is None and after.reason == RolloutReason.CANARY_NOT_READY
    return begins or after.reason in SELF_EVIDENT or after.reason == Reason.WITHIN_LIMITS


def _condition_notes(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> Iterator[Note]:
    known = {condition.type: condition for condition in before}
    if _holds(FALLBACK, before) and not _holds(FALLBACK, after):
        yield Note("FallbackEnded", "The fallback has given the requests back")
    for condition in after:
        if condition.type not in WARNING_CONDITIONS or condition.status != "True":
            continue
        earlier = known.get(condition.type)
        if earlier is None or earlier.status != "True" or earlier.reason != condition.reason:
            yield Note(condition.reason, condition.message, warning=True)


def _holds(kind: str, conditions: Iterable[Condition]) -> bool:
    return any(one.type == kind and one.status == "True" for one in conditions)
