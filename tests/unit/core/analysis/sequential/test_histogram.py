"""Latency at every bucket bound: which bounds count, what a slow-down is, how it is reported."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest

from serinus.core.analysis import HistogramTest
from serinus.core.analysis.sequential.tails import BucketLayout
from serinus.simulation.distribution import PROMETHEUS_BOUNDS_S, LatencyTraffic, LatencyWorkload

Floats = npt.NDArray[np.float64]
BOUNDS = np.array(PROMETHEUS_BOUNDS_S)


def scrapes(slower: float, count: int, seed: int = 1, weight: float = 0.05) -> list[tuple[Floats, Floats, Floats]]:
    traffic = LatencyTraffic(LatencyWorkload(1000.0, slower), 1, np.random.default_rng(seed))
    feed = []
    for _ in range(count):
        own, first, second = (arm[0] for arm in traffic.scrape(weight))
        feed.append((own, first, second))
    return feed


def history(count: int = 200) -> tuple[Floats, Floats]:
    past = scrapes(1.0, count, seed=9, weight=0.0)
    return np.stack([one[1] for one in past]), np.stack([one[2] for one in past])


def play(slower: float, *, with_history: bool, count: int = 60) -> list[float]:
    test = HistogramTest(BOUNDS, history() if with_history else None)
    feed = enumerate(scrapes(slower, count))
    return [test.update(5.0 * (index + 1), *parts, index == 0).e_value for index, parts in feed]


def test_bounds_in_the_middle_of_the_distribution_are_used() -> None:
    test = HistogramTest(BOUNDS, history())
    assert BOUNDS[test.bank.active > 0].tolist() == [0.05, 0.1, 0.25, 0.5]


def test_the_tolerance_grows_towards_the_tail() -> None:
    test = HistogramTest(BOUNDS, history(), tolerated_slowdown=0.05)
    tolerance = test.bank.share.tolerance[test.bank.active > 0]
    assert (np.diff(tolerance) > 0.0).all()
    assert tolerance[0] > 1.0


@pytest.mark.parametrize("with_history", [True, False], ids=["calibrated", "conservative"])
def test_twice_as_slow_is_found_and_equal_is_not(with_history: bool) -> None:
    assert max(play(2.0, with_history=with_history)) > 500.0
    assert max(play(1.0, with_history=with_history)) < 20.0


def test_a_slow_down_within_the_tolerance_is_none() -> None:
    assert max(play(1.04, with_history=True)) < 20.0


def test_without_history_the_first_requests_only_choose_the_bounds() -> None:
    test = HistogramTest([0.1, 0.2, math.inf])
    evidence = test.update(5.0, [0, 100, 0], [100, 100, 10], None, True)
    assert (evidence.status, evidence.e_value) == ("BurnIn", 1.0)
    evidence = test.update(10.0, [0, 100, 0], [200, 200, 20], None)
    assert (evidence.status, evidence.e_value) == ("Measuring", 1.0)
    assert test.bank.active.tolist() == [1.0, 1.0]


def test_it_reports_the_ratio_of_the_quantiles() -> None:
    test = HistogramTest([0.1, 0.2, 0.4], quantile=0.5)
    evidence = test.update(5.0, [0, 100, 0, 0], [100, 0, 0, 0], [100, 0, 0, 0], True)
    assert evidence.estimate == pytest.approx(0.15 / 0.05)
    assert (evidence.n_challenger, evidence.n_champion) == (100.0, 200.0)


def test_dirty_bins_are_missing() -> None:
    test = HistogramTest([0.1, 0.2], history=([[50, 20, 5]] * 30, [[50, 20, 5]] * 30))
    before = test.to_dict()["bank"]
    evidence = test.update(5.0, [1.0, math.nan, 2.0], [1, 1, 1], [1, 1, 1])
    assert evidence.status == "NoData"
    assert test.to_dict()["bank"]["share"]["linear"] == before["share"]["linear"]
    assert test.update(10.0, None, None).status == "NoData"


def test_replay_equals_live_bit_by_bit() -> None:
    for past in (history(40), None):
        live, restored = HistogramTest(BOUNDS, past), HistogramTest(BOUNDS, past)
        for index, parts in enumerate(scrapes(1.5, 25)):
            own, first, second = parts
            one, two = (first, second) if past is not None else (first + second, None)
            expected = live.update(5.0 * index, own, one, two, index % 10 == 0)
            restored = HistogramTest.from_dict(json.loads(json.dumps(restored.to_dict(), allow_nan=False)))
            assert restored.update(5.0 * index, own, one, two, index % 10 == 0) == expected


def test_tails_of_several_histograms_do_not_mix() -> None:
    layout = BucketLayout([np.array([0.1, 0.2]), np.array([1.0])])
    observed, beyond = layout.tails(np.array([5.0, 3.0, 2.0, 7.0, 1.0]))
    assert observed.tolist() == [10.0, 10.0, 8.0]
    assert beyond.tolist() == [5.0, 2.0, 1.0]


def test_at_most_twelve_bounds_are_used() -> None:
    bounds = np.linspace(0.01, 0.5, 40)
    counts = np.ones((10, 41))
    assert HistogramTest(bounds, (100 * counts, 100 * counts)).bank.active.sum() == 12


@pytest.mark.parametrize("bounds", [[], [0.2, 0.1], [0.1, 0.1]], ids=["none", "falling", "twice"])
def test_bounds_must_rise(bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="rise"):
        HistogramTest(bounds)


def _buckets(place: int, count: int) -> Floats:
    return np.eye(len(DEFAULT) + 1)[place] * count


DEFAULT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@pytest.mark.parametrize("place", [4, 8, 11], ids=["slower", "far-slower", "beyond-the-last-bound"])
def test_a_canary_that_answers_where_stable_never_did_is_found(place: int) -> None:
    """All of stable's answers fall into one bucket: no bound of its own distribution shows the shift."""
    test = HistogramTest(DEFAULT)
    for index in range(1, 25):
        found = test.update(5.0 * index, _buckets(place, 250), _buckets(2, 4750))
    assert found.e_value >= 100.0


def test_a_canary_in_the_same_bucket_is_no_slower() -> None:
    """Where both fall into one bucket there is nothing to tell, and nothing is told."""
    test = HistogramTest(DEFAULT)
    for index in range(1, 100):
        found = test.update(5.0 * index, _buckets(2, 250), _buckets(2, 4750))
    assert found.e_value <= 1.0
