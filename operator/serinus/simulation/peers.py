"""The rules of other tools, written from their documentation: for `--compare` and the tables only.

Argo Rollouts: docs/features/analysis.md (successCondition, failureLimit). Flagger: docs/usage/how-it-works.md and the
request-success-rate examples (threshold 5, 99 %, 1 m). Kayenta: the Mann-Whitney judge with a 98 % interval and the
0.25 effect tolerance. All look once a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.judge import Judgement
from serinus.simulation.ramp import MethodFactory, serinus_method
from serinus.simulation.traffic import Scrape, TrafficSource

TICK_S: Final = 60.0


class _MinuteRule:
    """Sums of the last minute, [2, R] (requests, events) for each arm; a subclass judges them."""

    def __init__(self, runs: int, scrape_s: float) -> None:
        self.per_tick = max(1, round(TICK_S / scrape_s))
        self.scrapes = 0
        self.own = np.zeros((2, runs))
        self.other = np.zeros((2, runs))

    def learn(self, traffic: TrafficSource) -> None:
        """These rules have no past."""

    def reverts(self, t: float, scrape: Scrape, stage_started: Bools) -> Bools:
        """Judge once a minute."""
        del t, stage_started
        self.own += np.stack((scrape.requests[0], scrape.events[0]))
        self.other += np.stack((scrape.requests[1:].sum(axis=0), scrape.events[1:].sum(axis=0)))
        self.scrapes += 1
        if self.scrapes % self.per_tick:
            return np.zeros(self.own.shape[1], dtype=np.bool_)
        fires = self.tick()
        self.own[:] = 0.0
        self.other[:] = 0.0
        return fires

    def tick(self) -> Bools:
        """The rule itself."""
        raise NotImplementedError


class SuccessRateRule(_MinuteRule):
    """Success rate of the canary over the last minute, failed ticks counted and never reset."""

    def __init__(self, runs: int, scrape_s: float, *, least: float, reverts_at: int, empty_fails: bool) -> None:
        super().__init__(runs, scrape_s)
        self.least, self.reverts_at, self.empty_fails = least, reverts_at, empty_fails
        self.failed = np.zeros(runs)

    def tick(self) -> Bools:
        """Count this minute."""
        requests, events = self.own
        failing = np.where(requests > 0.0, events > (1.0 - self.least) * requests + 1e-9, self.empty_fails)
        self.failed += failing
        fires: Bools = self.failed >= self.reverts_at
        return fires


class NaiveZRule(_MinuteRule):
    """Two-proportion z test on everything so far, looked at every minute at one-sided 1 %."""

    def __init__(self, runs: int, scrape_s: float) -> None:
        super().__init__(runs, scrape_s)
        self.sums = np.zeros((4, runs))

    def tick(self) -> Bools:
        """Test again on more data."""
        self.sums += np.concatenate((self.own, self.other))
        n_c, x_c, n_s, x_s = self.sums
        pooled = (x_c + x_s) / np.maximum(n_c + n_s, 1.0)
        spread = np.sqrt(pooled * (1.0 - pooled) * (1.0 / np.maximum(n_c, 1.0) + 1.0 / np.maximum(n_s, 1.0)))
        difference = x_c / np.maximum(n_c, 1.0) - x_s / np.maximum(n_s, 1.0)
        fires: Bools = (difference > 2.326 * spread) & (spread > 0.0)
        return fires


class MannWhitneyRule(_MinuteRule):
    """One judgement a stage on its ten one-minute error rates: High if the 98 % interval's low end > 0.25 |shift|."""

    POINTS: Final = 10
    LOW_ORDER: Final = 19
    """Index of the low end among the 100 sorted differences: 50 - 2.326 sqrt(100 * 21 / 12), normal approximation."""

    def __init__(self, runs: int, scrape_s: float) -> None:
        super().__init__(runs, scrape_s)
        self.points: list[tuple[Floats, Floats]] = []

    def tick(self) -> Bools:
        """Collect a point; judge at the tenth."""
        rates = [events / np.maximum(requests, 1.0) for requests, events in (self.own, self.other)]
        self.points.append((rates[0], rates[1]))
        if len(self.points) < self.POINTS:
            return np.zeros(self.own.shape[1], dtype=np.bool_)
        own, other = (np.stack([point[arm] for point in self.points]) for arm in (0, 1))
        self.points = []
        differences = np.sort((own[:, None] - other[None]).reshape(self.POINTS**2, -1), axis=0)
        shift = np.median(differences, axis=0)
        high: Bools = differences[self.LOW_ORDER] > 0.25 * np.abs(shift)
        return high & (shift > 0.0)


def _success(least: float, reverts_at: int, *, empty_fails: bool) -> MethodFactory:
    return lambda runs, scrape_s: SuccessRateRule(
        runs, scrape_s, least=least, reverts_at=reverts_at, empty_fails=empty_fails
    )


PEERS: Final[Mapping[str, MethodFactory]] = {
    "independent": serinus_method(Judgement(cluster_bound=1.0, tolerance=1.0, evidence_cap=100.0)),
    "naive z": NaiveZRule,
    "Argo 95/3 fail": _success(0.95, 4, empty_fails=True),
    "Argo 95/3 pass": _success(0.95, 4, empty_fails=False),
    "Argo 99/0": _success(0.99, 1, empty_fails=False),
    "Flagger": _success(0.99, 5, empty_fails=True),
    "Kayenta": MannWhitneyRule,
}
