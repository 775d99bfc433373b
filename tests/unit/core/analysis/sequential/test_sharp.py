"""The sharp test: what it makes of a cell, how long it may hold the weight, and what it never does."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from serinus.core.analysis import MetricConfig, RolloutMonitor
from serinus.core.analysis.sequential.deciding import NEVER_S, Observed, seconds_to_decide
from serinus.core.analysis.sequential.patience import LONGEST_HOLD_S, LOOKS_WORSE, PATIENCE, SharpHold
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.sharp import SharpBank
from serinus.core.analysis.sequential.state import Floats
from tests.support.monitors import DRIFT, ERROR_RATE, feed, monitor

TIMED: dict[str, Any] = {"pace": "timed", "min_dwell_s": 0.0}
EQUAL = {"challenger": (200, 1), "champion": (800, 4)}
WORSE = {"challenger": (200, 3), "champion": (800, 1)}
EFFECTS = np.array([ERROR_EFFECTS])


def counts(n_c: float, x_c: float, n_s: float, x_s: float) -> Floats:
    return np.array([[n_c], [x_c], [n_s], [x_s]], dtype=np.float64)


def sharp(*cells: Floats, stage_at: int | None = None) -> SharpBank:
    bank = SharpBank(EFFECTS)
    for index, cell in enumerate(cells):
        bank.update(cell, np.array([1.0]), np.array([index == stage_at]))
    return bank


def test_the_odds_are_the_mean_likelihood_ratio_of_independent_events() -> None:
    """Two of three events on a fifth of the requests, at each alternative."""
    odds = sharp(counts(200, 2, 800, 1)).odds()[0]
    ratios = [(psi / (1 + (psi - 1) * 0.2)) ** 2 / (1 + (psi - 1) * 0.2) for psi in ERROR_EFFECTS]
    assert odds == pytest.approx(np.mean(ratios), rel=1e-4)


def test_two_cells_say_what_their_sum_says() -> None:
    apart = sharp(counts(100, 1, 400, 1), counts(100, 2, 400, 0))
    assert apart.odds() == pytest.approx(sharp(counts(200, 3, 800, 1)).odds(), rel=1e-3)


@pytest.mark.parametrize("cell", [(0, 0, 0, 0), (10, 0, 40, 0), (0, 0, 40, 3), (10, 3, 0, 0)])
def test_a_cell_without_events_or_without_one_arm_says_nothing(cell: tuple[float, ...]) -> None:
    assert sharp(counts(*cell)).odds() == pytest.approx(1.0)


def test_one_cell_alone_says_no_more_than_the_cap() -> None:
    """A glitch of a counter is no proof."""
    assert sharp(counts(25, 1000, 475, 2)).odds()[0] <= math.exp(5.0)


def test_a_fault_that_begins_late_is_not_hidden_by_good_hours() -> None:
    good = [counts(200, 1, 800, 4)] * 500
    bad = [counts(200, 4, 800, 1)] * 2
    assert sharp(*good, *bad).odds()[0] < LOOKS_WORSE
    assert sharp(*good, *bad, stage_at=500).odds()[0] > LOOKS_WORSE


def test_what_is_little_in_each_stage_adds_up() -> None:
    """Evidence of the whole rollout counts beside that of the stage."""
    little = counts(200, 2, 800, 1)
    assert sharp(little).odds()[0] < LOOKS_WORSE
    assert sharp(little, little, stage_at=1).odds()[0] > LOOKS_WORSE


def test_with_pace_timed_the_weight_is_held_with_odds_and_time() -> None:
    verdict = feed(monitor(ERROR_RATE, **TIMED), 2, WORSE)
    assert (verdict.action, verdict.reason, verdict.metric) == ("Hold", "LooksWorse", "error-rate")
    assert verdict.e_total < 20.0
    assert verdict.odds is not None
    assert verdict.odds >= LOOKS_WORSE
    assert verdict.held_s is not None
    assert 0.0 < verdict.held_s <= LONGEST_HOLD_S


def test_an_equal_canary_is_not_held() -> None:
    verdict = feed(monitor(ERROR_RATE, **TIMED), 40, EQUAL)
    assert (verdict.action, verdict.odds, verdict.held_s) == ("Promote", None, None)


def test_the_hold_ends_when_its_evidence_is_gone() -> None:
    watched = monitor(MetricConfig("error-rate"), **TIMED)
    assert feed(watched, 2, WORSE).reason == "LooksWorse"
    assert feed(watched, 4, {"challenger": (200, 0), "champion": (800, 4)}, 3).action == "Promote"


def test_the_hold_ends_when_the_robust_test_has_had_its_time() -> None:
    """Nothing more is seen of it: the odds stay, and the time in which it would have shown runs out."""
    watched = monitor(MetricConfig("error-rate"), **TIMED)
    feed(watched, 2, WORSE)
    quiet = {"challenger": (200, 0), "champion": (800, 0)}
    seen = [feed(watched, 1, quiet, index) for index in range(3, 300)]
    held = [one for one in seen if one.reason == "LooksWorse"]
    assert held
    assert all(one.action == "Promote" for one in seen[len(held) :])
    assert watched.observe(2000.0, {"error-rate": quiet}).action == "Promote"


def test_pace_evidence_knows_no_such_hold() -> None:
    """Every rise has to be proved there anyway."""
    assert feed(monitor(ERROR_RATE), 2, WORSE).reason == "InsufficientData"


def test_a_metric_that_is_only_watched_holds_nothing() -> None:
    watched = monitor(MetricConfig("error-rate", gating=False), MetricConfig("other"), **TIMED)
    assert feed(watched, 3, WORSE, other=EQUAL).action == "Promote"


@pytest.mark.parametrize("weights", [(20.0, None), (100.0, None)], ids=["last-step", "full"])
def test_where_no_weight_follows_none_is_held(weights: tuple[float, float | None]) -> None:
    watched = monitor(ERROR_RATE, **TIMED)
    watched.start_stage(*weights, 0.0)
    assert feed(watched, 3, WORSE).reason == "LastStage"


def test_a_stage_that_is_over_its_limit_is_held_by_the_sharp_test_too() -> None:
    """Its estimate over the limit may be an outage that both shared; odds are not."""
    watched = monitor(MetricConfig("error-rate", limit=0.005), **TIMED)
    assert feed(watched, 2, WORSE).reason == "LooksWorse"


def test_a_hold_is_stored_and_goes_on() -> None:
    watched = monitor(ERROR_RATE, **TIMED)
    feed(watched, 2, WORSE)
    again = RolloutMonitor.from_dict(json.loads(json.dumps(watched.to_dict())))
    assert again.to_dict() == watched.to_dict()
    seen = [feed(one, 1, {"challenger": (200, 0), "champion": (800, 0)}, 3) for one in (watched, again)]
    assert seen[0] == seen[1]
    assert seen[0].reason == "LooksWorse"


def test_evidence_from_before_the_sharp_test_is_read() -> None:
    """It holds nothing then, and loses nothing."""
    watched = monitor(ERROR_RATE, **TIMED)
    feed(watched, 4, WORSE)
    state = json.loads(json.dumps(watched.to_dict()))
    del state["doubts"], state["shares"]["share"]["sharp"]
    again = RolloutMonitor.from_dict(state)
    after = [feed(one, 4, EQUAL, 5).e_total for one in (watched, again)]
    assert after[0] == after[1] != 1.0


def test_a_metric_that_joins_does_not_let_go() -> None:
    watched = monitor(MetricConfig("error-rate"), **TIMED)
    feed(watched, 2, WORSE)
    joined = watched.joined_by([DRIFT])
    assert feed(joined, 1, {"challenger": (200, 0), "champion": (800, 0)}, 3).reason == "LooksWorse"


def test_a_canary_twice_as_slow_is_held() -> None:
    """Half of stable's answers are beyond the first bound, and two thirds of the canary's."""
    latency = MetricConfig("latency", "latency", bounds_s=(0.1, 0.2, 0.4))
    watched = monitor(latency, **TIMED)
    seen = ([10, 8, 6, 6], [100, 100, 30, 10])
    reasons = [watched.observe(5.0 * index, {"latency": seen}).reason for index in range(1, 6)]
    assert "LooksWorse" in reasons


def test_classes_that_have_changed_places_are_held_within_hundreds_of_answers() -> None:
    """50/30/20 became 20/30/50: every answer is wrong, and the robust test waits for 600 answers."""
    watched = monitor(MetricConfig("classes", "drift", bins=3, tolerance=0.25), **TIMED)
    for index in range(1, 6):
        verdict = watched.observe(5.0 * index, {"classes": ([12, 18, 30], [270, 162, 108])})
    assert (verdict.action, verdict.reason, verdict.metric) == ("Hold", "LooksWorse", "classes")
    assert verdict.held_s is not None
    assert verdict.held_s <= LONGEST_HOLD_S


def test_classes_that_are_the_same_are_not_held() -> None:
    watched = monitor(MetricConfig("classes", "drift", bins=3, tolerance=0.25), **TIMED)
    rng, shares = np.random.default_rng(5), [0.5, 0.3, 0.2]
    for index in range(1, 60):
        seen = rng.multinomial(60, shares).tolist(), rng.multinomial(540, shares).tolist()
        assert watched.observe(5.0 * index, {"classes": seen}).reason != "LooksWorse"


def test_a_hold_lasts_one_and_a_half_times_the_mean_time_and_an_hour_at_most() -> None:
    hold = SharpHold(3)
    hold.update(100.0, np.array([4.0, 6.0, 6.0]), np.array([10.0, 40.0, NEVER_S]))
    assert hold.left_s(100.0).tolist() == [0.0, PATIENCE * 40.0, LONGEST_HOLD_S]
    hold.update(130.0, np.array([6.0, 6.0, 1.0]), np.array([10.0, 40.0, NEVER_S]))
    assert hold.left_s(130.0).tolist() == [PATIENCE * 10.0, PATIENCE * 40.0 - 30.0, 0.0]


def test_a_hold_ends_even_where_the_effect_shrinks_with_every_look() -> None:
    """Each look's estimate takes as long again as has passed."""
    hold, held = SharpHold(1), 0
    for t in range(10, 3600, 10):
        hold.update(float(t), np.array([6.0]), np.array([2.0 * t]))
        held += bool(hold.left_s(float(t))[0] > 0.0)
    assert 10 < held < 100


def test_a_new_stage_gives_the_robust_test_a_new_time() -> None:
    hold = SharpHold(1)
    hold.update(100.0, np.array([6.0]), np.array([40.0]))
    hold.start_stage()
    hold.update(150.0, np.array([6.0]), np.array([40.0]))
    assert hold.left_s(150.0).tolist() == [PATIENCE * 40.0]


@pytest.mark.parametrize("level", [50.0, 500.0, 5000.0], ids=lambda level: f"{level:g}-requests-a-block")
def test_the_time_to_a_decision_is_the_mean_growth_of_the_robust_test(level: float) -> None:
    """Nats a block, of the bet that grows fastest, as blocks of independent events give them."""
    rates, share = (0.01, 0.001), 0.25
    n_c, n_s = level * share, level * (1.0 - share)
    seen = Observed(*(np.array([v]) for v in (n_c, n_c * rates[0], n_s, n_s * rates[1])), lasted_s=15.0)
    tolerance, block_s = np.array([1.1]), np.array([15.0])
    seconds = seconds_to_decide(seen, tolerance, EFFECTS, block_s, np.array([10.0]))[0]
    assert seconds == pytest.approx(15.0 * 10.0 / _growth_a_block(n_c, n_s, rates), rel=0.2)


def _growth_a_block(n_c: float, n_s: float, rates: tuple[float, float], blocks: int = 20000) -> float:
    """Play blocks, and read the growth off the bank's own mixture."""
    rng = np.random.default_rng(7)
    bank = ShareBank(np.full(200, 1.1), np.tile(ERROR_EFFECTS, (200, 1)))
    bank.seed_rate(np.full(200, 1e6 * rates[1]), np.full(200, 1e6))
    rounds = blocks // 200
    ones = np.ones(200)
    for index in range(rounds + 1):
        # The first block only puts wealth on the table.
        x_c = rng.poisson(n_c * rates[0], 200) if index else ones
        x_s = rng.poisson(n_s * rates[1], 200) if index else ones
        block = ShareCounts(n_c * ones, 1.0 * x_c, n_s * ones, 1.0 * x_s)
        bank.update(0.0, block, np.zeros(200, dtype=bool), np.zeros(200), ones)
        if index == 0:
            before = bank.linear.copy()
    growth: float = ((bank.linear - before).mean(axis=0) / rounds).max()
    return growth


def test_equal_rates_never_decide() -> None:
    seen = Observed(*(np.array([v]) for v in (100.0, 1.0, 900.0, 9.0)), lasted_s=60.0)
    assert seconds_to_decide(seen, np.array([1.1]), EFFECTS, np.array([15.0]), np.array([10.0]))[0] == NEVER_S
