"""A canary's pods follow its weight."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.rollout import PodCounts
from serinus.core.model.exposure import Exposure
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.lives import cold_since
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.sizes import canary_replicas
from tests.unit.core.rollout.given import NOW, at_step, plan


@pytest.mark.parametrize(
    ("weight", "min_replicas", "replicas"),
    [
        pytest.param(0, 4, 1, id="one pod before the first weight"),
        pytest.param(5, 4, 1, id="never less than one"),
        pytest.param(25, 4, 1, id="an exact share"),
        pytest.param(26, 4, 2, id="rounded up"),
        pytest.param(100, 4, 4, id="full size"),
    ],
)
def test_the_canary_has_its_weights_share_of_the_pods(weight: int, min_replicas: int, replicas: int) -> None:
    assert canary_replicas(weight, min_replicas) == replicas


@given(st.integers(0, 100), st.integers(1, 1000))
def test_a_canary_pod_never_carries_more_than_a_stable_one_would(weight: int, min_replicas: int) -> None:
    assert canary_replicas(weight, min_replicas) == max(1, math.ceil(Fraction(weight * min_replicas, 100)))


def raised(*records: tuple[str, int]) -> RolloutState:
    """Give a rollout of four pods its decisions, a minute apart."""
    state = replace(at_step(2, records[-1][1] if records else 10), stage_started_at=NOW)
    state = replace(state, pods=PodCounts(full=4, min_replicas=4))
    for minute, (action, weight) in enumerate(records):
        cause = Cause(f"Reason{minute}", "")
        state = recorded(plan(), replace(state, exposure=Exposure(weight)), action, cause, NOW + 60 * minute)  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize(
    ("records", "minute"),
    [
        pytest.param([], 0, id="no record: all of them, with the stage"),
        pytest.param([("Raised", 10)], 0, id="the first weight"),
        pytest.param([("Raised", 10), ("Raised", 25)], 0, id="the same pod"),
        pytest.param([("Raised", 10), ("Raised", 50)], 1, id="a second pod"),
        pytest.param([("Raised", 10), ("Raised", 50), ("Held", 50)], 1, id="what is held brings none"),
        pytest.param([("Raised", 50), ("Taken", 0), ("Raised", 50)], 2, id="pods that come back"),
        pytest.param([("Raised", 50), ("Taken", 20), ("Raised", 25)], 0, id="one that stayed"),
    ],
)
def test_pods_are_cold_from_the_raise_that_brought_them(records: list[tuple[str, int]], minute: int) -> None:
    assert cold_since(raised(*records)) == NOW + 60 * minute


def test_pods_that_a_cohort_has_warmed_are_warm() -> None:
    """They have served before the first weight."""
    premium = Exposure(0, (Match(Part.HEADER, "x-tier", By.EXACT, "premium"),))
    state = replace(at_step(2, 0), stage_started_at=NOW, pods=PodCounts(full=4, min_replicas=4))
    for minute, shown in enumerate((premium, premium.at_least(10))):
        cause = Cause("WeightRaised", f"{minute}")
        state = recorded(plan(), replace(state, exposure=shown), "Raised", cause, NOW + 60 * minute)
    assert cold_since(state) == NOW
