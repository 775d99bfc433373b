"""The split: whole percents that sum to 100, between at most two revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.split import Split


@given(st.integers(min_value=0, max_value=100))
def test_weights_sum_to_100_at_every_weight_of_the_canary(weight: int) -> None:
    split = Split.of("fraud-a", "fraud-b", Exposure(weight))
    assert split is not None
    assert split.exposure_of("fraud-a").weight + split.exposure_of("fraud-b").weight == 100
    assert split.exposure_of("fraud-b").weight == weight


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
    assert Split.of(stable, canary, Exposure(weight)) == Split(weights)


@pytest.mark.parametrize("canary", [None, "b"])
def test_there_is_no_split_while_no_revision_may_serve(canary: str | None) -> None:
    assert Split.of(None, canary, Exposure(0)) is None


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_outside_of_0_to_100_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match="whole percent"):
        Split.of("a", "b", Exposure(weight))


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


def test_a_revision_that_is_not_named_is_shown_nothing() -> None:
    assert Split((("a", 100),)).exposure_of("b") == NOTHING
    assert Split((("a", 100),)).exposure_of(None) == NOTHING


def test_revisions_of_weight_0_are_named_too() -> None:
    assert Split((("a", 100), ("b", 0))).revisions == ("a", "b")


PREMIUM = Match(Part.HEADER, "x-tier", By.EXACT, "premium")


def test_matches_and_copies_are_the_canarys() -> None:
    split = Split.of("a", "b", Exposure(5, (PREMIUM,), mirror=20))
    assert split is not None
    assert split.exposure_of("a") == Exposure(95)
    assert split.exposure_of("b") == Exposure(5, (PREMIUM,), mirror=20)


@pytest.mark.parametrize(("matches", "mirror"), [((PREMIUM,), 0), ((), 20)])
def test_nothing_is_matched_or_mirrored_to_a_revision_that_is_alone(matches: tuple[Match, ...], mirror: int) -> None:
    with pytest.raises(ValueError, match="beside a stable"):
        Split((("a", 100),), matches, mirror)
