"""When stable had all requests to itself: the times that its past is read from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.rollout.alone import alone
from tests.unit.core.rollout.given import CANARY, NOW, OTHER, STABLE, at_step, plan, revision, seen

THIS = plan(canary=CANARY, attempt=9)
BEGAN = THIS.created_at


def other(began: float, ended: float, *, canary: str = OTHER, phase: Phase = Phase.REVERTED) -> RolloutSeen:
    """A Rollout of before, from one time to another, both in seconds before this one began."""
    frozen: RolloutPlan = replace(plan(canary=canary), name=f"{canary}-{began:.0f}", created_at=BEGAN - began)
    state: RolloutState = at_step(
        4, 0, phase=phase, started_at=BEGAN - began, finished_at=BEGAN - ended, settled_at=BEGAN - ended
    )
    return RolloutSeen(frozen, state)


def kept(*rollouts: RolloutSeen, succeeded: float | None = 5000.0) -> Snapshot:
    """What is seen while this Rollout is the newest; stable succeeded so many seconds before."""
    at = None if succeeded is None else BEGAN - succeeded
    return seen(
        revisions=(revision(STABLE, succeeded_at=at), revision(CANARY, 2)),
        rollouts=(*rollouts, RolloutSeen(THIS, at_step(0, 0))),
    )


@pytest.mark.parametrize(
    ("snapshot", "spans"),
    [
        pytest.param(kept(), [(5000, 0)], id="since its success"),
        pytest.param(kept(other(3000, 2000)), [(5000, 3000), (2000, 0)], id="not while another was tried"),
        pytest.param(kept(other(3000, 2000), other(2500, 1000)), [(5000, 3000), (1000, 0)], id="nor while two were"),
        pytest.param(kept(other(9000, 8000)), [(5000, 0)], id="what was before it does not matter"),
        pytest.param(kept(other(9000, 3000)), [(3000, 0)], id="a rollout that ended later than its success"),
        pytest.param(
            kept(other(900, 700, canary=STABLE, phase=Phase.SUCCEEDED), succeeded=None),
            [(700, 0)],
            id="by the Rollout where the mark is lost",
        ),
    ],
)
def test_stable_was_alone(snapshot: Snapshot, spans: list[tuple[float, float]]) -> None:
    """In seconds before this Rollout began."""
    assert [(BEGAN - start, BEGAN - end) for start, end in alone(snapshot, THIS)] == spans


def test_without_any_record_of_success_its_age_must_do() -> None:
    """It serves, so it has become stable at some time since it was made."""
    assert alone(kept(succeeded=None), THIS) == ((revision(STABLE).created_at, BEGAN),)
    assert revision(STABLE).created_at < BEGAN <= NOW


def test_the_first_revision_has_no_past_to_compare_with() -> None:
    """There is no stable."""
    assert alone(kept(), plan(stable=None)) == ()
