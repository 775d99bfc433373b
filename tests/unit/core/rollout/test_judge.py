"""Every look becomes a verdict once; a look that does not come, or comes late, is Blind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import AnalysisState, Look
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.judge import judged, unsafe
from tests.unit.core.rollout.given import NOW, at_step, look, plan, reading, seen

STATE = at_step(1, 10, analysis=AnalysisState(last_look=NOW - 1))


def verdict_of(state: RolloutState, newest: Look | None, now: float = NOW, **fields: object) -> Verdict | None:
    return judged(plan(), state, seen(state, look=newest, **fields), now).verdict


def test_a_new_look_is_judged() -> None:
    """It is younger than the last one, and than the stage."""
    assert verdict_of(STATE, look()) is Verdict.SAFE
    assert verdict_of(STATE, look(reading(0.2))) is Verdict.UNSAFE
    assert verdict_of(STATE, look(reading(None))) is Verdict.BLIND


def test_a_look_is_taken_in_once() -> None:
    """A failing streak counts looks, not passes."""
    once = judged(plan(), STATE, seen(STATE, look=look(reading(0.2))), NOW)
    again = judged(plan(), once, seen(once, look=look(reading(0.2))), NOW)
    assert again == once


def test_a_look_of_the_stage_before_does_not_judge_this_one() -> None:
    """It began just now."""
    state = replace(STATE, stage_started_at=NOW, analysis=AnalysisState())
    assert verdict_of(state, look(reading(0.9), at=NOW)) is None


def test_no_look_in_time_is_blindness() -> None:
    """Three intervals and two seconds after the last one."""
    assert verdict_of(STATE, None, NOW + 4) is None
    assert verdict_of(STATE, None, NOW + 4.1) is Verdict.BLIND


def test_a_new_process_is_given_time_for_its_first_look() -> None:
    """That the one before was long gone is no blindness of ours."""
    old = replace(STATE, stage_started_at=NOW - 900, analysis=AnalysisState(last_look=NOW - 600))
    assert verdict_of(old, None, watched_since=NOW - 1) is None


@pytest.mark.parametrize(
    ("value", "verdict"),
    [pytest.param(0.0, Verdict.BLIND, id="good"), pytest.param(0.5, Verdict.UNSAFE, id="bad")],
)
def test_a_look_that_is_taken_in_too_late_can_only_condemn(value: float, verdict: Verdict) -> None:
    """Old good news lets nothing rise."""
    assert verdict_of(STATE, look(reading(value)), NOW + 30) is verdict


def test_since_when_nothing_is_seen_is_remembered_until_something_is() -> None:
    """Blindness adds up, sight ends it."""
    blind = judged(plan(), STATE, seen(STATE, look=look(reading(None))), NOW)
    still = judged(plan(), blind, seen(blind, look=look(reading(None), at=NOW + 1)), NOW + 1)
    sees = judged(plan(), still, seen(still, look=look(at=NOW + 2)), NOW + 2)
    assert (blind.analysis.blind_since, still.analysis.blind_since, sees.analysis.blind_since) == (NOW, NOW, None)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(at_step(0, 0), id="no weight yet"),
        pytest.param(replace(STATE, phase=Phase.REVERTED), id="ended"),
    ],
)
def test_what_has_no_traffic_of_its_own_is_not_judged(state: RolloutState) -> None:
    """There is nothing to see."""
    assert judged(plan(), state, seen(state, look=look(reading(0.9))), NOW) == state


def test_the_first_revision_is_not_judged() -> None:
    """It has nothing to be compared with."""
    first = plan(stable=None)
    assert judged(first, STATE, seen(STATE, of=first, look=look(reading(0.9))), NOW) == STATE
    assert unsafe(first, STATE, NOW) is None


@pytest.mark.parametrize(
    ("on_blind", "age", "goes_back"), [("Revert", 20.0, True), ("Revert", 19.9, False), ("Hold", 900.0, False)]
)
def test_blindness_goes_back_only_when_the_policy_says_so(on_blind: str, age: float, goes_back: bool) -> None:
    """After its timeout, and not before."""
    of = plan(analysis={"onBlind": on_blind, "blindTimeout": "20s"})
    blind = judged(of, STATE, seen(STATE, of=of, look=look(reading(None))), NOW)
    state = replace(blind, analysis=replace(blind.analysis, blind_since=NOW - age))
    assert (unsafe(of, state, NOW) is not None) is goes_back
