"""Anytime-valid bounds of a rate, against a root finder, and the requests that STATISTICS 3.7 says they need."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import betaln

from serinus.core.analysis import confidence_bounds


@pytest.mark.parametrize(("margin", "requests"), [(0.10, 60), (0.02, 357), (0.01, 754), (0.005, 1586)])
def test_requests_without_errors_that_a_margin_takes(margin: float, requests: int) -> None:
    assert confidence_bounds(0, requests)[1] <= margin
    assert confidence_bounds(0, requests - 1)[1] > margin


@given(st.integers(1, 5000), st.floats(0.001, 0.999))
def test_both_ends_are_the_roots(requests: int, share: float) -> None:
    events = round(share * requests)

    def distance(p: float) -> float:
        mixture = betaln(events + 0.5, requests - events + 0.5) - betaln(0.5, 0.5)
        return float(mixture - events * math.log(p) - (requests - events) * math.log1p(-p) - math.log(2 / 0.05))

    lower, upper = confidence_bounds(events, requests, 0.95)
    rate = min(max(events / requests, 1e-12), 1 - 1e-12)
    expected_lower = optimize.brentq(distance, 1e-300, rate, xtol=1e-300, rtol=1e-12) if events > 0 else 0.0
    expected_upper = optimize.brentq(distance, rate, 1 - 1e-15, xtol=1e-15) if events < requests else 1.0
    assert lower == pytest.approx(expected_lower, rel=1e-6)
    assert 1 - upper == pytest.approx(1 - expected_upper, rel=1e-6, abs=1e-12)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(1, 100))
def test_bounds_surround_the_rate(events: float, more: float, dispersion: float) -> None:
    requests = events + more
    lower, upper = confidence_bounds(events, requests, dispersion=dispersion)
    assert 0.0 <= lower <= upper <= 1.0
    if requests > 1e-6:
        assert lower - 1e-9 <= events / requests <= upper + 1e-9


@given(st.integers(0, 50), st.integers(50, 5000), st.floats(1.0, 20.0))
def test_dispersion_widens(events: int, requests: int, dispersion: float) -> None:
    narrow, wide = confidence_bounds(events, requests), confidence_bounds(events, requests, dispersion=dispersion)
    assert wide[0] <= narrow[0] + 1e-12
    assert wide[1] >= narrow[1] - 1e-12


@pytest.mark.parametrize("dirty", [(0, 0), (None, 10), (math.nan, 10), (1, math.inf), (-1, 10)])
def test_nothing_known_is_everything_possible(dirty: tuple[Any, Any]) -> None:
    assert confidence_bounds(*dirty) == (0.0, 1.0)


def test_arrays_and_scalars_agree() -> None:
    events, requests = np.array([0, 3, 10]), np.array([50, 100, 10])
    lower, upper = confidence_bounds(events, requests)
    pairs = [confidence_bounds(int(x), int(n)) for x, n in zip(events, requests, strict=True)]
    assert np.stack((lower, upper), axis=1) == pytest.approx(np.array(pairs))


def test_level_and_its_error_are_understood() -> None:
    assert confidence_bounds(3, 100, 0.95) == pytest.approx(confidence_bounds(3, 100, 0.05))
    assert confidence_bounds(3, 100, dispersion=None) == confidence_bounds(3, 100, dispersion=5.0)
    with pytest.raises(ValueError, match="level"):
        confidence_bounds(3, 100, 1.0)


def test_they_hold_at_every_look() -> None:
    rng = np.random.default_rng(11)
    rate, runs = 0.02, 2000
    events = np.cumsum(rng.binomial(20, rate, (runs, 300)), axis=1)
    lower, upper = confidence_bounds(events, 20 * np.arange(1, 301)[None, :])
    ever_wrong = ((rate < lower) | (rate > upper)).any(axis=1).mean()
    assert ever_wrong <= 0.035
