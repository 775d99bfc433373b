"""The split of the traffic: what is far from the weight, what is noise, and a side that is not served."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from serinus.core.analysis.sequential.traffic_split import TrafficSplitTest


def play(weight: float, real: float, level: float, scrapes: int, seed: int = 1) -> TrafficSplitTest:
    rng, test = np.random.default_rng(seed), TrafficSplitTest()
    for _ in range(scrapes):
        test.update(weight, rng.poisson(level * real), rng.poisson(level * (1 - real)))
    return test


@pytest.mark.parametrize("weight", [0.01, 0.05, 0.25, 0.5])
@pytest.mark.parametrize("level", [50.0, 5000.0])
def test_the_right_split_is_no_mismatch(weight: float, level: float) -> None:
    assert not any(play(weight, weight, level, 120, seed).mismatch for seed in range(20))


@pytest.mark.parametrize(("weight", "real"), [(0.05, 0.3), (0.3, 0.05), (0.5, 0.9)])
def test_a_split_far_from_the_weight_is_one(weight: float, real: float) -> None:
    assert play(weight, real, 500.0, 20).mismatch


def test_the_first_scrapes_of_a_stage_may_show_the_old_weight() -> None:
    test = play(0.5, 0.05, 5000.0, 2)
    assert test.e_value == 1.0


def test_a_stage_starts_anew() -> None:
    test = play(0.5, 0.05, 5000.0, 20)
    test.start_stage()
    assert (test.mismatch, test.silent) == (False, False)


def test_a_side_that_is_owed_many_requests_is_silent() -> None:
    test = TrafficSplitTest()
    test.update(0.1, 100, 900)
    test.update(0.1, 100, 900)
    test.update(0.1, 0, 190)
    assert not test.silent
    test.update(0.1, 0, 190)
    assert test.silent
    test.update(0.1, 1, 190)
    assert not test.silent


def test_state_survives_json_and_stays_finite() -> None:
    test = play(0.01, 0.9, 1e9, 50)
    restored = TrafficSplitTest()
    restored.restore(json.loads(json.dumps(test.to_dict(), allow_nan=False)))
    assert restored.e_value == test.e_value
    assert np.isfinite(test.e_value)


def test_a_split_that_goes_wrong_after_a_good_hour_is_found_and_forgiven() -> None:
    """An hour of the right split does not speak for the next minute, nor one of the wrong one for the hour after."""
    test = TrafficSplitTest()

    def until(challenger: float, champion: float, *, mismatch: bool) -> float:
        for scrape in range(1, 720):
            test.update(0.05, challenger, champion)
            if test.mismatch is mismatch:
                return 5.0 * scrape
        return math.inf

    for _ in range(720):
        test.update(0.05, 25.0, 475.0)
    assert not test.mismatch
    assert until(5.0, 495.0, mismatch=True) <= 300.0
    for _ in range(720):
        test.update(0.05, 5.0, 495.0)
    assert until(25.0, 475.0, mismatch=False) <= 300.0
