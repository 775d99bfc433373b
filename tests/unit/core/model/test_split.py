"""The split: whole percents that sum to 100, between at most two revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.split import Split


@given(st.integers(min_value=0, max_value=100))
def test_weights_sum_to_100_at_every_weight_of_the_canary(weight: int) -> None:
    split = Split.of("fraud-a", "fraud-b", weight)
    assert split is not None
    assert split.weight_of("fraud-a") + split.weight_of("fraud-b") == 100
    assert split.weight_of("fraud-b") == weight


@pytest.mark.parametrize(
    ("stable", "canary", "weight", "weights"),
    [
        pytest.param("a", None, 0, (("a", 100),), id="stable alone"),
        pytest.param("a", "a", 30, (("a", 100),), id="the canary is stable"),
        pytest.param("a", "b", 0, (("a", 100), ("b", 0)), id="a canary that waits is listed"),
        pytest.param("a", "b", 100, (("a", 0), ("b", 100)), id="stable is kept in the guard window"),
        pytest.param(None, "b", 100, (("b", 100),), id="the first revision"),
        pytest.param(None, "b", 5, (("b", 100),), id="nobody else can answer"),
    ],
)
def test_the_canary_gets_its_weight_and_stable_the_rest(
    stable: str | None, canary: str | None, weight: int, weights: tuple[tuple[str, int], ...]
) -> None:
    assert Split.of(stable, canary, weight) == Split(weights)


@pytest.mark.parametrize("canary", [None, "b"])
def test_there_is_no_split_while_no_revision_may_serve(canary: str | None) -> None:
    assert Split.of(None, canary, 0) is None


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_outside_of_0_to_100_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match="whole percent"):
        Split.of("a", "b", weight)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param((), id="nobody"),
        pytest.param((("a", 99),), id="too little"),
        pytest.param((("a", 60), ("b", 60)), id="too much"),
        pytest.param((("a", 120), ("b", -20)), id="negative"),
        pytest.param((("a", 50), ("a", 50)), id="one revision twice"),
        pytest.param((("a", 50), ("b", 25), ("c", 25)), id="three revisions"),
        pytest.param((("a", 50.0), ("b", 50.0)), id="no whole numbers"),
        pytest.param((("a", 99), ("b", True)), id="a truth value"),
    ],
)
def test_what_is_no_split_is_refused(weights: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(ValueError):
        Split(weights)


def test_a_revision_that_is_not_named_has_no_weight() -> None:
    assert Split((("a", 100),)).weight_of("b") == 0
    assert Split((("a", 100),)).weight_of(None) == 0


def test_revisions_of_weight_0_are_named_too() -> None:
    assert Split((("a", 100), ("b", 0))).revisions == ("a", "b")
