"""When to run the next pass if nothing changes: at the end of a pause, window, deadline or drain."""

from __future__ import annotations

from collections.abc import Iterator

from serinus.api.durations import seconds
from serinus.api.judging import OnBlind
from serinus.api.status import Phase
from serinus.core.model.assessment import Look
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.gates import OVERDUE_INTERVALS, OVERDUE_SLACK_SECONDS
from serinus.core.rollout.guard import guard_seconds
from serinus.core.rollout.served import may_have_served
from serinus.core.rollout.sizes import early_at
from serinus.core.rollout.stable import fails_at
from serinus.core.rollout.verbs.steps import verb_at

OBSTACLE_SECONDS = 10.0
"""What is in the way may go without an event that we see: a ConfigMap, or a Service, of the user's is not watched."""


def next_wake(
    plan: RolloutPlan, state: RolloutState, now: float, look: Look | None = None, turn_seconds: float = 0.0
) -> float | None:
    """The earliest time in the future at which time alone changes the decision; the newest look tells the guard's.

    A look may have to wait for `turn_seconds` until its pass comes: it is not late before that.
    """
    return min((at for at in _times(plan, state, now, look, turn_seconds) if at > now), default=None)


def drained_at(seen: Snapshot, revision: str) -> float:
    """When the last traffic that a revision may have got has drained; 0 when it never had any.

    What was decided counts from when the live route is seen to say it: a write of the route may have failed for long.
    Where no Rollout is left to say what was decided, the route says all there is.
    """
    if not may_have_served(seen, revision):
        return 0.0
    settled = (
        rollout.state.settled_at
        for rollout in seen.rollouts
        if revision in {rollout.plan.canary, rollout.plan.stable}
        and rollout.state.weight_changed_at is not None
        and rollout.state.settled_at is not None
    )
    return max(*settled, seen.unrouted_since.get(revision, 0.0), 0.0) + seen.drain_seconds


def _times(
    plan: RolloutPlan, state: RolloutState, now: float, look: Look | None, turn_seconds: float
) -> Iterator[float]:
    yield from (at for at in (fails_at(state), early_at(plan, state)) if at is not None)
    if state.phase.ended:
        return
    analysis = plan.policy.analysis
    if state.phase is Phase.GUARDING and state.guard_started_at is not None:
        yield state.guard_started_at + guard_seconds(plan, look)
    elif (ends_at := verb_at(plan, state.step).ends_at(state.step_started_at)) is not None:
        yield ends_at
    if state.waiting_since is not None:
        yield state.waiting_since + plan.policy.progress_deadline_seconds - state.waited_seconds
    if state.analysis.blind_since is not None and analysis.on_blind is OnBlind.REVERT:
        yield state.analysis.blind_since + seconds(analysis.blind_timeout or "5m")
    if not state.exposure.is_nothing and plan.stable is not None:
        yield now + OVERDUE_INTERVALS * seconds(analysis.interval or "5s") + OVERDUE_SLACK_SECONDS + turn_seconds
