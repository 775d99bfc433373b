"""Decisions over any snapshot: total, deterministic, the same when asked twice, and within the invariants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serinus.api.judging import OnBlind
from serinus.api.rollout import Promote, RolloutStatus
from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import AnalysisState, Look, Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState, from_status, to_status
from serinus.core.model.snapshot import Fleet, Obstacle, Probed, RolloutSeen, Snapshot
from serinus.core.rollout.decide import decide
from serinus.core.rollout.decision import Decision
from tests.unit.core.rollout.given import CANARY, NOW, OTHER, STABLE, at_step, deployment, look, plan, reading, seen

AGES = st.sampled_from([0.0, 0.5, 3.0, 12.0, 100.0])
LEVERS = st.fixed_dictionaries(
    {
        "paused": st.sampled_from([None, True, False]),
        "abort": st.sampled_from([None, None, True]),
        "promote": st.sampled_from([None, Promote(full=True), Promote(through_step=2), Promote(through_step=4)]),
        "retry": st.sampled_from([None, "once"]),
        "analysis": st.sampled_from([{}, {"onBlind": "Revert", "blindTimeout": "10s"}]),
        "guard": st.sampled_from([{"duration": "20s"}, {"duration": "0s"}]),
    }
)
READINGS = st.sampled_from(
    [
        reading(0.0),
        reading(0.2),
        reading(0.2, samples=3),
        reading(None),
        reading(None, reason=Reason.NO_TRAFFIC),
        reading(None, reason=Reason.NOT_A_NUMBER),
    ]
)
FLEETS = st.builds(
    Fleet,
    desired=st.integers(0, 5),
    ready=st.integers(0, 5),
    probed=st.sampled_from(list(Probed)),
    service_exists=st.booleans(),
    scaled_by_other=st.booleans(),
)


ACTIVE = (Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED, Phase.GUARDING)
ENDED = (Phase.SUCCEEDED, Phase.REVERTED, Phase.ABORTED, Phase.SUPERSEDED)
WEIGHTS = {Phase.PENDING: (0,), Phase.GUARDING: (100,), Phase.SUCCEEDED: (100,), Phase.PROGRESSING: (10, 50)}
STEPS = {0: (0,), 10: (1, 2), 50: (3, 4), 100: (4,)}


@st.composite
def states(draw: st.DrawFn, phases: tuple[Phase, ...]) -> RolloutState:
    """A state that a rollout can be in."""
    phase = draw(st.sampled_from(phases))
    weight = draw(st.sampled_from(WEIGHTS.get(phase, (0, 10, 50))))
    ended = NOW - draw(AGES) if phase.ended else None
    settled = ended if phase.ended and (weight == 0 or phase is Phase.SUCCEEDED) else None
    return at_step(
        draw(st.sampled_from(STEPS[weight])),
        weight,
        phase=phase,
        reason="LimitExceeded" if phase.ended else None,
        finished_at=ended,
        settled_at=settled,
        guard_started_at=NOW - draw(AGES) if phase is Phase.GUARDING else None,
        step_started_at=NOW - draw(AGES),
        weight_changed_at=NOW - draw(AGES) if weight else None,
        waiting_since=NOW - draw(AGES) if draw(st.booleans()) and not phase.ended else None,
        analysis=AnalysisState(
            failures={"error-rate": 1} if weight and draw(st.booleans()) else {},
            last_look=NOW - 1 - draw(AGES) if weight else None,
            blind_since=draw(st.sampled_from([None, NOW - 3, NOW - 30])) if weight else None,
        ),
    )


@st.composite
def snapshots(
    draw: st.DrawFn, phases: tuple[Phase, ...] = tuple(Phase), stables: tuple[str | None, ...] = (STABLE, None)
) -> Snapshot:
    """Anything that a pass can see, with a rollout in one of some phases."""
    state = draw(states(phases))
    stable = draw(st.sampled_from(stables))
    if 0 < state.exposure.weight < 100:
        stable = STABLE
    of = plan(stable=stable, **draw(LEVERS))
    newest: Look | None = None
    if draw(st.booleans()):
        newest = look(draw(READINGS), stable=draw(READINGS), at=NOW - draw(AGES))
    return seen(
        state,
        of=of,
        wanted=draw(st.sampled_from([CANARY, CANARY, STABLE, OTHER])),
        fleets=draw(st.dictionaries(st.sampled_from([STABLE, CANARY, OTHER]), FLEETS)),
        look=newest,
        obstacle=draw(st.sampled_from([None, None, Obstacle("HostConflict", "theirs")])),
        deployment=deployment(),
    )


WITH_WEIGHT = snapshots((Phase.PROGRESSING, Phase.GUARDING), (STABLE,))


def after(
    snapshot: Snapshot, decision: Decision, *, through: Callable[[RolloutState, RolloutPlan], RolloutState]
) -> Snapshot:
    """What the next pass sees when nothing but our own writes has happened."""
    decided = {stored.plan.name: through(stored.state, stored.plan) for stored in decision.states}
    rollouts = tuple(RolloutSeen(one.plan, decided.get(one.plan.name, one.state)) for one in snapshot.rollouts)
    view = replace(snapshot.deployment, status=decision.status)
    return replace(snapshot, rollouts=rollouts, deployment=view, route=decision.split or snapshot.route)


def kept(state: RolloutState, of: RolloutPlan) -> RolloutState:
    return state


def stored(state: RolloutState, of: RolloutPlan) -> RolloutState:
    """Through the API server and back."""
    return from_status(RolloutStatus.parse(to_status(state, of).manifest()))


def decided(snapshot: Snapshot) -> tuple[RolloutSeen, RolloutState]:
    """The Rollout as it was, and its state after one decision."""
    (before,), (newest,) = snapshot.rollouts, after(snapshot, decide(snapshot, NOW), through=kept).rollouts
    return before, newest.state


@settings(max_examples=80)
@given(snapshots())
def test_the_same_snapshot_gives_the_same_decision(snapshot: Snapshot) -> None:
    """No clock, no chance, no memory."""
    assert decide(snapshot, NOW) == decide(snapshot, NOW)


@settings(max_examples=80)
@given(snapshots())
def test_a_decision_made_again_on_its_own_result_changes_nothing(snapshot: Snapshot) -> None:
    """A pass that is repeated writes nothing, and wants the same split."""
    first = decide(snapshot, NOW)
    assume(first.start is None)
    second = decide(after(snapshot, first, through=kept), NOW)
    assert second.states == ()
    assert (second.split, second.status, second.notes) == (first.split, first.status, ())


@settings(max_examples=80)
@given(snapshots())
def test_a_decision_replayed_from_what_is_stored_is_the_same(snapshot: Snapshot) -> None:
    """A process that was killed after the status goes on where it was; at most it has to look again."""
    first = decide(snapshot, NOW)
    assume(first.start is None)
    second = decide(after(snapshot, first, through=stored), NOW)
    assert second.split == first.split
    assert [workload.revision.name for workload in second.workloads] == [one.revision.name for one in first.workloads]
    assert all(one.state.phase is one.before.phase for one in second.states)


@settings(max_examples=80)
@given(snapshots())
def test_a_state_survives_being_stored(snapshot: Snapshot) -> None:
    """from_status(to_status(state)) == state."""
    for one in decide(snapshot, NOW).states:
        assert stored(one.state, one.plan) == one.state


@settings(max_examples=80)
@given(snapshots(ACTIVE))
def test_the_weight_rises_only_past_every_gate(snapshot: Snapshot) -> None:
    """Pods, Service, probe; above the first weight a Safe look or an SRE; never an Unsafe one."""
    before, result = decided(snapshot)
    if result.exposure.weight <= before.state.exposure.weight:
        return
    of, canary = before.plan, snapshot.fleet(before.plan.canary)
    assert canary.service_exists
    assert canary.probed in {Probed.ANSWERED, Probed.NOT_ASKED_FOR, Probed.UNREACHABLE}
    assert canary.ready >= -(-result.exposure.weight * snapshot.min_replicas // 100)
    assert not of.spec.paused
    assert snapshot.obstacle is None
    if before.state.exposure.weight > 0:
        raised = next(record for record in result.decisions if record.action == "Raised")
        assert raised.verdict is Verdict.SAFE or of.promote.full


@settings(max_examples=80)
@given(WITH_WEIGHT)
def test_unsafe_takes_the_weight_in_the_same_pass(snapshot: Snapshot) -> None:
    """Whatever else is broken, to what stable can carry."""
    before, result = decided(replace(snapshot, look=look(reading(0.9), at=NOW)))
    stable, pods = snapshot.fleet(STABLE), snapshot.fleet(CANARY).ready
    carried = min(100, 200 * stable.ready // max(snapshot.min_replicas, stable.ready))
    assert result.exposure.weight == min(before.state.exposure.weight, 100 - carried)
    if pods == 0:
        assert result.phase is not Phase.REVERTED, "a lost node is no verdict"
        return
    assert result.phase is Phase.REVERTED
    (record,) = [one for one in result.decisions if one.action == "Taken"]
    assert all((record.metric, record.value, record.limit, record.samples, record.query, record.first_time))


@settings(max_examples=80)
@given(snapshots(ENDED))
def test_an_ended_rollouts_weight_never_rises(snapshot: Snapshot) -> None:
    """And its phase never changes."""
    before, result = decided(snapshot)
    assert result.exposure.weight <= before.state.exposure.weight
    assert result.phase is before.state.phase


@settings(max_examples=80)
@given(WITH_WEIGHT)
def test_blindness_alone_never_takes_the_weight_of_a_rollout_that_shall_hold(snapshot: Snapshot) -> None:
    """No data is not bad news; only `onBlind: Revert` makes it so."""
    before, result = decided(replace(snapshot, look=look(reading(None), at=NOW)))
    if before.plan.policy.analysis.on_blind is OnBlind.HOLD:
        assert result.phase is not Phase.REVERTED
    assert result.exposure.weight <= before.state.exposure.weight or before.plan.promote.full


@settings(max_examples=80)
@given(snapshots())
def test_the_split_is_between_revisions_that_keep_their_pods(snapshot: Snapshot) -> None:
    """Who gets traffic is never retired, and whole percents sum to 100."""
    decision = decide(snapshot, NOW)
    if decision.split is None:
        return
    assert sum(weight for _, weight in decision.split.weights) == 100
    serving = {name for name, weight in decision.split.weights if weight > 0}
    assert serving <= {workload.revision.name for workload in decision.workloads}
    assert not serving & decision.retired
