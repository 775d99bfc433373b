"""Latency histograms and binned features on the fixed ramp: R rollouts as the rows of one bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from serinus.core.analysis.sequential.drift_bank import DriftBank
from serinus.core.analysis.sequential.latency_bank import LatencyBank
from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.ramp import METRIC_WEIGHT, Ramp, RampResult

PROMETHEUS_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIAN_S: Final = 0.08
P99_S: Final = 0.323
SPREAD: Final = float(np.log(P99_S / MEDIAN_S) / ndtri(0.99))
TAIL_SHARE: Final = 0.02
"""Part of the requests that a change of the tail only makes slower."""


@dataclass(frozen=True)
class LatencyWorkload:
    """Lognormal latency, median 80 ms and p99 323 ms; `slower` scales the canary.

    `part` says whether all requests or only a fiftieth are slower (then `slower` is the ratio of the p99). `noisy` adds
    5 % scale noise an arm and 15 %
    common scale noise a scrape.
    """

    requests_per_s: float
    slower: float = 1.0
    part: Literal["all", "tail"] = "all"
    noisy: bool = False
    scrape_s: float = 5.0
    history_s: float = 3600.0
    by_pod: bool = True
    """Whether history tells two halves of stable's pods apart."""


class LatencyTraffic:
    """Bucket counts of one scrape for R rollouts."""

    def __init__(self, workload: LatencyWorkload, runs: int, rng: np.random.Generator) -> None:
        self.workload, self.runs, self.rng = workload, runs, rng
        self.log_bounds = np.log(np.array(PROMETHEUS_BOUNDS_S))

    def scrape(self, weight: float) -> tuple[Floats, Floats, Floats]:
        """Counts of the canary and of stable's halves, [R, J+1] each."""
        work = self.workload
        common = 0.15 * self.rng.standard_normal(self.runs) if work.noisy else np.zeros(self.runs)
        return (
            self._arm(weight, common, work.slower),
            self._arm(0.5 * (1.0 - weight), common, 1.0),
            self._arm(0.5 * (1.0 - weight), common, 1.0),
        )

    def _arm(self, share: float, common: Floats, slower: float) -> Floats:
        scale = common + (0.05 * self.rng.standard_normal(self.runs) if self.workload.noisy else 0.0)
        below = self._below(scale, slower)
        probabilities = np.diff(below, axis=1, prepend=0.0, append=1.0)
        arrivals = self.workload.requests_per_s * self.workload.scrape_s * share
        return self.rng.poisson(arrivals * np.maximum(probabilities, 0.0)).astype(np.float64)

    def _below(self, scale: Floats, slower: float) -> Floats:
        """P(T <= b) per rollout and bound."""
        centred = self.log_bounds[None, :] - np.log(MEDIAN_S) - scale[:, None]
        if self.workload.part == "all" or slower <= 1.0:
            return np.asarray(ndtr((centred - np.log(slower)) / SPREAD), dtype=np.float64)
        slow = centred - np.log(tail_factor(slower))
        below: Floats = (1.0 - TAIL_SHARE) * ndtr(centred / SPREAD) + TAIL_SHARE * ndtr(slow / SPREAD)
        return below


def tail_factor(slower: float) -> float:
    """How much slower a fiftieth of the requests has to be for the p99 of all to be `slower` times as long."""
    target = np.log(P99_S * slower / MEDIAN_S)
    low, high = 1.0, 1000.0
    for _ in range(60):
        middle = np.sqrt(low * high)
        beyond = (1.0 - TAIL_SHARE) * ndtr(-target / SPREAD) + TAIL_SHARE * ndtr((np.log(middle) - target) / SPREAD)
        low, high = (low, middle) if beyond > 0.01 else (middle, high)
    return float(low)


def run_latency(workload: LatencyWorkload, runs: int, seed: int, alpha: float = 0.01) -> RampResult:
    """Play the fixed ramp and return when latency reverts."""
    ramp, traffic = Ramp(), LatencyTraffic(workload, runs, np.random.default_rng(seed))
    bank = LatencyBank([np.array(PROMETHEUS_BOUNDS_S)] * runs, np.full(runs, 0.05), workload.scrape_s)
    past = [traffic.scrape(0.0) for _ in range(int(workload.history_s / workload.scrape_s))]
    if past:
        halves, everyone = [np.stack([one[half].reshape(-1) for one in past]) for half in (1, 2)], np.full(runs, True)
        if workload.by_pod:
            bank.learn(halves[0], halves[1], everyone)
        else:
            bank.learn_alone(halves[0] + halves[1], everyone)
    reverted_s, slow = np.full(runs, np.inf), np.zeros(runs)
    per_stage = round(ramp.stage_s / workload.scrape_s)
    for index in range(per_stage * len(ramp.weights)):
        stage, within = divmod(index, per_stage)
        t = (index + 1) * workload.scrape_s
        own, first, second = (part.reshape(-1) for part in traffic.scrape(ramp.weights[stage]))
        if not past or not workload.by_pod:
            first, second = first + second, np.zeros_like(second)
        bank.update(t, own, first, second, np.full(runs, within == 0))
        live = np.isinf(reverted_s)
        total = METRIC_WEIGHT * bank.e_values() + 1.0 - METRIC_WEIGHT
        reverted_s = np.where(live & (total >= 1.0 / alpha), t, reverted_s)
        if not bool(np.isinf(reverted_s).any()):
            break
    return RampResult(reverted_s, slow)


@dataclass(frozen=True)
class DriftWorkload:
    """Ten decile bins of a feature; the canary's shares are `psi` away, smoothly or in one bin."""

    requests_per_s: float
    psi: float
    shape: Literal["smooth", "one-bin"] = "smooth"
    cluster: int = 1
    bins: int = 10
    scrape_s: float = 5.0
    tolerance: float = 0.1


def shifted_shares(psi: float, bins: int, shape: str) -> Floats:
    """Shares at the PSI asked for from uniform ones, by bisection on the size of the shift."""
    uniform = np.full(bins, 1.0 / bins)
    direction = np.linspace(-1.0, 1.0, bins) if shape == "smooth" else np.eye(bins)[0]
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        shares = uniform * np.exp(middle * direction)
        shares /= shares.sum()
        distance = float(((shares - uniform) * np.log(shares / uniform)).sum())
        low, high = (middle, high) if distance < psi else (low, middle)
    shares = uniform * np.exp(low * direction)
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def run_drift(workload: DriftWorkload, runs: int, seed: int, alpha: float = 0.01) -> RampResult:
    """Play the fixed ramp; `wrong_answers` of the result are the canary's requests until the revert."""
    ramp, rng = Ramp(), np.random.default_rng(seed)
    bank = DriftBank([workload.bins] * runs, np.full(runs, workload.tolerance))
    uniform = np.full(workload.bins, 1.0 / workload.bins)
    shares = shifted_shares(workload.psi, workload.bins, workload.shape)
    reverted_s, requests = np.full(runs, np.inf), np.zeros(runs)
    per_stage = round(ramp.stage_s / workload.scrape_s)
    for index in range(per_stage * len(ramp.weights)):
        stage, within = divmod(index, per_stage)
        weight = ramp.weights[stage]
        clusters = workload.requests_per_s * workload.scrape_s / workload.cluster
        own = workload.cluster * rng.poisson(clusters * weight * shares, (runs, workload.bins)).astype(np.float64)
        other = workload.cluster * rng.poisson(clusters * (1 - weight) * uniform, (runs, workload.bins)).astype(
            np.float64
        )
        live = np.isinf(reverted_s)
        requests += np.where(live, own.sum(axis=1), 0.0)
        bank.update(own, other, np.full(runs, within == 0))
        total = METRIC_WEIGHT * bank.e_values() + 1.0 - METRIC_WEIGHT
        reverted_s = np.where(live & (total >= 1.0 / alpha), (index + 1) * workload.scrape_s, reverted_s)
        if not bool(np.isinf(reverted_s).any()):
            break
    return RampResult(reverted_s, requests)
