"""Scalar series in blocks of a minute under four sorts of noise (STATISTICS 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from serinus.core.analysis.sequential.scalar import ScalarTest
from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.ramp import METRIC_WEIGHT, RampResult

ScalarNoise = Literal["gauss", "t3", "lognormal", "ar0.5", "ar0.8"]
BLOCK_S: Final = 60.0
BLOCKS: Final = 40
BLOCKS_A_STAGE: Final = 10
HISTORY_BLOCKS: Final = 240
LOG_SD: Final = 0.7


@dataclass(frozen=True)
class ScalarWorkload:
    """Noise of each arm, scaled to sd 1, and the harm in sd of one arm's block."""

    noise: ScalarNoise
    harm_sd: float


def draw_series(noise: ScalarNoise, length: int, rng: np.random.Generator) -> Floats:
    """One arm's series with mean 0 and sd 1."""
    if noise == "t3":
        return np.asarray(rng.standard_t(3, length) / np.sqrt(3.0), dtype=np.float64)
    if noise == "lognormal":
        raw, variance = rng.lognormal(0.0, LOG_SD, length), LOG_SD**2
        spread = np.sqrt((np.exp(variance) - 1.0) * np.exp(variance))
        return np.asarray((raw - np.exp(0.5 * variance)) / spread, dtype=np.float64)
    if noise == "gauss":
        return rng.standard_normal(length)
    rho = float(noise.removeprefix("ar"))
    shocks = rng.standard_normal(length) * np.sqrt(1.0 - rho**2)
    series = np.empty(length)
    value = rng.standard_normal()
    for index, shock in enumerate(shocks):
        value = rho * value + shock
        series[index] = value
    return series


def run_scalars(workload: ScalarWorkload, runs: int, seed: int, alpha: float = 0.01) -> RampResult:
    """Play `runs` rollouts of 40 blocks, four stages; `reverted_s` counts whole blocks of 60 s."""
    rng = np.random.default_rng(seed)
    reverted_s = np.full(runs, np.inf)
    for run in range(runs):
        past = draw_series(workload.noise, HISTORY_BLOCKS, rng) - draw_series(workload.noise, HISTORY_BLOCKS, rng)
        test = ScalarTest(history=past)
        own = draw_series(workload.noise, BLOCKS, rng) + workload.harm_sd
        other = draw_series(workload.noise, BLOCKS, rng)
        for index in range(BLOCKS):
            t = BLOCK_S * (index + 1)
            found = test.update(t, own[index], other[index], stage_started=index % BLOCKS_A_STAGE == 0)
            if METRIC_WEIGHT * found.e_value + 1.0 - METRIC_WEIGHT >= 1.0 / alpha:
                reverted_s[run] = t
                break
    return RampResult(reverted_s, np.zeros(runs))
