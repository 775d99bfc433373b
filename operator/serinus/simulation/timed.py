"""The default steps with pace Timed, judged by the product's own monitor: what is promoted, and who waits?

Scrapes come at seconds of their own, looks every five seconds. The guardrail is left out: rates stay below its limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from scipy.special import ndtr

from serinus.api.canary import Pace
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_words import verdict_of
from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.distribution import MEDIAN_S, SPREAD, TAIL_SHARE, tail_factor
from serinus.simulation.manifest.subject import ISTIO_BOUNDS_S
from serinus.simulation.traffic import ErrorWorkload, Scrape, TrafficSource

LOOK_S: Final = 5.0
STEPS: Final = ((5.0, 60.0), (25.0, 60.0), (50.0, 60.0))
"""(weight in per cent, pause in seconds)"""
FULL: Final = 100.0
LONGEST_S: Final = 4 * 3600.0
FEWEST_REQUESTS: Final = 20.0


@dataclass(frozen=True)
class TimedWorkload:
    """Errors as `errors` says, and scrapes that come every `scrape_s`.

    `slower` is how much longer the canary's p99 is; `part` says whether all requests are slower, or a fiftieth of them.
    """

    errors: ErrorWorkload
    slower: float = 1.0
    part: Literal["all", "tail"] = "all"
    scrape_s: float = 5.0


@dataclass(frozen=True)
class TimedResult:
    """Per rollout: seconds until the end of the last step, or until the revert (inf: none), and wrong answers, [R]."""

    promoted_s: Floats
    reverted_s: Floats
    wrong_answers: Floats


def run_timed(workload: TimedWorkload, runs: int, seed: int) -> TimedResult:
    """Play `runs` rollouts; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    traffic = TrafficSource(workload.errors, runs, rng)
    rollouts = [_Rollout(workload, rng) for _ in range(runs)]
    wrong = np.zeros(runs)
    for index in range(1, int(LONGEST_S / LOOK_S) + 1):
        live: Bools = np.array([one.live for one in rollouts])
        if not bool(live.any()):
            break
        scrape = traffic.scrape(index * LOOK_S, np.array([one.weight for one in rollouts]) / FULL)
        wrong += np.where(live, scrape.excess, 0.0)
        for row in np.flatnonzero(live):
            rollouts[row].look(index * LOOK_S, scrape, int(row), rng)
    ends = [(one.promoted_s, one.reverted_s) for one in rollouts]
    promoted_s, reverted_s = np.array(ends).reshape(-1, 2).T
    return TimedResult(promoted_s, reverted_s, wrong)


def _config(scrape_s: float) -> MonitorConfig:
    """What is judged where nothing is configured but hosts."""
    errors = MetricConfig("error-rate", limit=0.05), MetricConfig("error-rate/4xx")
    latency = MetricConfig("latency-p99", "latency", bounds_s=ISTIO_BOUNDS_S)
    return MonitorConfig(
        metrics=(*errors, latency),
        pace="timed",
        min_dwell_s=0.0,
        min_requests=FEWEST_REQUESTS,
        scrape_interval_s=max(scrape_s, LOOK_S),
    )


@dataclass
class _Arms:
    """What both arms have done since the last scrape."""

    counts: Floats = field(default_factory=lambda: np.zeros(4))
    buckets: Floats = field(default_factory=lambda: np.zeros((2, len(ISTIO_BOUNDS_S) + 1)))


class _Rollout:
    """One rollout on its way through the steps."""

    def __init__(self, workload: TimedWorkload, rng: np.random.Generator) -> None:
        self.every = max(round(workload.scrape_s / LOOK_S), 1)
        self.phase = int(rng.integers(self.every))
        self.shares = [_bucket_shares(workload.slower, workload.part), _bucket_shares(1.0, workload.part)]
        self.monitor = RolloutMonitor(_config(workload.scrape_s))
        self.step, self.started_s, self.seen = 0, 0.0, _Arms()
        self.promoted_s = self.reverted_s = np.inf
        self._begin(0.0)

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return bool(np.isinf(self.promoted_s) and np.isinf(self.reverted_s))

    @property
    def weight(self) -> float:
        """The canary's weight in per cent."""
        return STEPS[min(self.step, len(STEPS) - 1)][0]

    def _begin(self, t: float) -> None:
        following = STEPS[self.step + 1][0] if self.step + 1 < len(STEPS) else FULL
        self.started_s = t
        self.monitor.start_stage(self.weight, following, t)

    def look(self, t: float, scrape: Scrape, row: int, rng: np.random.Generator) -> None:
        """Let five seconds pass, and judge what has been scraped by then."""
        requests, events = scrape.requests[:, row], scrape.events[:, row]
        arms = np.array([requests[0], events[0], requests[1:].sum(), events[1:].sum()])
        self.seen.counts += arms
        for arm, shares in enumerate(self.shares):
            self.seen.buckets[arm] += rng.multinomial(int(arms[2 * arm]), shares)
        found = {}
        if (round(t / LOOK_S) + self.phase) % self.every == 0:
            found, self.seen = _observations(self.seen), _Arms()
        self._settle(t, verdict_of(self.monitor.observe(t, found), Pace.TIMED)[0])

    def _settle(self, t: float, verdict: Verdict) -> None:
        if verdict is Verdict.UNSAFE:
            self.reverted_s = t
        elif verdict is Verdict.SAFE and t - self.started_s >= STEPS[self.step][1]:
            self.step += 1
            if self.step == len(STEPS):
                self.promoted_s = t
            else:
                self._begin(t)


def _observations(seen: _Arms) -> dict[str, object]:
    n_c, x_c, n_s, x_s = seen.counts
    return {
        "error-rate": ((n_c, x_c), (n_s, x_s)),
        "error-rate/4xx": ((n_c, 0.0), (n_s, 0.0)),
        "latency-p99": (seen.buckets[0], seen.buckets[1]),
    }


def _bucket_shares(slower: float, part: Literal["all", "tail"]) -> Floats:
    centred = np.log(np.array(ISTIO_BOUNDS_S) / MEDIAN_S)
    below = ndtr((centred - np.log(slower)) / SPREAD)
    if part == "tail" and slower > 1.0:
        slow = ndtr((centred - np.log(tail_factor(slower))) / SPREAD)
        below = (1.0 - TAIL_SHARE) * ndtr(centred / SPREAD) + TAIL_SHARE * slow
    shares: Floats = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    shares /= shares.sum()
    return shares
