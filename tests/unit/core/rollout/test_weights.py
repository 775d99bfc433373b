"""The arithmetic of weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.exposure import Exposure
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.snapshot import Fleet
from serinus.core.rollout.sizes import taken_exposure
from tests.unit.core.rollout.given import fleet

COUNTS = st.integers(0, 200)
WEIGHTS = st.integers(0, 100)
PREMIUM = Match(Part.HEADER, "x-tier", By.EXACT, "premium")


def taken(current: int, stable: Fleet, carried: int) -> int:
    """What is left of a weight."""
    return taken_exposure(Exposure(current), stable, carried).weight


@pytest.mark.parametrize(
    ("current", "ready", "carried", "left"),
    [
        (100, 4, 4, 0),
        (100, 2, 4, 0),
        (100, 1, 4, 50),
        (100, 0, 4, 100),
        (30, 1, 4, 30),
        (60, 1, 4, 50),
        (100, 1, 3, 34),
        (100, 3, 7, 15),
        (10, 0, 0, 10),
        (100, 9, 4, 0),
    ],
)
def test_stable_takes_twice_the_share_of_the_pods_that_carried_it(
    current: int, ready: int, carried: int, left: int
) -> None:
    """min(current, 100 - min(100, floor(200 x ready / carried))), whatever a scaler wants of it now."""
    assert taken(current, fleet(ready), carried) == left


@given(WEIGHTS, COUNTS, COUNTS)
def test_what_is_taken_never_raises_the_canary(current: int, ready: int, carried: int) -> None:
    """Whatever the numbers of pods."""
    assert 0 <= taken(current, fleet(ready), carried) <= current


@given(WEIGHTS, COUNTS, st.integers(1, 200))
def test_every_pod_that_comes_takes_as_much_or_more(current: int, ready: int, carried: int) -> None:
    """Monotonic in the pods that are ready."""
    assert taken(current, fleet(ready + 1), carried) <= taken(current, fleet(ready), carried)


@given(WEIGHTS, st.integers(1, 200))
def test_half_of_the_pods_take_all(current: int, carried: int) -> None:
    """Rounded up to whole pods."""
    assert taken(current, fleet((carried + 1) // 2), carried) == 0


@given(WEIGHTS, st.integers(0, 200))
def test_no_pod_takes_nothing(current: int, carried: int) -> None:
    """Traffic stays where somebody answers."""
    assert taken(current, fleet(0), carried) == current


@given(WEIGHTS, COUNTS, st.integers(1, 200))
def test_taking_twice_takes_no_more(current: int, ready: int, carried: int) -> None:
    """A pass that is repeated does nothing."""
    once = taken(current, fleet(ready), carried)
    assert taken(once, fleet(ready), carried) == once


@pytest.mark.parametrize(("ready", "matches"), [(0, (PREMIUM,)), (1, ())], ids=["nobody else answers", "one pod"])
def test_matches_and_copies_are_taken_at_once(ready: int, matches: tuple[Match, ...]) -> None:
    """A cohort is not taken pod by pod; it stays only where nobody else would answer."""
    shown = Exposure(10, (PREMIUM,), mirror=20)
    assert taken_exposure(shown, fleet(ready), 4) == Exposure(10, matches)
