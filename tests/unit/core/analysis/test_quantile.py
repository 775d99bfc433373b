"""A quantile of a histogram, held to values worked out by hand as Prometheus does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.quantile import histogram_quantile

INF = math.inf
EVEN = {0.1: 10.0, 0.2: 20.0, 0.4: 40.0, INF: 40.0}


@pytest.mark.parametrize(
    ("quantile", "slower", "value"),
    [
        pytest.param(0.5, EVEN, 0.2, id="on a bound"),
        pytest.param(0.25, EVEN, 0.1, id="on the first bound"),
        pytest.param(0.125, EVEN, 0.05, id="in the first bucket, which starts at zero"),
        pytest.param(0.75, EVEN, 0.3, id="halfway in a bucket"),
        pytest.param(0.99, EVEN, 0.396, id="p99"),
        pytest.param(0.99, {0.1: 50.0, INF: 100.0}, 0.1, id="beyond the last bound is the last bound"),
        pytest.param(0.5, {0.1: 0.0, 0.2: 0.0, 0.4: 8.0, INF: 8.0}, 0.3, id="empty buckets are passed over"),
        pytest.param(0.5, {0.1: 10.0, 0.2: 9.0, 0.4: 20.0, INF: 20.0}, 0.1, id="counts that fall are read as flat"),
    ],
)
def test_values_known_by_hand(quantile: float, slower: dict[float, float], value: float) -> None:
    """Linear within a bucket."""
    assert histogram_quantile(quantile, slower) == pytest.approx(value)


@pytest.mark.parametrize(
    "slower",
    [
        pytest.param({}, id="no buckets"),
        pytest.param({0.1: 0.0, INF: 0.0}, id="no observations"),
        pytest.param({0.1: 5.0, 0.2: 9.0}, id="no last bucket"),
    ],
)
def test_nothing_observed_has_no_quantile(slower: dict[float, float]) -> None:
    """None, and no zero that would look fast."""
    assert histogram_quantile(0.99, slower) is None


@given(st.lists(st.integers(0, 100), min_size=1, max_size=10), st.floats(0.01, 0.98))
def test_a_higher_quantile_is_never_faster(counts: list[int], quantile: float) -> None:
    """And none lies outside the finite bounds."""
    total, slower = 0.0, {}
    for index, count in enumerate(counts, start=1):
        total += count
        slower[index / 10] = total
    slower[INF] = total
    lower, higher = (histogram_quantile(one, slower) for one in (quantile, quantile + 0.01))
    if lower is None or higher is None:
        assert total == 0
        return
    assert 0 <= lower <= higher <= len(counts) / 10
