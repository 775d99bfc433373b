"""Any scalar series: direction, scale, memory, and blocks that are not there."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from serinus.core.analysis import ScalarTest
from serinus.core.analysis.sequential.noise import autocorrelation_time, robust_scale


def history(seed: int = 1, count: int = 120) -> Any:
    return np.random.default_rng(seed).normal(0.0, math.sqrt(2.0), count)


def play(harm: float, seed: int = 2, blocks: int = 40, **options: Any) -> list[float]:
    rng, test = np.random.default_rng(seed), ScalarTest(history=history(), **options)
    pairs = [(100 + harm + rng.normal(), 100 + rng.normal()) for _ in range(blocks)]
    return [
        test.update(60.0 * i, own, other, stage_started=i % 10 == 0).e_value for i, (own, other) in enumerate(pairs)
    ]


def test_harm_is_found_and_its_absence_is_not() -> None:
    assert max(play(4.0)) > 500.0
    assert max(play(0.0)) < 20.0


def test_better_is_not_worse() -> None:
    assert max(play(-4.0)) < 2.0
    assert max(play(-4.0, direction="decrease")) > 500.0


def test_a_tolerated_difference_is_none() -> None:
    assert max(play(2.0, tolerance_sd=2.0)) < 20.0


def test_without_history_the_first_twenty_blocks_only_set_the_scale() -> None:
    rng, test = np.random.default_rng(3), ScalarTest()
    for index in range(20):
        evidence = test.update(60.0 * index, 10 + rng.normal(), rng.normal())
        assert evidence.e_value == 1.0
    looks = [test.update(60.0 * index, 10 + rng.normal(), rng.normal()).e_value for index in range(20, 60)]
    assert max(looks) > 100.0


@pytest.mark.parametrize("missing", [None, math.nan, math.inf], ids=str)
def test_missing_blocks_change_nothing(missing: Any) -> None:
    test = ScalarTest(history=history())
    before = test.update(0.0, 5.0, 1.0, stage_started=True)
    evidence = test.update(60.0, missing, 1.0)
    assert (evidence.status, evidence.e_value) == ("NoData", before.e_value)


def test_request_counts_weigh_a_block() -> None:
    heavy, light = ScalarTest(history=history() * 0.1), ScalarTest(history=history() * 0.1)
    strong = heavy.update(0.0, 0.2, 0.0, 1000, 1000)
    weak = light.update(0.0, 0.2, 0.0, 2, 2)
    assert strong.e_value > weak.e_value
    assert ScalarTest(history=history()).update(0.0, 1.0, 0.0, 0, 10).status == "NoData"


def test_scale_is_robust() -> None:
    normal = np.random.default_rng(4).normal(size=5000)
    assert robust_scale(normal) == pytest.approx(1.0, rel=0.05)
    outlier = np.concatenate((normal, [1e6]))
    assert robust_scale(outlier) == pytest.approx(1.35, rel=0.05)
    assert robust_scale(np.zeros(10)) > 0.0


@pytest.mark.parametrize(("rho", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_memory_is_the_integrated_autocorrelation_time(rho: float, expected: float) -> None:
    rng, value, series = np.random.default_rng(5), 0.0, []
    for _ in range(4000):
        value = rho * value + rng.normal()
        series.append(value)
    assert autocorrelation_time(np.array(series)) == pytest.approx(expected, rel=0.35)


def test_replay_equals_live_bit_by_bit_and_is_finite() -> None:
    live, restored = ScalarTest("decrease", 0.1), ScalarTest("decrease", 0.1)
    for index in range(60):
        step = (60.0 * index, -1e12 * (index % 3), 1e9 * index)
        expected = live.update(*step, stage_started=index % 7 == 0)
        restored = ScalarTest.from_dict(json.loads(json.dumps(restored.to_dict(), allow_nan=False)))
        assert restored.update(*step, stage_started=index % 7 == 0) == expected
        assert math.isfinite(expected.e_value)


def _still(rng: np.random.Generator, blocks: int) -> Any:
    own, other = rng.normal(size=(2, blocks))
    own[:20] = other[:20] = 3.7
    return own, other


def _waves(rng: np.random.Generator, blocks: int, rho: float) -> Any:
    arms = rng.normal(size=(2, blocks))
    for index in range(1, blocks):
        arms[:, index] += rho * arms[:, index - 1]
    return arms


@pytest.mark.parametrize(
    ("series", "blocks"),
    [
        (_still, 60),
        (lambda rng, blocks: _waves(rng, blocks, 0.8), 40),
        (lambda rng, blocks: _waves(rng, blocks, 0.95), 120),
        (lambda rng, blocks: rng.standard_t(2, size=(2, blocks)), 80),
        (lambda rng, blocks: rng.normal(size=(2, blocks)) * np.linspace(0.1, 3.0, blocks), 80),
    ],
    ids=["still-for-a-while", "waves", "long-waves", "heavy-tails", "growing"],
)
def test_equal_arms_are_not_told_apart_by_a_series_that_shows_little(series: Any, blocks: int) -> None:
    """A scale that was learnt from a stretch of calm, or from waves, would find differences everywhere."""
    worse = 0
    for seed in range(40):
        test, (own, other) = ScalarTest("decrease"), series(np.random.default_rng(seed), blocks)
        found = [test.update(60.0 * place, own[place], other[place]).e_value for place in range(blocks)]
        worse += max(found) >= 100.0
    assert worse <= 1


@pytest.mark.parametrize(
    ("own", "status"), [(5.0, "Measuring"), (0.0, "NotComparable")], ids=["arms-agree", "arms-differ"]
)
def test_a_series_without_noise_passes_only_where_both_arms_agree(own: float, status: str) -> None:
    """A business metric that stands at 5 is fine at 5; at 0 nothing says how large that difference is."""
    test = ScalarTest("decrease")
    for place in range(25):
        found = test.update(60.0 * place, own, 5.0)
    assert (found.status, found.e_value) == (status, 1.0)


def test_waves_are_not_comparable() -> None:
    """Values that hang together for longer than a dozen blocks are too few to compare."""
    test, (own, other) = ScalarTest(), _waves(np.random.default_rng(3), 100, 0.97)
    for place in range(100):
        found = test.update(60.0 * place, own[place], other[place])
    assert (found.status, found.e_value) == ("NotComparable", 1.0)
