"""With an hour of a gateway's series before the rollout the numbers of the design hold (STATISTICS 3.9), and the
promise to good versions, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serinus.simulation import tables
from serinus.simulation.judge import ErrorJudge, Judgement
from serinus.simulation.play import Played, play
from serinus.simulation.report import meets
from serinus.simulation.tables import Cell, error_workload
from serinus.simulation.traffic import Noise, TrafficSource

SEED = 20263
RUNS = {
    "0.1 → 1 %, 1000 req/s": 24,
    "1 → 10 %, 100 req/s": 24,
    "0.1 → 50 %, 100 req/s": 16,
    "p99 doubled, 1000 req/s": 8,
}
WHOLE = [replace(cell, runs=RUNS[cell.label]) for cell in tables.whole_path() if cell.label in RUNS]
DETECTION = [cell for cell in tables.detection() if cell.path == "gateways" and cell.reference.median_s is not None]
LATENCY = [cell for cell in tables.latency() if cell.path == "gateways" and cell.label.startswith("all x2, 1")]
EQUAL: list[tuple[Noise, float, float]] = [
    ("iid", 100, 1.5),
    ("burst", 100, 1.5),
    ("wobble", 1000, 1.5),
    ("outage", 100, 1.5),
    ("diurnal", 1000, 1.5),
    ("sticky", 100, 2.5),
    ("wander", 100, tables.WANDER_MOST),
    ("wander", 1000, tables.WANDER_MOST),
]


def upper_limit(played: Played) -> float:
    """Clopper-Pearson 95 % upper limit of the share of reverted rollouts, per cent."""
    reverted = round(played.reverted_percent * played.runs / 100)
    return 100.0 * float(stats.beta.ppf(0.95, reverted + 1, played.runs - reverted))


@pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.label) for cell in WHOLE])
def test_the_whole_path_finds_a_fault_in_time(cell: Cell) -> None:
    """From raw counters of two replicas to the verdict."""
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize("cell", [pytest.param(replace(cell, runs=200), id=cell.label) for cell in DETECTION])
def test_errors_are_found_in_time(cell: Cell) -> None:
    """As fast as with halves of the pods, where errors come one by one."""
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize("cell", [pytest.param(replace(cell, runs=75), id=cell.label) for cell in LATENCY])
def test_slowness_is_found_in_time(cell: Cell) -> None:
    """As fast as with halves of the pods."""
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize(("noise", "level", "most"), EQUAL)
def test_an_equal_version_stays(noise: Noise, level: float, most: float) -> None:
    """Whatever the noise, one series alone has shown enough of it."""
    workload = error_workload(level, 0.005, 0.005, noise, "gateways")
    assert upper_limit(play(Cell("test", f"{noise} {level}", workload, 2000, "gateways"), SEED)) <= most


@pytest.mark.parametrize("path", ["history", "gateways"])
@pytest.mark.parametrize("noise", ["iid", "burst"])
@pytest.mark.parametrize("level", [100.0, 1000.0])
def test_a_steady_rate_is_rarely_taken_for_one_that_wanders(noise: Noise, path: tables.Path, level: float) -> None:
    """What a wandering rate is allowed would hide a worse version of a steady one."""
    workload, runs = error_workload(level, 0.005, 0.005, noise, path), 1000
    judge = ErrorJudge(Judgement(by_pod=path == "history"), runs, workload.scrape_s)
    judge.learn(TrafficSource(workload, runs, np.random.default_rng(SEED)))
    assert (judge.calibration.allowance() > 1.0).mean() <= 0.06
