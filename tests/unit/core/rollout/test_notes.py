"""What people are told: once, when a phase, a weight or a reason changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase, Verdict
from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.decide import decide
from serinus.core.rollout.decision import Note, StoredState
from serinus.core.rollout.notes import notes_of
from serinus.core.rollout.summary import Standing
from tests.unit.core.rollout.given import NOW, STABLE, at_step, fleet, plan, seen

HELD = at_step(1, 10, reason="NoTraffic", message="nobody asks", verdict=Verdict.UNDECIDED)


def told(before: RolloutState, after: RolloutState) -> list[Note]:
    snapshot = seen(after)
    status = decide(snapshot, NOW).status
    standing = Standing(
        replace(snapshot, deployment=replace(snapshot.deployment, status=status)), STABLE, None, (), None
    )
    return list(notes_of(standing, (StoredState(plan(), before, after),), status))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"message": "still nobody"}, [], id="words"),
        pytest.param({"verdict": Verdict.BLIND}, [], id="a verdict of the same reason"),
        pytest.param({"step": 2}, [], id="a step"),
        pytest.param({"exposure": Exposure(50)}, ["WeightRaised"], id="more weight"),
        pytest.param({"reason": "Unreachable"}, ["Unreachable"], id="another reason"),
        pytest.param({"reason": "Pausing"}, [], id="a reason that goes without saying"),
        pytest.param({"reason": "WithinLimits"}, [], id="all is well"),
        pytest.param({"phase": Phase.REVERTED, "exposure": Exposure(0)}, ["RolloutReverted"], id="reverted"),
        pytest.param(
            {"phase": Phase.GUARDING, "exposure": Exposure(100)}, ["WeightRaised", "RolloutGuarding"], id="guarding"
        ),
        pytest.param({"phase": Phase.SUCCEEDED}, ["RolloutSucceeded"], id="succeeded"),
    ],
)
def test_what_is_told_of_a_change(changes: dict[str, object], reasons: list[str]) -> None:
    """Each change once, and nothing for what is the same."""
    assert [note.reason for note in told(HELD, replace(HELD, **changes))] == reasons  # type: ignore[arg-type]


def test_weight_that_follows_pod_by_pod_is_told_each_time() -> None:
    """The rollout has ended already."""
    before = replace(HELD, phase=Phase.REVERTED, exposure=Exposure(100))
    assert [note.reason for note in told(before, replace(before, exposure=Exposure(50)))] == ["WeightTaken"]


def test_that_a_rollout_begins_with_waiting_for_its_pods_goes_without_saying() -> None:
    """It has just been told to start. That it waits for them again, or for another reason, is told."""
    begins = replace(HELD, phase=Phase.PENDING, exposure=NOTHING, reason=None)
    assert told(begins, replace(begins, reason="CanaryNotReady")) == []
    assert [note.reason for note in told(begins, replace(begins, reason="ImagePullFailed"))] == ["ImagePullFailed"]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"phase": Phase.REVERTED}, True),
        ({"phase": Phase.ABORTED}, True),
        ({"phase": Phase.SUPERSEDED}, False),
        ({"phase": Phase.SUCCEEDED}, False),
        ({"reason": "Unreachable", "verdict": Verdict.BLIND}, True),
        ({"reason": "CanaryNotReady"}, False),
    ],
    ids=str,
)
def test_what_somebody_should_look_at_is_a_warning(changes: dict[str, object], warning: bool) -> None:
    """The rest is the ordinary course."""
    (note,) = told(HELD, replace(HELD, **changes))  # type: ignore[arg-type]
    assert note.warning is warning


def test_a_condition_is_told_when_it_begins_and_not_again() -> None:
    """Degraded, and Stalled."""
    snapshot = seen(fleets={STABLE: fleet(1)}, wanted=STABLE)
    first = decide(snapshot, NOW)
    assert [note.reason for note in first.notes] == ["StableNotReady"]
    again = replace(snapshot, deployment=replace(snapshot.deployment, status=first.status))
    assert decide(again, NOW + 1).notes == ()
