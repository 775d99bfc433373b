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

ROOM: Final = 0.6
"""A good version's quantile is this part of its limit: one that breaks its own limit would prove nothing."""


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

    @property
    def harmful(self) -> bool:
        """Whether the new version is worse at all."""
        return self.canary_rate > self.stable_rate or self.latency_factor > 1.0

    @property
    def workload(self) -> ErrorWorkload:
        """The same as the counters' traffic knows it."""
        return ErrorWorkload(
            self.requests_per_s, self.stable_rate, self.canary_rate, noise=self.noise, scrape_s=self.scrape_s
        )


@dataclass(frozen=True)
class Sample:
    """Increments of one scrape of R rollouts, [R] each: requests n, errors x, answers by bucket h [R, J+1].

    `halves` are n and x of both halves of stable's pods, [4, R].
    """

    n_c: Floats
    x_c: Floats
    n_s: Floats
    x_s: Floats
    h_c: Floats | None
    h_s: Floats | None
    halves: Floats
    excess: Floats

    def rows(self, chosen: Floats) -> Sample:
        """Multiply by a mask [R] of ones and zeros: rollouts that have ended get no more traffic."""
        n_c, x_c, n_s, x_s = (part * chosen for part in (self.n_c, self.x_c, self.n_s, self.x_s))
        h_c, h_s = (None if part is None else part * chosen[:, None] for part in (self.h_c, self.h_s))
        return Sample(n_c, x_c, n_s, x_s, h_c, h_s, self.halves * chosen, self.excess * chosen)


class ManifestTraffic:
    """A source of samples; histograms are drawn only where a policy asks for them."""

    def __init__(self, scenario: Scenario, runs: int, seed: int, *, latency: bool) -> None:
        self.scenario = scenario
        self.rng = np.random.default_rng(seed)
        self.counters = TrafficSource(scenario.workload, runs, self.rng)
        self.buckets = tuple(bucket_shares(scenario.median_s * factor) for factor in (scenario.latency_factor, 1.0))
        self.latency = latency

    def sample(self, t: float, weight: Floats) -> Sample:
        """Draw the interval that ends at `t`, with `weight` [R] as the canary's share (0..1)."""
        scrape = self.counters.scrape(t, weight)
        own, other = scrape.requests[0], scrape.requests[1:].sum(axis=0)
        h_c, h_s = (None, None)
        if self.latency:
            h_c, h_s = (
                self.rng.multinomial(np.rint(requests).astype(np.int64), shares).astype(np.float64)
                for requests, shares in zip((own, other), self.buckets, strict=True)
            )
        halves = np.stack((scrape.requests[1], scrape.events[1], scrape.requests[2], scrape.events[2]))
        return Sample(own, scrape.events[0], other, scrape.events[1:].sum(axis=0), h_c, h_s, halves, scrape.excess)


def bucket_shares(median_s: float) -> Floats:
    """Share of a lognormal's answers in each of Istio's buckets, the last one beyond the highest bound, [J+1]."""
    below = ndtr(np.log(np.array(ISTIO_BOUNDS_S) / median_s) / SPREAD)
    shares: Floats = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    shares /= shares.sum()
    return shares


def fitted(scenario: Scenario, subject: Subject) -> Scenario:
    """Scale the latencies so that a good version keeps well within the policy's own limits."""
    quantiles = [
        (float(metric.quantile or "0.99"), metric.bounds.upper)
        for metric in subject.policy.analysis.metrics
        if metric.preset == "latency" and made_up(metric) and metric.bounds.upper
    ]
    if not quantiles:
        return scenario
    medians = [ROOM * limit / float(np.exp(SPREAD * ndtri(quantile))) for quantile, limit in quantiles if limit]
    return replace(scenario, median_s=min(medians))
