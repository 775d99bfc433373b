"""Two proportions at every look and in both directions: how often it errs, what it finds, and what its band holds."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis.sequential.relative_effect import EffectTest, as_odds, as_ratio
from serinus.core.analysis.sequential.state import UnknownStateSchemaError

ERROR_RATE = 0.05
BAR = -math.log(ERROR_RATE)
RUNS = 120
COUNTS = st.tuples(st.integers(0, 500), st.floats(0.0, 1.0)).map(
    lambda one: (float(one[0]), float(int(one[0] * one[1])))
)


class Shop:
    """Days of users: the share that buys goes up and down for both alike; `late` buyers come a block after their visit.

    `loyal` is the number of visits that each user makes, all with the same end: they are no independent trials.
    """

    def __init__(
        self, seed: int, rate: float, lift: float, *, split: float = 0.5, users: int = 1000, late: bool = False
    ):
        self.rng = np.random.default_rng(seed)
        self.rate, self.lift, self.split, self.users, self.late = rate, lift, split, users, late
        self.waiting = (0.0, 0.0)

    def block(self, number: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Give (visits, purchases) of challenger and champion."""
        rate = self.rate * (1.0 + 0.5 * math.sin(number / 10))
        n_c = float(self.rng.binomial(self.users, self.split))
        n_s = self.users - n_c
        bought = (
            float(self.rng.binomial(int(n_c), rate * (1 + self.lift))),
            float(self.rng.binomial(int(n_s), rate)),
        )
        x_c, x_s = self.waiting if self.late else bought
        self.waiting = bought
        return (n_c, min(x_c, n_c)), (n_s, min(x_s, n_s))


def ends(shop: Shop, blocks: int, least: float = 0.1) -> tuple[str, int]:
    """Look after every block, and tell who wins and when."""
    test = EffectTest(least)
    for number in range(blocks):
        test = test.taking(*shop.block(number))
        effect = test.effect(ERROR_RATE)
        if effect.log_more >= BAR:
            return "challenger", number + 1
        if effect.log_less >= BAR:
            return "champion", number + 1
    return "nobody", blocks


@pytest.mark.parametrize(
    "shop",
    [
        pytest.param({"rate": 0.03}, id="few buy"),
        pytest.param({"rate": 0.4}, id="many buy"),
        pytest.param({"rate": 0.4, "late": True}, id="many buy, later"),
        pytest.param({"rate": 0.05, "split": 0.1}, id="a tenth is challenger's"),
        pytest.param({"rate": 0.1, "users": 120}, id="small blocks"),
    ],
)
def test_equal_versions_seldom_win_however_often_is_looked(shop: dict[str, float]) -> None:
    """Each direction errs with at most 5 %, over a hundred looks each."""
    found = [ends(Shop(seed, lift=0.0, **shop), 100)[0] for seed in range(RUNS)]  # type: ignore[arg-type]
    assert found.count("challenger") <= 0.05 * RUNS
    assert found.count("champion") <= 0.05 * RUNS


@pytest.mark.parametrize(("lift", "winner"), [(0.1, "challenger"), (-0.1, "champion")], ids=["10% more", "10% less"])
def test_a_tenth_more_or_less_is_found(lift: float, winner: str) -> None:
    """Of one in ten: in every one of fifty tests, half of them within 40,000 users."""
    found = [ends(Shop(seed, 0.1, lift), 200) for seed in range(50)]
    assert {who for who, _ in found} == {winner}
    assert np.median([blocks for _, blocks in found]) <= 40


def test_the_band_holds_the_true_effect_at_every_look() -> None:
    """Each end errs with at most 5 % over all looks of a test."""
    missed = 0
    for seed in range(RUNS):
        shop, test, outside = Shop(seed, 0.1, 0.08), EffectTest(0.02), False
        for number in range(60):
            test = test.taking(*shop.block(number))
            effect = test.effect(ERROR_RATE)
            outside = outside or not effect.lower <= math.log1p(0.08) <= effect.upper
        missed += outside
    assert missed <= 0.1 * RUNS


def test_equal_versions_rule_a_minimum_effect_out_after_about_as_many_users_as_it_says() -> None:
    """The estimate of what is missing, asked early, against what it takes on average."""
    least, took, said = 0.1, [], []
    for seed in range(20):
        shop, test = Shop(seed, 0.1, 0.0), EffectTest(least)
        for number in range(400):
            test = test.taking(*shop.block(number))
            if number == 4:
                said.append((test.trials_needed(ERROR_RATE) or 0.0) + 5000)
            effect = test.effect(ERROR_RATE)
            if -math.log1p(least) < effect.lower and effect.upper < math.log1p(least):
                break
        took.append(1000.0 * (number + 1))
    assert 0.5 < np.median(said) / np.median(took) < 2.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=30), st.sampled_from([0.002, 0.02, 0.1, 0.5]))
def test_the_arms_may_be_exchanged(blocks: list[tuple[tuple[float, float], tuple[float, float]]], least: float) -> None:
    """What is more for one is less for the other, and the band is turned round."""
    one, other = EffectTest(least), EffectTest(least)
    for ours, theirs in blocks:
        one, other = one.taking(ours, theirs), other.taking(theirs, ours)
    here, there = one.effect(ERROR_RATE), other.effect(ERROR_RATE)
    assert here.log_more == pytest.approx(there.log_less, abs=1e-6)
    assert here.lower == pytest.approx(-there.upper, abs=1e-6)
    assert here.lower <= here.upper


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=30))
def test_it_survives_being_stored(blocks: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    """Bit by bit, through JSON."""
    test = EffectTest(0.02)
    for ours, theirs in blocks:
        test = test.taking(ours, theirs)
    again = EffectTest.from_dict(json.loads(json.dumps(test.to_dict())))
    assert again.to_dict() == test.to_dict()
    assert again.effect(ERROR_RATE) == test.effect(ERROR_RATE)


def test_what_another_version_stored_is_not_read() -> None:
    """It starts anew."""
    with pytest.raises(UnknownStateSchemaError):
        EffectTest.from_dict({**EffectTest(0.02).to_dict(), "schema": 99})


def test_nothing_is_known_of_nobody() -> None:
    """No bound, no evidence, and no forecast."""
    effect = EffectTest(0.02).effect(ERROR_RATE)
    assert (as_ratio(effect.lower), as_ratio(effect.upper)) == (None, None)
    assert as_odds(effect.log_more) == pytest.approx(1.0)
    assert EffectTest(0.02).trials_needed(ERROR_RATE) is None


@pytest.mark.parametrize("users", [1e3, 1e9], ids=["a thousand", "a thousand million"])
def test_numbers_stay_finite(users: float) -> None:
    """A certain winner has large odds and a narrow band, and no overflow."""
    test = EffectTest(0.001)
    for _ in range(20):
        test = test.taking((users, 0.9 * users), (users, 0.1 * users))
    effect = test.effect(ERROR_RATE)
    assert math.isfinite(as_odds(effect.log_more))
    assert effect.log_more > BAR
    assert effect.lower > 0.0
