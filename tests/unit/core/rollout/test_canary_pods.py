"""A canary's pods follow its weight."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.rollout.sizes import canary_replicas


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
