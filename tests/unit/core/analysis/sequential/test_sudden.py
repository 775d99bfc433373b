"""A limit for shares that have none, at weights at which a comparison says little (STATISTICS 3.9)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from serinus.core.analysis import MetricConfig, RolloutMonitor
from serinus.core.analysis.sequential.share_bank import ShareCounts
from serinus.core.analysis.sequential.sudden import SuddenBank
from serinus.simulation.traffic import ErrorWorkload, Noise, TrafficSource

CLEAN = 120
RATE = 0.001


def watched(weight: float, *metrics: MetricConfig) -> RolloutMonitor:
    monitor = RolloutMonitor({"metrics": metrics or (MetricConfig("errors"), MetricConfig("others"))})
    monitor.start_stage(weight, 100, 0.0)
    return monitor


def scrapes_until_reverted(monitor: RolloutMonitor, weight: float, every: float, level: float = 100.0) -> int:
    """Ten clean minutes, then every answer of the canary is wrong; more than 40 scrapes are too many."""
    rng, part = np.random.default_rng(3), weight / 100.0
    clean = round(600 / every)
    for index in range(1, clean + 41):
        n_c, n_s = rng.poisson(level * every * part), rng.poisson(level * every * (1 - part))
        rate = RATE if index <= clean else 1.0
        errors = ((n_c, rng.binomial(n_c, rate)), (n_s, rng.binomial(n_s, RATE)))
        seen = {name: errors if name == "errors" else ((n_c, 0), (n_s, 0)) for name in monitor._known}
        verdict = monitor.observe(every * index, seen)
        if verdict.action == "Rollback":
            assert (verdict.reason, verdict.metric) == ("Worse", "errors")
            return index - clean
    return 41


@pytest.mark.parametrize("every", [1.0, 5.0, 15.0, 30.0, 60.0], ids=lambda every: f"{every:g} s")
@pytest.mark.parametrize("weight", [75.0, 90.0])
def test_a_heavy_canary_that_fails_wholly_is_out_in_thirty_seconds_or_two_scrapes(weight: float, every: float) -> None:
    assert scrapes_until_reverted(watched(weight), weight, every) <= max(2, 30 / every)


def test_at_half_of_the_traffic_too() -> None:
    """The limit is higher there, and the fault is as gross."""
    assert scrapes_until_reverted(watched(50.0), 50.0, 5.0) <= 6


def test_below_half_the_comparison_is_asked_alone() -> None:
    assert scrapes_until_reverted(watched(25.0), 25.0, 5.0) > 6


def test_it_survives_storage_and_a_metric_that_joins() -> None:
    """Half of the evidence is gathered before, half after."""
    monitor, good = watched(90.0), ((450, 0), (50, 0))
    for index in range(1, CLEAN + 1):
        monitor.observe(5.0 * index, {"errors": good, "others": good})
    monitor.observe(605.0, {"errors": ((450, 450), (50, 0)), "others": good})
    again = RolloutMonitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
    joined = monitor.joined_by([MetricConfig("late")])
    for one in (again, joined):
        assert one.observe(610.0, {"errors": ((450, 450), (50, 0)), "others": good}).action == "Rollback"


def bank(weight: float = 90.0, size: int = 1) -> SuddenBank:
    made = SuddenBank(size, 5.0)
    made.at_weight(np.full(size, weight))
    return made


@pytest.mark.parametrize(
    ("weight", "requests", "events", "limit"),
    [
        (90.0, 1e6, 10.0, 0.01),
        (90.0, 1e6, 4999.0, 0.05),
        (50.0, 1e6, 10.0, 0.1),
        (90.0, 100.0, 0.0, None),
        (90.0, 1e6, 9e4, None),
        (25.0, 1e6, 10.0, None),
        (100.0, 1e6, 10.0, None),
    ],
    ids=["one-percent", "ten-times", "half", "stable-unknown", "stable-fails", "light", "full"],
)
def test_the_limit_is_ten_times_stables_rate(
    weight: float, requests: float, events: float, limit: float | None
) -> None:
    made = bank(weight)
    known = made.expect(np.array([requests]), np.array([events]))
    assert known.tolist() == [limit is not None]
    assert limit is None or made.limits[0] == pytest.approx(limit, rel=1e-3)


def test_what_both_share_is_no_evidence() -> None:
    made = bank()
    made.expect(np.array([1e6]), np.array([1e3]))
    for index in range(20):
        counts = ShareCounts(*(np.array([value]) for value in (450.0, 200.0, 50.0, 22.0)))
        made.update(5.0 * index, counts, np.array([False]))
    assert made.e_values().tolist() == [1.0]


@pytest.mark.parametrize("noise", ["burst", "wobble", "outage", "diurnal", "sticky"])
@pytest.mark.parametrize("level", [10.0, 100.0])
def test_an_equal_canary_is_not_condemned_by_it(noise: Noise, level: float) -> None:
    """An hour at 90 % in every noise."""
    runs = 300
    traffic = TrafficSource(ErrorWorkload(level, RATE, RATE, noise), runs, np.random.default_rng(11))
    made, total, worse = bank(size=runs), np.zeros((4, runs)), np.zeros(runs, dtype=bool)
    for index in range(1, 721):
        scrape = traffic.scrape(5.0 * index, np.full(runs, 0.9))
        (n_c, *n_s), (x_c, *x_s) = scrape.requests, scrape.events
        counts = ShareCounts(n_c, x_c, np.sum(n_s, axis=0), np.sum(x_s, axis=0))
        known = made.expect(total[2], total[3])
        made.update(5.0 * index, ShareCounts(n_c * known, x_c * known, counts.n_s, counts.x_s), np.zeros(runs, bool))
        total += counts.stacked()
        worse |= made.e_values() >= 100.0
    assert worse.sum() <= 3
