"""Synthetic traffic: requests and errors per scrape of the canary and of the two halves of stable's pods.

Arrays are [A, R]: arms A = canary, stable half a, stable half b; R independent rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats

Noise = Literal["iid", "burst", "wobble", "outage", "diurnal", "sticky", "wander"]
NOISES: Final[tuple[Noise, ...]] = ("iid", "burst", "wobble", "outage", "diurnal", "sticky")
"""What every path must bear; a rate that wanders for minutes is one that only history tells from a fault."""

STORM_SHARE: Final = 0.5
STORM_MEAN: Final = 10.0
EPISODE_S: Final = 30.0
EPISODE_PERIOD_S: Final = 300.0
OUTAGE_RATE: Final = 0.2
DIURNAL_PERIOD_S: Final = 3600.0
STICKY_SHARE: Final = 0.01
WANDER_SD: Final = 0.3
WANDER_MEMORY_S: Final = 300.0


@dataclass(frozen=True)
class ErrorWorkload:
    """What the traffic is like: rates of errors as a share of the requests, times in seconds."""

    requests_per_s: float
    stable_rate: float
    canary_rate: float
    noise: Noise = "iid"
    scrape_s: float = 5.0
    pods: int = 10
    harmful_from_weight: float = 0.0
    """The canary is as good as stable below this weight (a fault that shows under load only)."""
    harmful_from_s: float = 0.0
    halves_of: Literal["pods", "gateways"] = "pods"
    """Behind both halves of the gateways are the same pods: what is theirs is common to both."""


@dataclass(frozen=True)
class Scrape:
    """Increments of one scrape, [A, R] each, and the canary's errors beyond what stable's rate gives, [R]."""

    requests: Floats
    events: Floats
    excess: Floats


class TrafficSource:
    """A source of scrapes for R rollouts of one workload."""

    def __init__(self, workload: ErrorWorkload, runs: int, rng: np.random.Generator) -> None:
        self.workload = workload
        self.runs = runs
        self.rng = rng
        self.phase = rng.uniform(0.0, 1.0, runs)
        self._episode_arm = np.zeros(runs)
        self._in_episode = np.zeros(runs, dtype=np.bool_)
        self._log_rates = rng.normal(0.0, WANDER_SD, (3, runs)) if workload.noise == "wander" else np.zeros((3, runs))

    def scrape(self, t: float, weight: Floats) -> Scrape:
        """Requests and errors of the interval that ends at `t`, with `weight` [R] as the canary's share (0..1)."""
        work = self.workload
        shares = np.stack((weight, 0.5 * (1.0 - weight), 0.5 * (1.0 - weight)))
        arrivals = work.requests_per_s * work.scrape_s * shares
        harmful = (weight >= work.harmful_from_weight) & (t > work.harmful_from_s)
        own = np.where(harmful, work.canary_rate, work.stable_rate)
        common = np.full(self.runs, work.stable_rate)
        rates = np.stack((own, common, common)) * self._common_factor(t)
        rates = np.minimum(self._with_outage(t, rates), 1.0)
        requests, events = self._draw(arrivals, rates, weight)
        if work.noise == "sticky":
            requests, events = self._with_sticky_client(t, shares, requests, events)
        excess = np.where(rates[0] > rates[1], events[0] - requests[0] * rates[1], 0.0)
        return Scrape(requests, events, excess)

    def _common_factor(self, t: float) -> Floats:
        if self.workload.noise != "diurnal":
            return np.ones(self.runs)
        angle = 2.0 * np.pi * (t / DIURNAL_PERIOD_S + self.phase)
        factor: Floats = 10.0 ** (0.5 * np.sin(angle))
        return factor

    def _failing(self, t: float) -> Bools:
        """Which rollouts are in an episode of 30 s, one every 5 minutes, each with a phase of its own."""
        position = (t / EPISODE_PERIOD_S + self.phase) % 1.0
        inside: Bools = position < EPISODE_S / EPISODE_PERIOD_S
        return inside

    def _with_outage(self, t: float, rates: Floats) -> Floats:
        if self.workload.noise != "outage":
            return rates
        failing = self._failing(t)
        return np.where(failing, np.maximum(rates, OUTAGE_RATE), rates)

    def _draw(self, arrivals: Floats, rates: Floats, weight: Floats) -> tuple[Floats, Floats]:
        if self.workload.noise == "burst":
            return self._draw_storms(arrivals, rates)
        if self.workload.noise == "wobble":
            rates = np.minimum(rates * self._wobble(weight), 1.0)
        elif self.workload.noise == "wander":
            rates = np.minimum(rates * self._wander(), 1.0)
        events = self.rng.poisson(arrivals * rates)
        fine = self.rng.poisson(arrivals * (1.0 - rates))
        return (events + fine).astype(np.float64), events.astype(np.float64)

    def _wobble(self, weight: Floats) -> Floats:
        """Mean over an arm's pods of independent Gamma factors of mean 1 and CV 1, [A, R]."""
        whole = self.workload.pods / (2.0 if self.workload.halves_of == "pods" else 1.0)
        own = np.maximum(1.0, np.round(self.workload.pods * weight))
        pods = np.stack((own, *np.full((2, self.runs), max(1.0, whole))))
        return self._of_pods(self.rng.gamma(pods) / pods)

    def _wander(self) -> Floats:
        """Lognormal factors of mean 1 that each arm keeps for minutes, [A, R]."""
        kept = float(np.exp(-self.workload.scrape_s / WANDER_MEMORY_S))
        fresh = self.rng.normal(0.0, WANDER_SD * np.sqrt(1.0 - kept**2), self._log_rates.shape)
        self._log_rates = kept * self._log_rates + fresh
        return self._of_pods(np.exp(self._log_rates - 0.5 * WANDER_SD**2))

    def _of_pods(self, factors: Floats) -> Floats:
        """What is the pods' own: halves of the gateways share it."""
        return factors if self.workload.halves_of == "pods" else factors[[0, 1, 1]]

    def _draw_storms(self, arrivals: Floats, rates: Floats) -> tuple[Floats, Floats]:
        """Half of the errors come in storms of geometric size that hit one arm within one scrape."""
        singles = self.rng.poisson(arrivals * rates * (1.0 - STORM_SHARE))
        storms = self.rng.poisson(arrivals * rates * STORM_SHARE / STORM_MEAN)
        extra = self.rng.negative_binomial(np.maximum(storms, 1), 1.0 / STORM_MEAN)
        events = singles + storms + np.where(storms > 0, extra, 0)
        fine = self.rng.poisson(arrivals * (1.0 - rates))
        return (events + fine).astype(np.float64), events.astype(np.float64)

    def _with_sticky_client(self, t: float, shares: Floats, requests: Floats, events: Floats) -> tuple[Floats, Floats]:
        """One client, a hundredth of the traffic, fails for 30 s every 5 min on the arm that it is bound to."""
        failing = self._failing(t)
        starting = failing & ~self._in_episode
        draw = self.rng.uniform(0.0, 1.0, self.runs)
        chosen = np.where(draw < shares[0], 0.0, np.where(draw < shares[0] + shares[1], 1.0, 2.0))
        self._episode_arm = np.where(starting, chosen, self._episode_arm)
        self._in_episode = failing
        client = self.rng.poisson(self.workload.requests_per_s * self.workload.scrape_s * STICKY_SHARE, self.runs)
        hit = np.where(failing, client, 0) * (self._episode_arm == np.arange(3.0)[:, None])
        return requests + hit, events + hit
