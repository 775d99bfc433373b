"""A fixed ramp, the same for every method: when does the evidence revert, and what has it cost by then?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.judge import ErrorJudge, Judgement
from serinus.simulation.traffic import Traffic, Workload


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


def run_ramp(
    workload: Workload,
    runs: int,
    seed: int,
    judgement: Judgement | None = None,
    ramp: Ramp | None = None,
) -> RampResult:
    """Play `runs` rollouts of `workload`; deterministic for a seed."""
    judgement, ramp = judgement or Judgement(), ramp or Ramp()
    traffic = Traffic(workload, runs, np.random.default_rng(seed))
    judge = ErrorJudge(judgement, runs, workload.scrape_s)
    judge.learn(traffic)
    reverted_s, wrong = np.full(runs, np.inf), np.zeros(runs)
    per_stage = round(ramp.stage_s / workload.scrape_s)
    for index in range(per_stage * len(ramp.weights)):
        stage, within = divmod(index, per_stage)
        t = (index + 1) * workload.scrape_s
        scrape = traffic.scrape(t, np.full(runs, ramp.weights[stage]))
        live = np.isinf(reverted_s)
        wrong += np.where(live, scrape.excess, 0.0)
        total = judge.observe(t, scrape, np.full(runs, within == 0))
        reverted_s = np.where(live & (total >= 1.0 / judgement.alpha), t, reverted_s)
        if not bool(np.isinf(reverted_s).any()):
            break
    return RampResult(reverted_s, wrong)
