"""The world of made-up traffic: requests reach both revisions of R rollouts through gateway replicas.

Each replica is scraped at seconds of its own and takes its share of the requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from serinus.simulation.manifest.traffic import Scenario, bucket_shares
from serinus.simulation.player.targets import Counts, ScrapedTarget
from serinus.simulation.traffic import TrafficSource

TICK_S: Final = 1.0
STABLE, CANARY = "stable", "canary"
ARMS: Final = (CANARY, STABLE)
PODS: Final = ((CANARY, "pod-0"), (STABLE, "pod-d"), (STABLE, "pod-a"))
"""The canary's, and two of stable's, which fall into different halves."""


class PlayedWorld:
    """R rollouts of one scenario; `route` moves a canary's weight, `advance` lets time pass.

    `excess` are wrong answers beyond what stable would have given, `served` the canary's answers, [R] each.
    """

    def __init__(self, scenario: Scenario, runs: int, seed: int, *, now: float, latency: bool = True) -> None:
        self.now, self.latency = now, latency
        self.shares = np.stack([bucket_shares(scenario.median_s * f) for f in (scenario.latency_factor, 1.0)])
        self.excess, self.served = np.zeros((2, runs))
        self._rng = np.random.default_rng(seed)
        self._traffic = TrafficSource(scenario.workload_every(TICK_S), runs, self._rng)
        self._began, self._every = now, scenario.scrape_s
        self._weights, self._live = np.zeros(runs), np.ones(runs)
        self.gateways = [self._target(len(ARMS), runs) for _ in range(scenario.gateways)]
        self.pods = self._target(len(PODS), runs)

    def _target(self, arms: int, runs: int) -> ScrapedTarget:
        first = self.now + float(self._rng.integers(1, 1001)) / 1000.0 * self._every
        return ScrapedTarget.of((arms, runs, self.shares.shape[1]), first=first, every=self._every)

    def route(self, row: int, weight: int, *, live: bool) -> None:
        """Give a canary its share of the requests; of a rollout that has ended nothing more is told."""
        self._weights[row] = weight / 100.0
        self._live[row] = live

    def advance(self, until: float) -> None:
        """Let requests come, and scrapes happen, up to a time."""
        while self.now + TICK_S <= until:
            self.now += TICK_S
            self._serve()
            for gateway in self.gateways:
                if gateway.scraped_at <= self.now:
                    gateway.scrape(self._answers(gateway.pending))
            if self.pods.scraped_at <= self.now:
                self.pods.scrape(np.zeros_like(self.pods.buckets))

    def _serve(self) -> None:
        scrape = self._traffic.scrape(self.now - self._began, self._weights)
        self.excess += scrape.excess * self._live
        self.served += scrape.requests[0] * self._live
        came = np.stack((scrape.requests - scrape.events, scrape.events), axis=2).astype(np.int64)
        self.pods.pending += came
        for gateway, part in zip(self.gateways, self._split(np.stack((came[0], came[1] + came[2]))), strict=True):
            gateway.pending += part

    def _split(self, counts: Counts) -> Iterator[Counts]:
        """Share requests out over the gateways, at random."""
        if len(self.gateways) == 1:
            yield counts
            return
        parts = self._rng.multinomial(counts, np.full(len(self.gateways), 1.0 / len(self.gateways)))
        for place in range(len(self.gateways)):
            yield parts[..., place]

    def _answers(self, pending: Counts) -> Counts:
        """Draw how long requests took, where anybody asks."""
        requests = pending.sum(axis=2)
        if not self.latency:
            return np.zeros((*requests.shape, self.shares.shape[1]), dtype=np.int64)
        drawn = [self._rng.multinomial(n, shares) for n, shares in zip(requests, self.shares, strict=True)]
        return np.stack(drawn).astype(np.int64)
