"""The share test by betting: its formula, its properties, and what no input may do to it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis import ProportionTest
from serinus.core.analysis.sequential.mixture import MASS_AT_START
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS


@dataclass(frozen=True)
class FixedCalibrator:
    """A calibrator with answers of its own."""

    cluster_bound: float = math.inf
    block_scrapes: int = 1
    dispersion: float | None = None


counts = st.tuples(st.integers(0, 500), st.integers(0, 20)).map(lambda pair: (pair[0] + pair[1], pair[1]))
scrapes = st.lists(st.tuples(counts, counts), min_size=1, max_size=30)


def play(feed: list[Any], calibrator: Any = None, tolerance: float = 1.1) -> ProportionTest:
    test = ProportionTest(tolerance_ratio=tolerance)
    for index, (challenger, champion) in enumerate(feed):
        test.update(5.0 * (index + 1), challenger, champion, index == 0, calibrator or FixedCalibrator())
    return test


def e_value(test: ProportionTest) -> float:
    return float(test.bank.e_values()[0])


@pytest.mark.parametrize("bound", [math.inf, 4.0, 1.0])
def test_one_block_is_the_formula_of_the_paper(bound: float) -> None:
    n_c, x_c, n_s, x_s = 100.0, 9.0, 900.0, 3.0
    found = play([((n_c, x_c), (n_s, x_s))], FixedCalibrator(bound)).bank.e_values()[0]
    events = x_c + x_s
    w0 = 1.1 * n_c / (1.1 * n_c + n_s)
    linear, bounded = 0.0, 0.0
    for psi in ERROR_EFFECTS:
        w1 = psi * w0 / (psi * w0 + 1 - w0)
        r1, r0 = w1 / w0, (1 - w1) / (1 - w0)
        straight = 1 + (r1 - r0) * (x_c - events * w0) / events
        share = x_c / events
        exact = (r1**share * r0 ** (1 - share)) ** (events / bound) if events > bound else straight
        linear += MASS_AT_START / 8 * min(straight, math.exp(5))
        bounded += MASS_AT_START / 8 * min(exact, math.exp(5))
    linear, bounded = linear + 1 - MASS_AT_START, bounded + 1 - MASS_AT_START
    assert found == pytest.approx(0.5 * linear + 0.5 * min(bounded, 25 * linear), rel=1e-12)


def test_no_single_interval_decides() -> None:
    evidence = ProportionTest().update(5.0, (10**6, 10**6), (10**6, 0), True, FixedCalibrator(1.0))
    assert evidence.e_value < math.exp(5.0)


@given(scrapes, st.integers(1, 20))
def test_empty_intervals_change_nothing(feed: list[Any], empty: int) -> None:
    test = play(feed, FixedCalibrator(3.0, 2))
    before = test.bank.e_values()[0]
    for index in range(empty):
        evidence = test.update(1000.0 + 70.0 * index, (0, 0), (0, 0))
        assert evidence.e_value == pytest.approx(before, rel=1e-12)
        assert test.bank.e_values()[0] == before


@given(scrapes)
def test_intervals_without_events_are_no_evidence(feed: list[Any]) -> None:
    quiet = [((n_c, 0), (n_s, 0)) for (n_c, _), (n_s, _) in feed]
    assert e_value(play(quiet)) == 1.0


@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=20).filter(lambda feed: len(feed) % 2 == 0))
def test_two_scrapes_in_a_block_equal_their_sum(feed: list[Any]) -> None:
    filled = [((n_c + 1, x_c), (n_s + 1, x_s)) for (n_c, x_c), (n_s, x_s) in feed]
    apart, merged = ProportionTest(), ProportionTest()
    for index, (challenger, champion) in enumerate(filled):
        apart.update(index + 1.0, challenger, champion, index == 0, FixedCalibrator(3.0, 2))
    for index in range(0, len(filled), 2):
        pair = np.array(filled[index : index + 2]).sum(axis=0).tolist()
        merged.update(index + 2.0, pair[0], pair[1], index == 0, FixedCalibrator(3.0, 1))
    assert e_value(merged) == pytest.approx(e_value(apart), rel=1e-12)


@given(scrapes, st.floats(1.0, 2.0), st.floats(0.0, 2.0))
def test_more_tolerance_never_gives_more_evidence(feed: list[Any], tolerance: float, more: float) -> None:
    strict, lax = play(feed, tolerance=tolerance), play(feed, tolerance=tolerance + more)
    assert e_value(lax) <= e_value(strict) * (1 + 1e-9)


@given(scrapes)
def test_replay_equals_live_bit_by_bit(feed: list[Any]) -> None:
    live, restored = ProportionTest(), ProportionTest()
    for index, (challenger, champion) in enumerate(feed):
        step = (5.0 * (index + 1), challenger, champion, index % 7 == 0, FixedCalibrator(2.0, 2, 1.5))
        expected = live.update(*step)
        restored = ProportionTest.from_dict(json.loads(json.dumps(restored.to_dict(), allow_nan=False)))
        assert restored.update(*step) == expected
        assert restored.to_dict() == live.to_dict()


@settings(max_examples=30)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 200), st.floats(1.0, 1e6))
def test_it_stays_finite_at_a_thousand_million(x_c: int, x_s: int, blocks: int, bound: float) -> None:
    test = ProportionTest()
    for index in range(blocks):
        evidence = test.update(5.0 * index, (10**9, x_c), (10**9, x_s), index == 0, FixedCalibrator(bound))
        assert math.isfinite(evidence.e_value)
        assert math.isfinite(evidence.log_e_value)
        assert 0.0 <= evidence.anytime_p <= 1.0
    json.dumps(test.to_dict(), allow_nan=False)


def test_a_counter_that_jumps_says_no_more_than_its_block_can() -> None:
    glitch = play([((10, 1000), (90, 1)), ((10, 0), (90, 1))])
    assert e_value(glitch) == pytest.approx(e_value(play([((10, 10), (90, 1)), ((10, 0), (90, 1))])), rel=1e-12)


def test_a_gap_closes_the_block() -> None:
    test = ProportionTest()
    test.update(0.0, (10, 5), (90, 1), True, FixedCalibrator(math.inf, 12))
    assert e_value(test) == 1.0
    test.update(61.0, (10, 0), (90, 1), False, FixedCalibrator(math.inf, 12))
    assert e_value(test) > 1.0
    assert test.bank.block_scrapes[0] == 0.0


def test_a_new_stage_closes_the_block_of_the_old_weight() -> None:
    test = ProportionTest()
    test.update(5.0, (10, 5), (90, 1), True, FixedCalibrator(math.inf, 12))
    test.update(10.0, (50, 1), (50, 1), True, FixedCalibrator(math.inf, 12))
    assert e_value(test) > 1.0
    assert test.bank.block[:, 0].tolist() == [50.0, 1.0, 50.0, 1.0]


@pytest.mark.parametrize("challenger", [None, (None, 1), (math.nan, 1), (10, math.inf), (-5, 0), (5, -1)], ids=str)
def test_dirty_input_is_missing(challenger: Any) -> None:
    test = play([((10, 2), (90, 1))])
    before = e_value(test)
    evidence = test.update(10.0, challenger, (90, 1))
    assert (evidence.status, e_value(test)) == ("NoData", before)


def test_arrays_lists_and_floats_are_the_same_to_it() -> None:
    feeds = [((10, 2), (90, 1)), ([10.0, 2.0], [90.0, 1.0]), (np.array([10, 2]), np.array([90.0, 1.0]))]
    assert len({e_value(play([feed])) for feed in feeds}) == 1


def test_without_a_calibrator_blocks_last_fifteen_seconds() -> None:
    for interval_s, scrapes_a_block in ((5.0, 3), (15.0, 1), (1.0, 15), (60.0, 1)):
        test = ProportionTest(scrape_interval_s=interval_s)
        for index in range(scrapes_a_block):
            assert e_value(test) == 1.0
            evidence = test.update(interval_s * (index + 1), (10, 5), (90, 1), index == 0)
        assert e_value(test) > 1.0
        assert evidence.block_s == scrapes_a_block * interval_s


def test_an_outage_does_not_blunt_later_bets() -> None:
    calm = play([((10, 0), (990, 1))] * 50)
    stormy = play([((10, 0), (990, 1))] * 50)
    stormy.update(300.0, (10, 2), (990, 200), False, FixedCalibrator())
    rates = [test.bank.rate_events[0] / test.bank.rate_requests[0] for test in (calm, stormy)]
    assert rates[1] < 1.3 * rates[0]


def test_late_starts_keep_a_share_of_the_wealth() -> None:
    test = play([((10, 1), (990, 1))] * 3)
    for minute in range(1, 2000):
        test.update(60.0 * minute, (10, 0), (990, 1), minute % 100 == 0, FixedCalibrator())
    assert test.bank.schedule.used[0] <= 1.0 + 1e-12
