"""Says what the sampler must watch for a decision: both revisions of the active rollout, as series name them."""

from __future__ import annotations

from collections.abc import Mapping

from serinus.api.canary import Pace
from serinus.api.parsing import ModelDeploymentView
from serinus.api.status import Verdict
from serinus.core.analysis.promql import Arm
from serinus.core.model.assessment import Stage
from serinus.core.model.identity import Key
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.rollout.alone import Span, alone
from serinus.core.rollout.decision import Decision
from serinus.core.rollout.judge import stage_of
from serinus.core.rollout.lives import cold_since
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.verbs.steps import is_preview, next_exposure
from serinus.runtime.watch import Watch


def watch_of(view: ModelDeploymentView, seen: Snapshot, decision: Decision) -> Watch | None:
    """Watch the newest Rollout from before its first weight until it has ended; the very first has no baseline."""
    newest = seen.newest
    if newest is None or decision.start is not None or seen.freeze is not None:
        return None
    plan, state = newest.plan, _state_after(newest, decision)
    canary, stable = seen.revision(plan.canary), seen.revision(plan.stable)
    if state.phase.ended or plan.stable is None or canary is None:
        return None
    key = Key(view.namespace, view.name)
    arms = _arm(view, canary), _arm(view, stable) if stable else None
    return watched(key, plan, state, arms, alone(seen, plan), stage=_compared_in(plan, state, seen))


def _compared_in(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Stage | None:
    """Say in which stage the next look is judged, where that is known before it is."""
    began = state.stage_started_at
    if began is None or state.exposure.is_nothing or state.exposure.mirror or plan.goal:
        return None
    return stage_of(plan, state, seen, began)


def watched(
    key: Key,
    plan: RolloutPlan,
    state: RolloutState,
    arms: tuple[Arm, Arm | None],
    alone_before: tuple[Span, ...],
    *,
    stage: Stage | None = None,
) -> Watch:
    """Say from when on a rollout's metrics count, and up to where its evidence reaches."""
    return Watch(
        key=key,
        rollout=plan.uid,
        canary=arms[0],
        stable=arms[1],
        analysis=plan.policy.analysis,
        since=None if state.exposure.is_nothing else state.stage_started_at,
        taken=_taken(state),
        cold_since=cold_since(state),
        back_since=state.counts_from,
        mirrored=bool(state.exposure.mirror or _copies_next(plan, state)),
        whole_stage=is_preview(plan, state),
        stable_version=plan.spec.from_.version if plan.spec.from_ else "",
        alone=alone_before,
        calibrated=_is_calibrated(state),
        calm=_is_calm(plan, state),
        known=state.analysis if stage is not None else None,
        stage=stage,
    )


def _is_calm(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether a look that repeats the last one would change nothing.

    Failing looks are counted, a guard and a budget wait for time, evidence in doubt for more of it, and a rise that the
    gateways have not followed for what arrives.
    """
    waits = plan.pace is Pace.EVIDENCE or plan.goal is not None or state.exposure.is_full
    waits = waits or state.reason == RolloutReason.ROUTE_NOT_FOLLOWED
    known = state.analysis
    counts = known.failures or known.excused or known.exceeded or known.blind_since is not None
    return not waits and not counts and state.assessment is not None and state.verdict is Verdict.SAFE


def _copies_next(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the canary sees nothing yet, and copies first: whether anybody counts them is known before that."""
    return state.exposure.is_nothing and next_exposure(plan, state).mirror > 0


def _taken(state: RolloutState) -> Mapping[str, float]:
    gathered, counted = state.analysis.gathered, state.analysis.goal
    # Late: numpy is the price of the sequential tests alone.
    if gathered is None and counted is None:
        return {}
    from serinus.core.analysis.comparison import taken_of
    from serinus.core.analysis.goal import read_goal_count

    count = read_goal_count(counted)
    of_goal = {state.goal.metric: count.taken} if count and state.goal else {}
    return {**taken_of(gathered), **of_goal}


def _is_calibrated(state: RolloutState) -> bool:
    if state.analysis.gathered is None:
        return False
    from serinus.core.analysis.comparison import calibrated

    return calibrated(state.analysis.gathered)


def _state_after(newest: RolloutSeen, decision: Decision) -> RolloutState:
    plan: RolloutPlan = newest.plan
    return next((stored.state for stored in decision.states if stored.plan.name == plan.name), newest.state)


def _arm(view: ModelDeploymentView, revision: Revision) -> Arm:
    return Arm(namespace=view.namespace, name=view.name, revision=revision.hash, service=revision.name)
