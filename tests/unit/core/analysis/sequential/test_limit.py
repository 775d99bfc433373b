"""The absolute limit: alone at 100 %, silent while champion is over it too."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis import LimitTest
from serinus.core.analysis.sequential.limit import LIMIT_EFFECTS, LimitBank
from serinus.core.analysis.sequential.mixture import MASS_AT_START
from serinus.core.analysis.sequential.share_bank import ShareCounts
from serinus.simulation.traffic import ErrorWorkload, TrafficSource


def test_one_scrape_is_the_formula_of_the_paper() -> None:
    evidence = LimitTest(0.05).update(5.0, (20, 4), (1000, 1), True)
    expected = 1 - MASS_AT_START
    for effect in LIMIT_EFFECTS:
        w1 = 0.05 * effect
        expected += MASS_AT_START / 6 * (0.2 * w1 / 0.05 + 0.8 * (1 - w1) / 0.95)
    assert evidence.e_value == pytest.approx(expected, rel=1e-12)
    assert evidence.estimate == 0.2


def test_a_broken_model_is_found_without_a_champion() -> None:
    test = LimitTest(0.05)
    looks = [test.update(5.0 * index, (50, 25), None, index == 0).e_value for index in range(10)]
    assert looks[7] >= 100.0


@pytest.mark.parametrize(("policy", "status"), [("hold", "CommonCause"), ("rollback", "CommonCause")])
def test_a_shared_outage_is_a_common_cause(policy: Any, status: str) -> None:
    test = LimitTest(0.05, policy)
    for index in range(20):
        evidence = test.update(5.0 * index, (50, 20), (950, 300), index == 0)
    assert evidence.status == status
    assert (evidence.e_value > 100.0) == (policy == "rollback")


def test_a_few_champion_requests_are_gathered_before_they_excuse_anything() -> None:
    test = LimitTest(0.05)
    for index in range(3):
        assert test.update(5.0 * index, (1, 0), (5, 5), index == 0).status == "Measuring"
    assert test.update(15.0, (1, 0), (5, 5)).status == "CommonCause"


def test_the_excuse_ends_with_champion() -> None:
    test = LimitTest(0.05)
    assert test.update(0.0, (50, 20), (950, 300), True).status == "CommonCause"
    assert test.update(61.0, (50, 20), None).status != "CommonCause"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=30))
def test_replay_equals_live_and_empty_scrapes_change_nothing(feed: list[tuple[int, int]]) -> None:
    live, restored = LimitTest(0.1), LimitTest(0.1)
    for index, challenger in enumerate(feed):
        step = (5.0 * index, challenger, (100, 3), index % 9 == 0)
        expected = live.update(*step)
        restored = LimitTest.from_dict(json.loads(json.dumps(restored.to_dict(), allow_nan=False)))
        assert restored.update(*step) == expected
        assert math.isfinite(expected.e_value)
    before = live.bank.e_values()[0]
    live.update(1e6, (0, 0), (0, 0), True)
    assert live.bank.e_values()[0] == before


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.floats(0.01, 0.4), st.floats(0.0, 0.4))
def test_a_higher_limit_never_finds_more(events: list[int], limit: float, more: float) -> None:
    def e_value(level: float) -> float:
        test = LimitTest(level)
        return [test.update(5.0 * index, (20, x), None, index == 0) for index, x in enumerate(events)][-1].e_value

    if all(x <= 20 * limit for x in events):
        assert e_value(limit + more) <= 1.0 + 1e-9


def test_short_scrapes_are_gathered_to_five_seconds() -> None:
    fast, slow = LimitTest(0.05, scrape_interval_s=1.0), LimitTest(0.05)
    for index in range(5):
        found = fast.update(index + 1.0, (10, 4), (90, 1), index == 0)
        assert (found.e_value > 1.0) == (index == 4)
    assert found.e_value == pytest.approx(slow.update(5.0, (50, 20), (450, 5), True).e_value)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="common_cause"):
        LimitTest(0.05, "ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [1.0, 3.0, 10.0, 30.0, 100.0])
def test_an_outage_that_both_share_condemns_nobody_where_champion_seldom_answers(level: float) -> None:
    """At 99 % champion gets a request every ten seconds of ten a second: the bet waits until it has had its say."""
    runs = 400
    traffic = TrafficSource(ErrorWorkload(level, 0.005, 0.005, "outage"), runs, np.random.default_rng(5))
    bank, worse = LimitBank(np.full(runs, 0.05), np.ones(runs, dtype=bool)), np.zeros(runs, dtype=bool)
    for index in range(1, 481):
        scrape = traffic.scrape(5.0 * index, np.full(runs, 0.99))
        (n_c, *n_s), (x_c, *x_s) = scrape.requests, scrape.events
        counts = ShareCounts(n_c, x_c, np.sum(n_s, axis=0), np.sum(x_s, axis=0))
        bank.update(5.0 * index, counts, np.full(runs, index == 1))
        worse |= bank.e_values() >= 100.0
    assert worse.mean() <= 0.015


@pytest.mark.parametrize("champion", [0.0, 0.5, 50.0], ids=["none", "seldom", "often"])
def test_a_challenger_that_fails_for_half_is_found_however_seldom_champion_answers(champion: float) -> None:
    """In four scrapes, or in a few minutes where the limit has to wait for champion."""
    bank = LimitBank(np.array([0.05]), np.array([True]))
    found = None
    for index in range(1, 121):
        counts = ShareCounts(*(np.array([value]) for value in (50.0, 25.0, champion, 0.0)))
        bank.update(5.0 * index, counts, np.array([index == 1]))
        found = found or (5.0 * index if bank.e_values()[0] >= 100.0 else None)
    assert found is not None
    assert found <= (300.0 if champion == 0.5 else 20.0)
