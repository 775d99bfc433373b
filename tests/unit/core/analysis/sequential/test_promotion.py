"""The risk budget: what it allows, what is missing, what to advise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper, requests_needed, suggested_weight


def counts(n_c: float, x_c: float, n_s: float, x_s: float, dispersion: float = 1.0) -> StageCounts:
    return StageCounts(*(np.array([value]) for value in (n_c, x_c, n_s, x_s, dispersion)))


def test_without_requests_everything_is_possible() -> None:
    assert excess_upper(counts(0, 0, 100, 1), 0.05)[0] == 1.0
    assert requests_needed(counts(0, 0, 100, 1), 0.05, 0.1) is None


@pytest.mark.parametrize(("margin", "total"), [(0.10, 60), (0.02, 357), (0.01, 754), (0.005, 1586)])
def test_what_is_missing_is_what_then_suffices(margin: float, total: int) -> None:
    missing = requests_needed(counts(20, 0, 2000, 0), 0.05, margin)
    assert missing is not None
    assert 20 + missing == pytest.approx(total, abs=2)


@given(st.integers(1, 500), st.integers(0, 5), st.floats(0.003, 0.2))
def test_after_the_missing_requests_the_bound_fits(n_c: int, x_c: int, margin: float) -> None:
    stage = counts(n_c, min(x_c, n_c), 50 * n_c, x_c)
    missing = requests_needed(stage, 0.05, margin)
    if missing is not None:
        factor = (n_c + missing) / n_c
        assert excess_upper(stage.scaled(np.array([factor])), 0.05)[0] <= margin * (1 + 1e-6)


def test_an_excess_that_does_not_fit_never_will() -> None:
    assert requests_needed(counts(1000, 100, 9000, 9), 0.05, 0.01) is None


def test_dispersion_asks_for_as_many_times_more() -> None:
    single, bursty = (requests_needed(counts(10, 0, 1e6, 0, phi), 0.05, 0.02) for phi in (1.0, 5.0))
    assert single is not None
    assert bursty is not None
    assert bursty + 10 == pytest.approx(5 * (single + 10), rel=0.02)


@pytest.mark.parametrize(
    ("excess", "weight", "next_weight", "eta_s", "expected"),
    [
        pytest.param(0.05, 5.0, 25.0, 300.0, 10.0, id="the-budget-allows-part-of-the-rise"),
        pytest.param(0.001, 5.0, 25.0, 300.0, 25.0, id="never-beyond-the-next-weight"),
        pytest.param(0.5, 5.0, 25.0, 300.0, None, id="nothing-better"),
        pytest.param(1.0, 1.0, 5.0, 36000.0, 25.0, id="hours-away-take-a-larger-first-step"),
        pytest.param(1.0, 1.0, 5.0, 7200.0, 10.0, id="two-hours-away-ten-per-cent"),
    ],
)
def test_advice(excess: float, weight: float, next_weight: float, eta_s: float, expected: float | None) -> None:
    assert suggested_weight(excess, 0.005, weight, next_weight, eta_s) == expected
