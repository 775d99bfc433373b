"""A/A calibration: what it learns from clean, bursty and shared trouble, and when it says that it does not know."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest

from serinus.core.analysis import AACalibrator

Counts = npt.NDArray[np.int64]


def halves(rng: np.random.Generator, scrapes: int = 720, rate: float = 5.0) -> tuple[Counts, Counts, Counts, Counts]:
    requests = rng.poisson(500, (2, scrapes))
    events = rng.poisson(rate, (2, scrapes))
    return requests[0], events[0], requests[1], events[1]


def test_independent_errors_need_no_care() -> None:
    calibrator = AACalibrator().fit(*halves(np.random.default_rng(1)))
    assert calibrator.cluster_bound < 2.0
    assert calibrator.block_scrapes == 1
    assert calibrator.dispersion == pytest.approx(1.0, abs=0.3)


def test_storms_within_a_scrape_raise_the_bound() -> None:
    n_a, x_a, n_b, x_b = halves(np.random.default_rng(2), rate=0.5)
    x_a, x_b = (10 * x for x in (x_a, x_b))
    calibrator = AACalibrator().fit(n_a, x_a, n_b, x_b)
    assert calibrator.cluster_bound >= 10.0
    assert calibrator.block_scrapes == 1


def test_storms_over_many_scrapes_lengthen_the_block() -> None:
    rng = np.random.default_rng(3)
    n_a, x_a, n_b, x_b = halves(rng)
    for start in range(0, 700, 40):
        half = (x_a, x_b)[int(rng.integers(2))]
        half[start : start + 12] += 40
    assert AACalibrator().fit(n_a, x_a, n_b, x_b).block_scrapes >= 6


def test_a_shared_outage_leaves_full_power() -> None:
    n_a, x_a, n_b, x_b = halves(np.random.default_rng(4))
    for start in range(0, 700, 60):
        x_a[start : start + 6] += np.random.default_rng(start).poisson(100, 6)
        x_b[start : start + 6] += np.random.default_rng(start + 1).poisson(100, 6)
    calibrator = AACalibrator().fit(n_a, x_a, n_b, x_b)
    assert calibrator.dispersion is not None
    assert calibrator.dispersion < 1.6


@pytest.mark.parametrize("case", ["nothing", "few-events", "one-pod"])
def test_what_it_does_not_know_it_says(case: str) -> None:
    calibrator = AACalibrator()
    if case == "few-events":
        calibrator.fit([100] * 10, [2] * 10, [100] * 10, [2] * 10)
    if case == "one-pod":
        calibrator.fit([100] * 100, [2] * 100, [0] * 100, [0] * 100)
    assert math.isinf(calibrator.cluster_bound)
    assert calibrator.block_scrapes == 3
    assert calibrator.dispersion is None


def test_one_scrape_at_a_time_equals_the_whole_history() -> None:
    history = halves(np.random.default_rng(5))
    whole, stepwise = AACalibrator().fit(*history), AACalibrator()
    for row in zip(*history, strict=True):
        stepwise.update(*row)
    assert stepwise.cluster_bound == pytest.approx(whole.cluster_bound)
    assert stepwise.block_scrapes == whole.block_scrapes
    assert stepwise.dispersion == pytest.approx(whole.dispersion)


def test_history_in_two_parts_equals_the_whole() -> None:
    history = halves(np.random.default_rng(6))
    parts = AACalibrator()
    parts.fit(*(column[:300] for column in history)).fit(*(column[300:] for column in history))
    assert parts.cluster_bound == pytest.approx(AACalibrator().fit(*history).cluster_bound)


def test_the_history_may_come_as_one_sequence() -> None:
    history = halves(np.random.default_rng(10))
    assert AACalibrator().fit(history).to_dict() == AACalibrator().fit(*history).to_dict()


def test_windows_stay_within_a_minute() -> None:
    assert AACalibrator(scrape_interval_s=15.0).bank.windows.tolist() == [1, 2, 3, 4]


def test_scrapes_of_a_second_are_gathered_to_five() -> None:
    history = halves(np.random.default_rng(9), scrapes=1000)
    fast, stepwise = AACalibrator(scrape_interval_s=1.0), AACalibrator(scrape_interval_s=1.0)
    fast.fit(*history)
    for row in zip(*history, strict=True):
        stepwise.update(*row)
    slow = AACalibrator().fit(*(column.reshape(200, 5).sum(axis=1) for column in history))
    assert fast.cluster_bound == pytest.approx(slow.cluster_bound)
    assert stepwise.cluster_bound == pytest.approx(slow.cluster_bound)
    assert fast.block_scrapes == 5 * slow.block_scrapes


def test_dirty_scrapes_are_skipped() -> None:
    calibrator = AACalibrator().fit(*halves(np.random.default_rng(7)))
    before = calibrator.to_dict()
    calibrator.update(math.nan, 1, 10, 1)
    calibrator.update(10, None, 10, 1)
    calibrator.update(10, -1, 10, 1)
    assert calibrator.to_dict() == before
    dirty = AACalibrator().fit([10.0, math.nan, 10.0], [1, 1, 1], [10, 10, 10], [2, 2, 2])
    assert dirty.bank.scrapes[0] == 2


def test_state_survives_json() -> None:
    calibrator = AACalibrator().fit(*halves(np.random.default_rng(8)))
    restored = AACalibrator.from_dict(json.loads(json.dumps(calibrator.to_dict(), allow_nan=False)))
    for one in (calibrator, restored):
        one.update(500, 6, 510, 4)
    assert restored.to_dict() == calibrator.to_dict()
    assert restored.cluster_bound == calibrator.cluster_bound
