"""When another ModelDeployment answers, from what a pass sees; and that it changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Fallback, Fleet, Freeze, Obstacle, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.decide import decide
from serinus.core.rollout.fallback import BACK_SECONDS
from serinus.core.rollout.freeze import frozen
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, fleet, plan, seen
from tests.unit.core.rollout.test_properties import snapshots

RULES = Fallback("rules")
THERE = Split.to_fallback("rules")
ENDED = {"finished_at": NOW - 30}


def split_of(snapshot: Snapshot) -> Split | None:
    return decide(snapshot, NOW).split


def with_pods(
    state: RolloutState | None, *, stable: int = 0, canary: int = 0, of: Any = None, **fields: Any
) -> Snapshot:
    """So many pods of each are ready, and have been for long."""
    fleets = {STABLE: fleet(stable), CANARY: fleet(canary)}
    up = {name: NOW - 100 for name, one in fleets.items() if one.ready}
    wanted = STABLE if state is None else CANARY
    return seen(state, of=of, wanted=wanted, fleets=fleets, **{"fallback": RULES, "up_since": up, **fields})


@pytest.mark.parametrize(
    ("snapshot", "there"),
    [
        pytest.param(with_pods(None, stable=1), False, id="stable has a pod"),
        pytest.param(with_pods(None), True, id="stable has none"),
        pytest.param(with_pods(None, fallback=None), False, id="nobody is named"),
        pytest.param(with_pods(None, fallback=Fallback("rules", Obstacle("X", ""))), False, id="the other cannot"),
        pytest.param(with_pods(at_step(1, 10), canary=1), False, id="a canary with a share has one"),
        pytest.param(with_pods(at_step(1, 10)), True, id="neither has one"),
        pytest.param(with_pods(at_step(0, 0), canary=4), True, id="a canary without a share"),
        pytest.param(with_pods(at_step(4, 100), stable=4), False, id="at 100 % the weight goes to stable"),
        pytest.param(
            with_pods(at_step(1, 10, phase=Phase.REVERTED, **ENDED), canary=4), True, id="a canary that was reverted"
        ),
        pytest.param(
            with_pods(at_step(1, 10, phase=Phase.SUPERSEDED, **ENDED), canary=4), False, id="one that was superseded"
        ),
        pytest.param(with_pods(at_step(0, 0), of=plan(stable=None)), True, id="a first revision"),
        pytest.param(
            with_pods(at_step(0, 0), of=plan(stable=None), obstacle=Obstacle("HostConflict", "theirs")),
            False,
            id="a first revision that may not serve",
        ),
    ],
)
def test_it_answers_when_nothing_that_should_serve_has_a_ready_pod(snapshot: Snapshot, there: bool) -> None:
    assert (split_of(snapshot) == THERE) is there


@pytest.mark.parametrize(
    ("ready_for", "route", "there"),
    [
        pytest.param(BACK_SECONDS - 0.1, THERE, True, id="not long enough"),
        pytest.param(BACK_SECONDS, THERE, False, id="long enough"),
        pytest.param(0.0, Split(((STABLE, 100),)), False, id="the route has not gone there"),
        pytest.param(0.0, None, False, id="no route"),
    ],
)
def test_it_gives_back_when_a_pod_has_been_ready_for_a_while(ready_for: float, route: Split, there: bool) -> None:
    """Only where it has what it could give back."""
    snapshot = with_pods(None, stable=1, route=route, up_since={STABLE: NOW - ready_for})
    decision = decide(snapshot, NOW)
    assert (decision.split == THERE) is there
    if there:
        assert decision.wake_at == pytest.approx(NOW - ready_for + BACK_SECONDS)


def test_a_frozen_fallback_keeps_the_pods_that_there_are() -> None:
    """The route names no revision, and none is made smaller or larger for that."""
    fleets = {STABLE: fleet(0, 4), CANARY: fleet(1, 1)}
    decision = frozen(seen(at_step(1, 10), fleets=fleets), Freeze(Obstacle("RolloutUnreadable", ""), THERE), NOW)
    assert decision.split == THERE
    assert {(one.revision.name, one.replicas) for one in decision.workloads} == {(STABLE, 4), (CANARY, 1)}


@settings(max_examples=80)
@given(snapshots(), st.booleans())
def test_nothing_else_that_is_decided_knows_of_it(snapshot: Snapshot, ready: bool) -> None:
    """States, pods and what may go are those without it, and the route has either the split or the fallback."""
    one = replace(snapshot, fallback=RULES if ready else Fallback("rules", Obstacle("FallbackNotReady", "")))
    without, having = decide(snapshot, NOW), decide(one, NOW)
    assert having.split in (without.split, THERE)
    for field in ("states", "start", "stable", "workloads", "successes", "retired", "live"):
        assert getattr(having, field) == getattr(without, field), field


@settings(max_examples=80)
@given(snapshots())
def test_a_canary_is_not_judged_while_its_requests_are_elsewhere(snapshot: Snapshot) -> None:
    """Whatever was measured: it is neither raised nor rejected by it."""
    there = replace(snapshot, fallback=RULES, route=THERE, fleets={STABLE: Fleet(4, 0), CANARY: fleet(4)})
    for stored in decide(there, NOW).states:
        assert stored.state.phase is not Phase.REVERTED or stored.before.phase is Phase.REVERTED
