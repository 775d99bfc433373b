"""A stage counts what its canary answered before it, unless it has come back: after its pods, or in another attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.rollout import from_status, to_status
from serinus.core.rollout.lives import MOST_COMEBACKS, with_life_begun
from tests.unit.core.rollout.given import NOW, at_step, plan


@pytest.mark.parametrize(
    ("before", "counts_from", "comebacks"),
    [
        pytest.param({"exposure": NOTHING, "weight_changed_at": None}, None, 0, id="the first weight"),
        pytest.param({"exposure": Exposure(10), "weight_changed_at": NOW - 60}, None, 0, id="another weight"),
        pytest.param({"exposure": NOTHING, "weight_changed_at": NOW - 60}, NOW, 1, id="weight that came back"),
        pytest.param({"exposure": Exposure(10), "weight_changed_at": NOW, "comebacks": 1}, None, 1, id="and went on"),
    ],
)
def test_a_stage_counts_anew_where_weight_came_back(
    before: dict[str, object], counts_from: float | None, comebacks: int
) -> None:
    after = with_life_begun(plan(), replace(at_step(0, 0), **before), NOW)  # type: ignore[arg-type]
    assert (after.counts_from, after.comebacks) == (counts_from, comebacks)


def test_what_comes_back_again_and_again_is_judged_by_everything() -> None:
    """Else a version whose pods come and go faster than they are scraped would never be judged at all."""
    state, anew = at_step(0, 0), []
    for minute in range(MOST_COMEBACKS + 2):
        state = with_life_begun(plan(), state, NOW + 60 * minute)
        anew.append(state.counts_from is not None)
        state = replace(state, exposure=NOTHING, weight_changed_at=NOW)
    assert anew == [False, *[True] * MOST_COMEBACKS, False]


@pytest.mark.parametrize("earlier", [{"attempt": 2}, {"rollback": True}], ids=["another attempt", "a way back"])
def test_the_first_weight_of_a_version_that_served_before_counts_anew(earlier: dict[str, object]) -> None:
    again = replace(plan(), spec=plan().spec.model_copy(update=earlier))
    first = with_life_begun(again, replace(at_step(0, 0), weight_changed_at=None), NOW)
    assert (first.counts_from, first.comebacks) == (NOW, 0)
    serving = replace(first, exposure=Exposure(10), weight_changed_at=NOW)
    assert with_life_begun(again, serving, NOW + 60).counts_from is None


def test_another_process_knows_that_it_came_back() -> None:
    """However many decisions have pushed the loss out of the record."""
    state = replace(at_step(0, 10), comebacks=2, counts_from=NOW)
    again = from_status(to_status(state, plan()))
    assert (again.comebacks, again.counts_from) == (2, NOW)
