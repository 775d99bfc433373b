"""Drift: the estimate without its bias, the evidence, and whose drift it is."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from serinus.core.analysis import DriftTest
from serinus.core.analysis.sequential.divergence import estimate_divergence, log_gaussian_mixture
from serinus.simulation.distribution import shifted_shares

K = 10
UNIFORM = np.full(K, 1.0 / K)


def play(shares: Any, scrapes: int = 300, n_c: int = 50, seed: int = 1, **options: Any) -> list[Any]:
    rng, test = np.random.default_rng(seed), DriftTest(K, **options)
    feed = [(rng.multinomial(n_c, shares), rng.multinomial(20 * n_c, UNIFORM)) for _ in range(scrapes)]
    return [test.update(5.0 * i, own, other, i == 0) for i, (own, other) in enumerate(feed)]


@pytest.mark.parametrize("kind", ["psi", "js"])
def test_the_bias_of_small_samples_is_removed(kind: Any) -> None:
    rng, runs = np.random.default_rng(2), 4000
    own, other = rng.multinomial(300, UNIFORM, runs), rng.multinomial(3000, UNIFORM, runs)
    used, ones = np.ones((runs, K), dtype=bool), np.ones(runs)
    found = estimate_divergence(
        own.astype(float), other.astype(float), used, design_challenger=ones, design_reference=ones, kind=kind
    )
    assert found.value.mean() == pytest.approx(0.0, abs=0.002)
    assert found.value.std() <= np.sqrt(found.variance.mean())


@pytest.mark.parametrize("kind", ["psi", "js"])
def test_the_variance_away_from_no_change_is_the_measured_one(kind: Any) -> None:
    rng, runs = np.random.default_rng(3), 4000
    own, other = rng.multinomial(2000, shifted_shares(0.3, K, "smooth"), runs), rng.multinomial(9000, UNIFORM, runs)
    used, ones = np.ones((runs, K), dtype=bool), np.ones(runs)
    found = estimate_divergence(
        own.astype(float), other.astype(float), used, design_challenger=ones, design_reference=ones, kind=kind
    )
    assert found.value.std() == pytest.approx(np.sqrt(found.variance.mean()), rel=0.1)


def test_the_mixture_is_its_integral() -> None:
    total, variance, prior = 3.0, 10.0, 4.0

    def density(mean: float) -> float:
        return float(
            2 * stats.norm.pdf(mean, scale=1 / math.sqrt(prior)) * math.exp(mean * total - mean**2 * variance / 2)
        )

    expected = integrate.quad(density, 0, 20)[0]
    found = log_gaussian_mixture(np.array([total]), np.array([variance]), prior)[0]
    assert math.exp(found) == pytest.approx(expected, rel=1e-6)


def test_psi_of_a_quarter_is_found_within_thirteen_hundred_requests() -> None:
    looks = play(shifted_shares(0.25, K, "smooth"))
    found = next(one for one in looks if one.e_value >= 500.0)
    assert found.n_challenger <= 1300
    assert looks[-1].estimate == pytest.approx(0.25, abs=0.05)
    assert looks[-1].lower < looks[-1].estimate < looks[-1].upper


@pytest.mark.parametrize("psi", [0.0, 0.05])
def test_less_than_the_tolerance_is_never_found(psi: float) -> None:
    assert max(one.e_value for one in play(shifted_shares(psi, K, "one-bin"))) < 20.0


def test_a_change_that_comes_late_is_found_by_its_stage() -> None:
    rng, test = np.random.default_rng(4), DriftTest(K)
    shifted = shifted_shares(0.5, K, "smooth")
    for index in range(400):
        shares = UNIFORM if index < 300 else shifted
        own, other = rng.multinomial(200, shares), rng.multinomial(1000, UNIFORM)
        evidence = test.update(5.0 * index, own, other, index in {0, 300})
    assert evidence.e_value > 500.0


def test_an_input_mix_that_moves_with_the_day_is_not_drift() -> None:
    rng, test, worst = np.random.default_rng(5), DriftTest(K), 0.0
    night, day = shifted_shares(0.6, K, "smooth"), UNIFORM
    for stage, (n_c, n_s) in enumerate([(10, 990), (50, 950), (250, 750), (500, 500)]):
        for index in range(60):
            share = (60 * stage + index) / 240
            mix = (1 - share) * night + share * day
            own, other = rng.multinomial(n_c, mix), rng.multinomial(n_s, mix)
            worst = max(worst, test.update(5.0 * (60 * stage + index), own, other, index == 0).e_value)
    assert worst < 20.0


def test_drift_from_training_that_champion_shares_holds_and_does_not_revert() -> None:
    shifted = shifted_shares(0.5, K, "smooth")
    rng, test = np.random.default_rng(6), DriftTest(K, reference=1000 * UNIFORM)
    for index in range(200):
        own, other = rng.multinomial(50, shifted), rng.multinomial(1000, shifted)
        evidence = test.update(5.0 * index, own, other, index == 0)
    assert evidence.e_value < 20.0
    assert evidence.status == "CommonCause"


def test_drift_from_training_of_the_challenger_alone_reverts() -> None:
    looks = play(shifted_shares(0.5, K, "smooth"), reference=1000 * UNIFORM)
    assert looks[-1].e_value > 500.0


def test_two_scrapes_equal_their_sum() -> None:
    rng = np.random.default_rng(7)
    pairs = [(rng.multinomial(2000, shifted_shares(0.3, K, "smooth")), rng.multinomial(1, UNIFORM)) for _ in range(2)]
    apart, merged = DriftTest(K), DriftTest(K)
    for index, (own, other) in enumerate(pairs):
        first = apart.update(5.0 * index, own, other, index == 0)
    second = merged.update(5.0, pairs[0][0] + pairs[1][0], pairs[0][1] + pairs[1][1], True)
    assert first.e_value == pytest.approx(second.e_value)


def test_empty_and_dirty_scrapes_change_nothing() -> None:
    test = DriftTest(K)
    before = test.update(0.0, [100] * K, [1000] * K, True)
    nothing = test.update(5.0, [0] * K, [0] * K)
    dirty = test.update(10.0, [math.nan] + [5] * (K - 1), [5] * K)
    assert nothing.e_value == dirty.e_value == before.e_value
    assert dirty.status == "NoData"


def test_correlated_requests_cost_evidence() -> None:
    rng = np.random.default_rng(8)
    single, clustered = DriftTest(K), DriftTest(K)
    for index in range(40):
        other = rng.multinomial(200, UNIFORM)
        for test, factor in ((single, 1), (clustered, 5)):
            test.update(5.0 * index, factor * rng.multinomial(10, UNIFORM), factor * other, index == 0)
    assert single.bank.design()[0] == pytest.approx(1.0, abs=0.3)
    assert clustered.bank.design()[0] == pytest.approx(5.0, rel=0.4)


def test_it_is_finite_for_huge_counts_and_replays_bit_by_bit() -> None:
    live, restored = DriftTest(K, "js", 0.01), DriftTest(K, "js", 0.01)
    for index in range(12):
        own, other = [10**9] * (K - 1) + [0], [10**9 // (index + 1)] * K
        expected = live.update(5.0 * index, own, other, index % 5 == 0)
        restored = DriftTest.from_dict(json.loads(json.dumps(restored.to_dict(), allow_nan=False)))
        assert restored.update(5.0 * index, own, other, index % 5 == 0) == expected
        assert math.isfinite(expected.e_value)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="two bins"):
        DriftTest(1)
    with pytest.raises(ValueError, match="divergence"):
        DriftTest(5, "kl")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reference"):
        DriftTest(5, reference=[1, 2])
    assert DriftTest(5).update(0.0, [1, 2], [1, 2]).status == "NoData"


@pytest.mark.parametrize(
    ("own", "champion"),
    [
        (np.eye(10)[9], np.eye(10)[0]),
        (np.r_[0.0, np.full(9, 1 / 9)], np.full(10, 0.1)),
        (np.eye(10)[4], np.full(10, 0.1)),
        (np.full(10, 0.1), np.r_[np.full(9, 1 / 9), 0.0]),
    ],
    ids=["all-moved", "a-bin-vanished", "became-constant", "a-bin-is-new"],
)
def test_drift_into_and_out_of_empty_bins_is_found(own: Any, champion: Any) -> None:
    """An empty bin makes PSI's variance as large as PSI itself; the test must not be blinded by it."""
    test = DriftTest(10)
    for index in range(1, 720):
        found = test.update(5.0 * index, 50 * own, 950 * champion)
        if found.e_value >= 100.0:
            break
    assert found.e_value >= 100.0
    assert index <= 300
