"""The default limit, of 5 % on 20 requests, with no test beside it: it reverts what is broken, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from serinus.api.defaults import METRICS, STRATEGY
from serinus.api.policy import MIN_SAMPLES
from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.guardrail import Counted, Guardrail, GuardrailBank
from serinus.simulation.traffic import ErrorWorkload, Noise, TrafficSource

SEED, RUNS = 20291, 1500
SAMPLING = 0.005
"""Two standard deviations of one in a hundred among so many."""
PAUSE_S, GUARD_S, LONGEST_S = 60.0, 600.0, 3600.0
LIMIT = Guardrail(METRICS[0].threshold_range.upper, min_samples=MIN_SAMPLES)
WEIGHTS = np.array([*(step.set_weight for step in STRATEGY.canary.steps if step.set_weight), 100], dtype=np.float64)


def reverted_s(workload: ErrorWorkload, runs: int = RUNS) -> Floats:
    """Walk the default steps by the limit alone; seconds to the revert, inf where there is none."""
    traffic = TrafficSource(workload, runs, np.random.default_rng(SEED))
    limit = GuardrailBank(LIMIT, runs, workload.scrape_s)
    waits = np.where(np.arange(len(WEIGHTS)) == len(WEIGHTS) - 1, GUARD_S, PAUSE_S)
    stage, started, found = np.zeros(runs, dtype=np.int64), np.zeros(runs), np.full(runs, np.inf)
    began, ended = np.ones(runs, dtype=np.bool_), np.zeros(runs, dtype=np.bool_)
    for t in np.arange(workload.scrape_s, LONGEST_S, workload.scrape_s):
        weight = WEIGHTS[stage]
        scrape = traffic.scrape(float(t), weight / 100.0)
        requests, events = scrape.requests, scrape.events
        counts = np.stack((requests[0], events[0], requests[1:].sum(axis=0), events[1:].sum(axis=0)))
        judged = limit.look(float(t), Counted(counts), weight, began)
        live = np.isinf(found) & ~ended
        found[live & judged.unsafe] = t
        waited = live & judged.safe & (t - started >= waits[stage])
        ended |= waited & (stage == len(WEIGHTS) - 1)
        began = waited & ~ended
        stage[began] += 1
        started[began] = t
    return found


@pytest.mark.parametrize("requests_per_s", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize("noise", ["iid", "burst", "wobble", "diurnal", "sticky"])
def test_an_equal_version_is_reverted_in_at_most_one_of_a_hundred(noise: Noise, requests_per_s: float) -> None:
    """Storms and single clients that fail are nobody's fault, and neither is chance."""
    found = reverted_s(ErrorWorkload(requests_per_s, 0.005, 0.005, noise))
    assert np.isfinite(found).mean() <= 0.01 + SAMPLING


@pytest.mark.parametrize(
    ("share", "requests_per_s", "scrape_s", "median_s"),
    [
        pytest.param(1.0, 100, 5, 5, id="all answers, 100 req/s: the first scrape"),
        pytest.param(0.5, 1000, 5, 5, id="half of them, 1000 req/s: the first scrape"),
        pytest.param(0.2, 1000, 5, 10, id="a fifth of them: the second"),
        pytest.param(0.2, 100, 15, 30, id="a fifth of them, scraped every 15 s: the second"),
        pytest.param(0.5, 10, 5, 45, id="half of them, 10 req/s: when 20 requests have come"),
    ],
)
def test_a_broken_version_is_out_in_seconds(
    share: float, requests_per_s: float, scrape_s: float, median_s: float
) -> None:
    """A fault of a fifth of all answers or more does not wait for any test."""
    found = reverted_s(ErrorWorkload(requests_per_s, 0.001, share, scrape_s=scrape_s), runs=200)
    assert np.isfinite(found).all()
    assert np.median(found) <= median_s
