"""History of one series alone: champion compared with itself a moment later, and a quarter of an hour later."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis import AACalibrator, ProportionTest
from serinus.core.analysis.sequential.wander import LARGEST_ALLOWANCE

Floats = npt.NDArray[np.float64]
HOUR = 720
REQUESTS = 1000.0


def counts(seed: int, events: float | Floats = 5.0, scrapes: int = HOUR) -> tuple[Floats, Floats]:
    """An hour of scrapes of five seconds, with so many events in each."""
    rng = np.random.default_rng(seed)
    return rng.poisson(REQUESTS, scrapes).astype(float), rng.poisson(events, scrapes).astype(float)


def wandering(seed: int, sd: float, scrapes: int = HOUR) -> Floats:
    """Lognormal factors of mean 1 with a memory of five minutes."""
    rng, kept = np.random.default_rng([seed, 1]), np.exp(-1 / 60)
    log = np.zeros(scrapes)
    log[0] = rng.normal(0, sd)
    for at in range(1, scrapes):
        log[at] = kept * log[at - 1] + rng.normal(0, sd * np.sqrt(1 - kept**2))
    factors: Floats = np.exp(log - sd**2 / 2)
    return factors


@pytest.mark.parametrize("seed", range(5))
def test_independent_errors_need_no_care(seed: int) -> None:
    """Short blocks, small bursts, nothing that wanders."""
    calibrator = AACalibrator().fit(*counts(seed))
    assert calibrator.cluster_bound < 3.0
    assert calibrator.block_scrapes == 1
    assert calibrator.allowance < 1.5


def test_errors_in_tens_are_bursts_of_ten() -> None:
    """Each error of the history is ten at once."""
    requests, events = counts(1, 0.5)
    calibrator = AACalibrator().fit(requests, 10 * events)
    assert calibrator.cluster_bound >= 10.0


def test_an_outage_counts_as_a_burst_although_others_may_share_it() -> None:
    """One series cannot tell whose outage it was: half a minute of it makes long blocks and a large bound."""
    requests, events = counts(2)
    for start in range(0, HOUR, 70):
        events[start : start + 6] += 100
    calibrator = AACalibrator().fit(requests, events)
    assert calibrator.cluster_bound > 100.0
    assert calibrator.block_scrapes >= 3


def test_the_time_of_day_is_no_noise() -> None:
    """Ten times the errors at night as at noon, over a day: what changes that slowly changes both arms."""
    day = 24 * HOUR
    daily = 5.0 * 10 ** (0.5 * np.sin(np.linspace(0, 2 * np.pi, day)))
    calibrator = AACalibrator().fit(*counts(3, daily, day))
    assert calibrator.cluster_bound < 4.0
    assert calibrator.allowance < 1.3


def test_a_rate_that_wanders_for_minutes_is_paid_for() -> None:
    """What equal arms would differ by is tolerated."""
    calibrator = AACalibrator().fit(*counts(4, 25.0 * wandering(4, 0.3)))
    assert 1.5 < calibrator.allowance <= LARGEST_ALLOWANCE


def test_halves_of_pods_that_wander_apart_are_paid_for() -> None:
    """Each half has a rate of its own; where errors are few the bound of bursts does not see it."""
    (n_a, x_a), (n_b, x_b) = (counts(seed, 2.0 * wandering(seed, 0.3, 8 * HOUR), 8 * HOUR) for seed in (5, 6))
    assert AACalibrator().fit(n_a, x_a, n_b, x_b).allowance > 1.5


def test_halves_that_wander_together_cost_nothing() -> None:
    """Both halves of the pods share it, and so will the canary."""
    shared = 12.0 * wandering(7, 0.3)
    (n_a, x_a), (n_b, x_b) = (counts(seed, shared) for seed in (8, 9))
    assert AACalibrator().fit(n_a, x_a, n_b, x_b).allowance < 1.2


def test_a_tenfold_rate_shows_however_far_the_past_wandered() -> None:
    """The allowance has an end."""
    calibrator = AACalibrator().fit(*counts(10, 25.0 * wandering(10, 2.0)))
    assert calibrator.allowance == pytest.approx(LARGEST_ALLOWANCE)
    test, rng = ProportionTest(), np.random.default_rng(10)
    for scrape in range(240):
        test.update(5.0 * scrape, (100, rng.poisson(5)), (1000, rng.poisson(5)), calibrator=calibrator)
    assert test.bank.log_e()[0] > np.log(100)


def test_too_little_is_said() -> None:
    """Forty-nine errors are no calibration."""
    requests, events = counts(11, 0.0)
    events[:49] = 1.0
    assert AACalibrator().fit(requests, events).dispersion is None
    events[49] = 1.0
    assert AACalibrator().fit(requests, events).dispersion is not None


def test_it_survives_storage() -> None:
    """Read back from JSON it says the same."""
    calibrator = AACalibrator().fit(*counts(12, 25.0 * wandering(12, 0.3)))
    again = AACalibrator.from_dict(json.loads(json.dumps(calibrator.to_dict())))
    assert (again.cluster_bound, again.block_scrapes, again.allowance) == (
        calibrator.cluster_bound,
        calibrator.block_scrapes,
        calibrator.allowance,
    )


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=400),
    st.sampled_from([1.0, 5.0, 15.0, 60.0]),
)
def test_whatever_the_past_was_it_only_adds_care(cells: list[tuple[int, int]], interval: float) -> None:
    """B is at least 1, a block at least a scrape, the allowance between 1 and its end; none of them is NaN."""
    requests, events = (np.array([cell[part] for cell in cells], dtype=float) for part in (0, 1))
    calibrator = AACalibrator(scrape_interval_s=interval).fit(requests, np.minimum(events, requests))
    assert calibrator.cluster_bound >= 1.0
    assert calibrator.block_scrapes >= 1
    assert 1.0 <= calibrator.allowance <= LARGEST_ALLOWANCE + 1e-9
