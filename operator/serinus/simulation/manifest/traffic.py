"""Synthetic traffic of one manifest: the counters of `traffic`, and a histogram of latencies of the same requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.distribution import MEDIAN_S, SPREAD
from serinus.simulation.manifest.subject import ISTIO_BOUNDS_S, Subject, made_up
from serinus.simulation.traffic import ErrorWorkload, Noise, TrafficSource

ROOM: Final = 0.2
"""What stable's quantile is of its limit, unless told or faster anyway: far enough below it that twice as much is
still within."""


@dataclass(frozen=True)
class Scenario:
    """What the traffic of one cell of the answer is like; rates are shares of the requests."""

    label: str
    requests_per_s: float
    stable_rate: float
    canary_rate: float
    latency_factor: float = 1.0
    noise: Noise = "iid"
    scrape_s: float = 5.0
    median_s: float = MEDIAN_S
    gateways: int = 1
    history_s: float = 0.0
    latency_assumed: bool = False

    @property
    def harmful(self) -> bool:
        """Whether the new version is worse at all."""
        return self.canary_rate > self.stable_rate or self.latency_factor > 1.0

    @property
    def workload(self) -> ErrorWorkload:
        """The same as the counters' traffic knows it."""
        return self.workload_every(self.scrape_s)

    def workload_every(self, tick_s: float) -> ErrorWorkload:
        """The same, drawn every so many seconds."""
        return ErrorWorkload(self.requests_per_s, self.stable_rate, self.canary_rate, noise=self.noise, scrape_s=tick_s)


@dataclass(frozen=True)
class Sample:
    """Increments of one scrape of R rollouts, [R] each: requests n and errors x of the canary and of stable."""

    n_c: Floats
    x_c: Floats
    n_s: Floats
    x_s: Floats
    excess: Floats

    def rows(self, chosen: Floats) -> Sample:
        """Multiply by a mask [R] of ones and zeros: rollouts that have ended get no more traffic."""
        n_c, x_c, n_s, x_s = (part * chosen for part in (self.n_c, self.x_c, self.n_s, self.x_s))
        return Sample(n_c, x_c, n_s, x_s, self.excess * chosen)


class ManifestTraffic:
    """A source of samples, one a scrape."""

    def __init__(self, scenario: Scenario, runs: int, seed: int) -> None:
        self.counters = TrafficSource(scenario.workload, runs, np.random.default_rng(seed))

    def sample(self, t: float, weight: Floats) -> Sample:
        """Draw the interval that ends at `t`, with `weight` [R] as the canary's share (0..1)."""
        scrape = self.counters.scrape(t, weight)
        own, other = scrape.requests[0], scrape.requests[1:].sum(axis=0)
        return Sample(own, scrape.events[0], other, scrape.events[1:].sum(axis=0), scrape.excess)


def bucket_shares(median_s: float) -> Floats:
    """Share of a lognormal's answers in each of Istio's buckets, the last one beyond the highest bound, [J+1]."""
    below = ndtr(np.log(np.array(ISTIO_BOUNDS_S) / median_s) / SPREAD)
    shares: Floats = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    shares /= shares.sum()
    return shares


def median_for(latency_s: float, quantile: float) -> float:
    """Tell the median of latencies of which a quantile is known."""
    return latency_s / float(np.exp(SPREAD * ndtri(quantile)))


def fitted(scenario: Scenario, subject: Subject, stable_latency_s: float | None = None) -> Scenario:
    """Give stable the latency that was told, at the quantile of the first latency metric.

    Untold it is a usual one, well within the policy's own limits: the limit is not to find a slower version before the
    comparison does.
    """
    judged = [metric for metric in subject.policy.analysis.metrics if metric.preset == "latency" and made_up(metric)]
    if not judged:
        return scenario
    if stable_latency_s is not None:
        return replace(scenario, median_s=median_for(stable_latency_s, float(judged[0].quantile or "0.99")))
    within = [
        median_for(ROOM * metric.bounds.upper, float(metric.quantile or "0.99"))
        for metric in judged
        if metric.bounds.upper
    ]
    return replace(scenario, median_s=min([scenario.median_s, *within]), latency_assumed=True)


def latency_of(scenario: Scenario, quantile: float) -> float:
    """Tell a quantile of stable's latencies, in seconds."""
    return scenario.median_s * float(np.exp(SPREAD * ndtri(quantile)))
