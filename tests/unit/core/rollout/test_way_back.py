"""What of a decision holds while the rest of the cluster is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.group import GroupMembership
from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import AnalysisState, Missing, Reason
from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Fallback, Fleet, Obstacle, RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.decide import decide
from serinus.core.rollout.decision import Decision
from serinus.core.rollout.way_back import learnt, of_its_own, only_takes, way_back
from tests.unit.core.rollout.given import (
    CANARY,
    ERROR_RATE,
    NOW,
    OTHER,
    STABLE,
    at_step,
    deployment,
    fleet,
    look,
    plan,
    reading,
    seen,
)

HALF = Split.of(STABLE, CANARY, Exposure(50))
BAD = look(reading(0.5))


def half(**fields: Any) -> Snapshot:
    """A canary with half of the traffic, at a pause."""
    return seen(at_step(3, 50), route=HALF, **fields)


def decided(snapshot: Snapshot) -> Decision | None:
    snapshot = of_its_own(snapshot)
    return way_back(snapshot, decide(snapshot, NOW))


@pytest.mark.parametrize(
    ("snapshot", "phase"),
    [
        pytest.param(half(look=BAD), Phase.REVERTED, id="a verdict"),
        pytest.param(half(fleets={STABLE: fleet(), CANARY: Fleet()}), Phase.PENDING, id="no pods"),
        pytest.param(seen(at_step(3, 50), of=plan(abort=True), route=HALF), Phase.ABORTED, id="an SRE"),
    ],
)
def test_what_takes_weight_for_reasons_of_its_own_holds(snapshot: Snapshot, phase: Phase) -> None:
    """All that these rest on was read."""
    back = decided(snapshot)
    assert back is not None
    assert back.split is not None
    assert [(stored.state.phase, stored.state.exposure) for stored in back.states] == [(phase, NOTHING)]
    assert back.split.exposure_of(CANARY) == NOTHING
    assert (back.start, back.workloads, back.retired, back.successes) == (None, (), frozenset(), ())


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(half(), id="nothing to do"),
        pytest.param(seen(at_step(2, 10, step_started_at=NOW - 60), route=HALF), id="a rise"),
        pytest.param(half(wanted=OTHER), id="another spec"),
        pytest.param(half(wanted=STABLE), id="the spec set back"),
        pytest.param(seen(at_step(0, 0)), id="a first weight"),
        pytest.param(seen(None), id="no rollout"),
        pytest.param(
            replace(half(look=BAD), route=Split.to_fallback("fraud-rules")), id="the fallback answers for everybody"
        ),
        pytest.param(seen(at_step(4, 100), of=plan(stable=None), look=BAD), id="a first revision"),
    ],
)
def test_all_else_waits(snapshot: Snapshot) -> None:
    """It rests on what is not known, or gives weight."""
    assert decided(snapshot) is None


def test_a_release_that_was_left_waits() -> None:
    """The guard might end with a success, if the others were known."""
    of = plan()
    of = replace(of, spec=of.spec.model_copy(update={"group": GroupMembership(name="flow", release="r2")}))
    view = deployment()
    left = view.spec.model_copy(update={"group": GroupMembership(name="flow", release="r3")})
    snapshot = half(deployment=replace(view, spec=left))
    assert decided(replace(snapshot, rollouts=(RolloutSeen(of, at_step(3, 50)),))) is None


def test_what_the_record_says_already_is_carried_out() -> None:
    """The last process ended between the two."""
    over = at_step(3, 0, phase=Phase.REVERTED, finished_at=NOW - 5, settled_at=NOW - 5)
    back = decided(seen(over, route=HALF))
    assert back is not None
    assert back.split is not None
    assert back.split.exposure_of(CANARY) == NOTHING


def test_nobody_is_told_of_what_may_not_be_so() -> None:
    """A Gateway that is not known yet is not missing."""
    back = decided(half(look=BAD, concern=Obstacle("HostConflict", "somebody has the host")))
    assert back is not None
    assert {note.reason for note in back.notes} == {"RolloutReverted"}


def test_a_fallback_that_is_not_known_is_not_asked() -> None:
    """The split is that of the revisions."""
    back = decided(half(look=BAD, fallback=Fallback("fraud-rules")))
    assert back is not None
    assert back.split is not None
    assert back.split.fallback is None


@pytest.mark.parametrize(
    ("live", "takes"),
    [
        pytest.param(HALF, True, id="what it was"),
        pytest.param(Split.of(STABLE, CANARY, Exposure(10)), False, id="less, by hand"),
        pytest.param(Split.to_fallback("fraud-rules"), False, id="the fallback"),
        pytest.param(None, False, id="unread"),
    ],
)
def test_no_route_gives_the_canary_more(live: Split | None, takes: bool) -> None:
    """Stable can carry no more than 70 of 100 now: whoever has less on the canary stays as it is."""
    state: RolloutState = at_step(3, 30, phase=Phase.REVERTED)
    split = Split.of(STABLE, CANARY, state.exposure)
    decision = Decision(deployment().status, stable=seen().revision(STABLE), split=split)
    assert only_takes(decision, live) is takes


def test_what_cannot_be_taken_is_not_recorded_as_taken() -> None:
    """Only a route that can be read is written early; the record would have it looked at last."""
    assert decided(replace(half(look=BAD), route=None, route_unread=True)) is None


def test_a_deadline_waits_until_it_is_known_who_scales() -> None:
    """One pod is all that a scaler asks for, and early nobody knows that there is one."""
    state = at_step(2, 10, waiting_since=NOW - 100)
    fleets = {STABLE: fleet(), CANARY: fleet(ready=1, desired=1)}
    assert decided(seen(state, route=Split.of(STABLE, CANARY, Exposure(10)), fleets=fleets)) is None


def test_a_good_look_ends_a_row_of_failing_ones_also_where_it_would_end_the_stage() -> None:
    """What is decided waits; what the metrics have said does not."""
    snapshot = of_its_own(
        seen(at_step(1, 10, analysis=AnalysisState({"error-rate": 2}, blind_since=NOW - 5)), look=look())
    )
    known = learnt(snapshot, decide(snapshot, NOW))
    assert known is not None
    assert (known.state.analysis.failures, known.state.analysis.blind_since) == ({}, None)
    assert known.state.exposure == Exposure(10)


def test_what_is_condemned_and_cannot_be_taken_back_yet_is_judged_again() -> None:
    """By the next look."""
    snapshot = of_its_own(replace(half(look=BAD), route=None, route_unread=True))
    assert learnt(snapshot, decide(snapshot, NOW)) is None


def test_blindness_that_has_lasted_does_not_begin_anew_where_nothing_can_be_taken() -> None:
    """As soon as the route can be read it is carried out."""
    policy = plan(analysis={"metrics": [ERROR_RATE], "onBlind": "Revert", "blindTimeout": "1m"})
    blind = look(Missing(Verdict.BLIND, Reason.UNREACHABLE, "away"))
    state = at_step(3, 50, analysis=AnalysisState(blind_since=NOW - 70))
    snapshot = of_its_own(replace(seen(state, of=policy, route=HALF, look=blind), route=None, route_unread=True))
    decision = decide(snapshot, NOW)
    assert decision.states[0].state.phase is Phase.REVERTED
    assert learnt(snapshot, decision) is None
