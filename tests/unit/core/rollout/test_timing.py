"""When to look again although nothing happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase
from serinus.core.model.assessment import AnalysisState
from serinus.core.model.drain import Drain
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Obstacle
from serinus.core.rollout.decide import decide
from serinus.core.rollout.gates import KNOWN_SECONDS
from serinus.core.rollout.timing import OBSTACLE_SECONDS, drained_at, next_wake
from tests.unit.core.rollout.given import CANARY, NOW, OTHER, STABLE, at_step, deployment, plan, seen

PAUSING = at_step(1, 10, step_started_at=NOW - 4)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        pytest.param(replace(PAUSING, step_started_at=NOW - 9), 1.0, id="the end of the pause"),
        pytest.param(PAUSING, 5.0, id="an overdue look comes before the end of the pause"),
        pytest.param(
            at_step(0, 0, waiting_since=NOW - 50, waited_seconds=7.0), 3.0, id="the deadline, less earlier waits"
        ),
        pytest.param(at_step(4, 100, phase=Phase.GUARDING, guard_started_at=NOW - 18), 2.0, id="the end of the guard"),
        pytest.param(at_step(0, 0), None, id="nothing that time alone would change"),
        pytest.param(at_step(4, 0, phase=Phase.REVERTED), None, id="it has ended"),
    ],
)
def test_the_next_time_at_which_time_alone_decides(state: RolloutState, seconds: float | None) -> None:
    """The earliest of them."""
    at = next_wake(plan(), state, NOW)
    assert at == (None if seconds is None else pytest.approx(NOW + seconds))


def test_a_look_that_waits_for_its_turn_is_not_overdue() -> None:
    """Where very many are live, a pass comes later; the end of a pause does not."""
    assert next_wake(plan(), PAUSING, NOW, turn_seconds=3.0) == pytest.approx(NOW + 6.0)
    begun = replace(PAUSING, step_started_at=NOW)
    assert next_wake(plan(), begun, NOW, turn_seconds=3.0) == pytest.approx(NOW + 8.0)


@pytest.mark.parametrize(("on_blind", "seconds"), [("Revert", 2.0), ("Hold", 5.0)])
def test_the_end_of_the_blind_timeout_counts_where_it_has_a_consequence(on_blind: str, seconds: float) -> None:
    """Otherwise nobody waits for it."""
    of = plan(analysis={"onBlind": on_blind, "blindTimeout": "10s"})
    state = at_step(2, 10, analysis=AnalysisState(blind_since=NOW - 8))
    assert next_wake(of, state, NOW) == pytest.approx(NOW + seconds)


def test_what_is_in_the_way_is_looked_at_again_soon() -> None:
    """A ConfigMap or Service of the user's is not watched."""
    decision = decide(seen(obstacle=Obstacle("ConfigMapNotFound", "create it"), fleets={}), NOW)
    assert decision.wake_at == NOW + OBSTACLE_SECONDS


def test_a_pod_that_the_gateways_may_not_know_yet_is_looked_at_again() -> None:
    """Nothing happens meanwhile that would wake anybody."""
    served = deployment(runtime={"image": "i", "type": "openai"})
    there = seen(at_step(0, 0), deployment=served, up_since={CANARY: NOW - 0.4})
    assert decide(there, NOW).wake_at == pytest.approx(NOW - 0.4 + KNOWN_SECONDS)


def test_a_revision_drains_after_its_last_traffic() -> None:
    """Five seconds after the rollout has settled; at once if it never had any."""
    ended = at_step(2, 0, phase=Phase.ABORTED, settled_at=NOW - 2)
    with_traffic = seen(replace(ended, weight_changed_at=NOW - 2))
    assert drained_at(with_traffic, CANARY) == drained_at(with_traffic, STABLE) == NOW + 3
    assert drained_at(seen(ended), CANARY) == 0.0


def test_where_no_rollout_is_left_the_route_says_when_it_lost_its_traffic() -> None:
    """Records are pruned, and deleted by hand: it may have had some."""
    ended = seen(at_step(2, 0, phase=Phase.ABORTED, settled_at=NOW - 2))
    assert drained_at(replace(ended, unrouted_since={OTHER: NOW - 1}), OTHER) == NOW + 4


def test_pods_are_kept_until_they_have_drained_and_then_go() -> None:
    """The decision wakes itself for it."""
    ended = at_step(2, 0, phase=Phase.ABORTED, reason="AbortRequested", settled_at=NOW - 2, weight_changed_at=NOW - 2)
    before = seen(ended, drains={CANARY: Drain(counted=True, proven=True)})
    early, late = decide(before, NOW), decide(before, NOW + 3)
    assert (early.retired, early.wake_at) == (frozenset(), NOW + 3)
    assert late.retired == {CANARY}
