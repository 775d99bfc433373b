"""While the canary's pods warm up only stable's latencies are told: what is usual, and nothing of the canary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.evidence import MonitorVerdict
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.observations import HistogramObservation
from serinus.core.analysis.sequential.state import Floats

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
BEGAN, SCRAPE_S, WARM_UP_S = 1.7e9, 5.0, 30.0
P99 = MetricConfig("p99", kind="latency", bounds_s=BOUNDS_S, quantile=0.99)


def answers(rng: np.random.Generator, requests: int, median_s: float) -> tuple[float, ...]:
    below: Floats = ndtr(np.log(np.array(BOUNDS_S) / median_s) / 0.5)
    shares = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    return tuple(float(count) for count in rng.multinomial(requests, shares / shares.sum()))


def verdicts(slower: float, seconds: float) -> list[MonitorVerdict]:
    """Sixty requests a second, a tenth of them the canary's, which is so many times as slow."""
    rng = np.random.default_rng(7)
    monitor = RolloutMonitor(MonitorConfig(metrics=(P99,), pace="timed", scrape_interval_s=SCRAPE_S, min_requests=20.0))
    monitor.start_stage(10.0, 50.0, BEGAN)
    found = []
    for since in np.arange(SCRAPE_S, seconds + 1.0, SCRAPE_S):
        canary = answers(rng, 30, 0.012 * slower) if since > WARM_UP_S else (0.0,) * (len(BOUNDS_S) + 1)
        seen = HistogramObservation(canary, answers(rng, 270, 0.012))
        found.append(monitor.observe(BEGAN + float(since), {"p99": seen}))
    return found


@pytest.mark.parametrize("slower", [1.0, 2.0])
def test_stables_latencies_alone_are_no_evidence(slower: float) -> None:
    """The burn-in is over with the warm-up, and nothing is Safe before the canary has answered."""
    warming = verdicts(slower, WARM_UP_S)
    assert {verdict.action for verdict in warming} == {"Hold"}
    assert warming[-1].evidence["p99"].e_value == pytest.approx(1.0)
    assert warming[-1].evidence["p99"].status != "BurnIn"


def test_a_version_twice_as_slow_is_reverted_and_an_equal_one_is_not() -> None:
    assert verdicts(2.0, 240.0)[-1].action == "Rollback"
    assert max(verdict.evidence["p99"].e_value for verdict in verdicts(1.0, 240.0)) < 2.0
