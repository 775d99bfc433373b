"""A fixed ramp, the same for every method: when does it revert, and what has that cost by then?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.judge import ErrorJudge, Judgement
from serinus.simulation.traffic import ErrorWorkload, Scrape, TrafficSource

METRIC_WEIGHT: Final = 0.2
"""Weight of the one metric among five groups."""


class Method(Protocol):
    """A rule that looks at every scrape and reverts or does not, for R rollouts at once."""

    def learn(self, traffic: TrafficSource) -> None:
        """See the past before the rollout."""
        ...

    def reverts(self, t: float, scrape: Scrape, stage_started: Bools) -> Bools:
        """Where it reverts now, [R]."""
        ...


MethodFactory = Callable[[int, float], Method]
"""A method from the number of rollouts and the scrape interval in seconds."""


@dataclass(frozen=True)
class Ramp:
    """Weights (0..1) and the length of each stage in seconds."""

    weights: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5)
    stage_s: float = 600.0


@dataclass(frozen=True)
class RampResult:
    """Time of the revert in seconds (inf = none) and excess wrong answers until then, [R] each."""

    reverted_s: Floats
    wrong_answers: Floats

    @property
    def reverted(self) -> float:
        """Share of the rollouts that were reverted."""
        return float(np.isfinite(self.reverted_s).mean())

    def seconds(self, percent: float) -> float | None:
        """Percentile of the time of those that were reverted."""
        finite = self.reverted_s[np.isfinite(self.reverted_s)]
        return float(np.percentile(finite, percent)) if finite.size else None


def serinus_method(judgement: Judgement | None = None) -> MethodFactory:
    """The tests of the core as a method."""
    return lambda runs, scrape_s: ErrorJudge(judgement or Judgement(), runs, scrape_s)


def run_ramp(
    workload: ErrorWorkload,
    runs: int,
    seed: int,
    method: MethodFactory | None = None,
    ramp: Ramp | None = None,
) -> RampResult:
    """Play `runs` rollouts of `workload`; deterministic for a seed."""
    ramp = ramp or Ramp()
    traffic = TrafficSource(workload, runs, np.random.default_rng(seed))
    rule = (method or serinus_method())(runs, workload.scrape_s)
    rule.learn(traffic)
    reverted_s, wrong = np.full(runs, np.inf), np.zeros(runs)
    per_stage = round(ramp.stage_s / workload.scrape_s)
    for index in range(per_stage * len(ramp.weights)):
        stage, within = divmod(index, per_stage)
        t = (index + 1) * workload.scrape_s
        scrape = traffic.scrape(t, np.full(runs, ramp.weights[stage]))
        live = np.isinf(reverted_s)
        wrong += np.where(live, scrape.excess, 0.0)
        fires = rule.reverts(t, scrape, np.full(runs, within == 0))
        reverted_s = np.where(live & fires, t, reverted_s)
        if not bool(np.isinf(reverted_s).any()):
            break
    return RampResult(reverted_s, wrong)
