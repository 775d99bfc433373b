"""The arithmetic of weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.rollout import Promote
from serinus.api.status import Phase
from serinus.core.rollout.weights import needed_replicas, taken_weight, target_weight
from tests.unit.core.rollout.given import at_step, fleet, plan

COUNTS = st.integers(0, 200)
WEIGHTS = st.integers(0, 100)


@pytest.mark.parametrize(
    ("current", "ready", "desired", "taken"),
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
def test_stable_takes_twice_the_share_of_its_ready_pods(current: int, ready: int, desired: int, taken: int) -> None:
    """min(current, 100 - min(100, floor(200 x ready / desired)))."""
    assert taken_weight(current, fleet(ready, desired)) == taken


@given(WEIGHTS, COUNTS, COUNTS)
def test_what_is_taken_never_raises_the_canary(current: int, ready: int, desired: int) -> None:
    """Whatever the numbers of pods."""
    assert 0 <= taken_weight(current, fleet(ready, desired)) <= current


@given(WEIGHTS, COUNTS, st.integers(1, 200))
def test_every_pod_that_comes_takes_as_much_or_more(current: int, ready: int, desired: int) -> None:
    """Monotonic in the pods that are ready."""
    assert taken_weight(current, fleet(ready + 1, desired)) <= taken_weight(current, fleet(ready, desired))


@given(WEIGHTS, st.integers(1, 200))
def test_half_of_the_pods_take_all(current: int, desired: int) -> None:
    """Rounded up to whole pods."""
    assert taken_weight(current, fleet((desired + 1) // 2, desired)) == 0


@given(WEIGHTS, st.integers(0, 200))
def test_no_pod_takes_nothing(current: int, desired: int) -> None:
    """Traffic stays where somebody answers."""
    assert taken_weight(current, fleet(0, desired)) == current


@given(WEIGHTS, COUNTS, st.integers(1, 200))
def test_taking_twice_takes_no_more(current: int, ready: int, desired: int) -> None:
    """A pass that is repeated does nothing."""
    once = taken_weight(current, fleet(ready, desired))
    assert taken_weight(once, fleet(ready, desired)) == once


@pytest.mark.parametrize(
    ("step", "weight", "target"), [(0, 0, 10), (1, 10, 10), (2, 10, 50), (3, 50, 50), (4, 50, 100)]
)
def test_pods_are_made_ready_for_the_weight_of_the_step(step: int, weight: int, target: int) -> None:
    """Before it rises, and no sooner than in its step."""
    assert target_weight(plan(), at_step(step, weight)) == target


def test_an_ended_rollout_needs_pods_for_the_weight_that_it_still_has() -> None:
    """And for none when it has none."""
    assert target_weight(plan(), at_step(2, 30, phase=Phase.REVERTED)) == 30


@pytest.mark.parametrize(("replicas", "needed"), [(1, 1), (4, 1), (10, 1), (11, 2), (100, 10)])
def test_a_canary_of_ten_percent_needs_a_tenth_of_the_pods(replicas: int, needed: int) -> None:
    """Rounded up, at least one."""
    assert needed_replicas(plan(), at_step(0, 0), replicas) == needed


def test_promoted_in_full_it_needs_all_pods() -> None:
    """Whatever step it is in."""
    assert needed_replicas(plan(promote=Promote(full=True)), at_step(0, 0), 7) == 7
