"""The robust test turned round: when may a canary pass a failing stable without waiting?"""

from __future__ import annotations

import json

import numpy as np
import pytest

from serinus.core.analysis import RolloutMonitor
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareCounts
from serinus.core.analysis.sequential.turned import TurnedBank
from serinus.simulation.traffic import ErrorWorkload, Noise, TrafficSource
from tests.support.monitors import ERROR_RATE, feed, monitor

BETTER = {"challenger": (200, 0), "champion": (800, 400)}


@pytest.mark.parametrize(
    ("seen", "outdone"),
    [
        (BETTER, "error-rate"),
        ({"challenger": (200, 100), "champion": (800, 400)}, None),
        ({"challenger": (200, 0), "champion": (800, 32)}, None),
        ({"challenger": (200, 20), "champion": (800, 400)}, None),
    ],
    ids=["better", "equal", "stable-within-its-limit", "canary-over-its-limit"],
)
def test_only_a_canary_within_a_limit_that_stable_breaks_outdoes_it(
    seen: dict[str, tuple[int, int]], outdone: str | None
) -> None:
    verdict = feed(monitor(ERROR_RATE, pace="timed", min_dwell_s=0.0), 60, seen)
    assert verdict.outdone == outdone


def test_it_ends_with_the_fault_and_is_nothing_at_full_weight() -> None:
    watched = monitor(ERROR_RATE, pace="timed", min_dwell_s=0.0)
    assert feed(watched, 60, BETTER).outdone == "error-rate"
    assert feed(watched, 2, {"challenger": (200, 0), "champion": (800, 0)}, 61).outdone is None
    watched.start_stage(100, None, 315.0)
    assert feed(watched, 1, {"challenger": (1000, 0), "champion": None}, 64).outdone is None


def test_it_is_stored_and_older_evidence_is_read_without_it() -> None:
    watched = monitor(ERROR_RATE, pace="timed", min_dwell_s=0.0)
    feed(watched, 60, BETTER)
    state = json.loads(json.dumps(watched.to_dict()))
    assert feed(RolloutMonitor.from_dict(state), 1, BETTER, 61).outdone == "error-rate"
    state["shares"].pop("turned")
    assert feed(RolloutMonitor.from_dict(state), 1, BETTER, 61).outdone is None


@pytest.mark.parametrize("noise", ["iid", "burst", "wobble", "outage", "diurnal", "sticky"])
@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_an_equal_canary_is_hardly_ever_clearly_better(noise: Noise, weight: float) -> None:
    """Half an hour in every noise; 5 % is what the threshold of 20 allows."""
    runs = 200
    traffic = TrafficSource(ErrorWorkload(100.0, 0.06, 0.06, noise), runs, np.random.default_rng(2))
    bank, better = TurnedBank(np.full(runs, 1.1), np.tile(ERROR_EFFECTS, (runs, 1))), np.zeros(runs, dtype=bool)
    for index in range(1, 361):
        scrape = traffic.scrape(5.0 * index, np.full(runs, weight))
        (n_c, *n_s), (x_c, *x_s) = scrape.requests, scrape.events
        counts = ShareCounts(n_c, x_c, np.sum(n_s, axis=0), np.sum(x_s, axis=0))
        bank.update(5.0 * index, counts, np.full(runs, index == 1), np.zeros(runs), np.full(runs, 3.0))
        better |= bank.e_values() >= 20.0
    assert better.mean() <= 0.05
