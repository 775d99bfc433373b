"""A stage counts what its canary answered before it, unless it had lost its weight or its pods in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.lives import begins_anew
from serinus.core.rollout.records import Cause, recorded
from tests.unit.core.rollout.given import NOW, at_step, plan

MINUTE = 60.0


def told(*records: tuple[str, int]) -> RolloutState:
    """Give a rollout its decisions, a minute apart; its stage begins with the last raise."""
    state = at_step(2, 10)
    for minute, (action, weight) in enumerate(records):
        at = NOW + minute * MINUTE
        state = replace(state, weight=weight, stage_started_at=at if action == "Raised" else state.stage_started_at)
        state = recorded(plan(), state, action, Cause(f"Reason{minute}", ""), at)  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize(
    ("records", "anew"),
    [
        pytest.param([], False, id="nothing is recorded"),
        pytest.param([("Raised", 10)], False, id="the first weight"),
        pytest.param([("Held", 0), ("Raised", 10), ("Held", 10)], False, id="held before and after"),
        pytest.param([("Raised", 10), ("Raised", 25)], False, id="a raise from another weight"),
        pytest.param([("Raised", 10), ("Taken", 0), ("Raised", 10)], True, id="weight that came back"),
        pytest.param([("Raised", 10), ("Taken", 0), ("Held", 0), ("Raised", 10)], True, id="after a while"),
        pytest.param([("Raised", 50), ("Taken", 20), ("Raised", 50)], False, id="it kept some"),
        pytest.param([("Raised", 10), ("Taken", 0), ("Raised", 10), ("Raised", 25)], False, id="and went on"),
    ],
)
def test_a_stage_begins_anew_where_weight_came_back(records: list[tuple[str, int]], anew: bool) -> None:
    assert begins_anew(plan(), told(*records)) is anew


def test_a_stage_that_began_anew_without_a_raise_does() -> None:
    """Neither revision had a ready pod: the weight stays, and nothing of it is a verdict."""
    state = told(("Raised", 10))
    assert begins_anew(plan(), replace(state, stage_started_at=NOW + MINUTE))


@pytest.mark.parametrize("earlier", [{"attempt": 2}, {"rollback": True}], ids=["another attempt", "a way back"])
def test_the_first_weight_of_a_version_that_served_before_does(earlier: dict[str, object]) -> None:
    again = replace(plan(), spec=plan().spec.model_copy(update=earlier))
    assert begins_anew(again, told(("Raised", 10)))
    assert not begins_anew(again, told(("Raised", 10), ("Raised", 25)))
