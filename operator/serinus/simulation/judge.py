"""The error metric and its limit for R rollouts at once: the banks of the core with rollouts as their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.limit import LimitBank
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.traffic import Scrape, Traffic


@dataclass(frozen=True)
class Judgement:
    """How the rollouts are judged; `history_s` 0 is the conservative path without A/A calibration."""

    alpha: float = 0.01
    tolerance: float = 1.1
    limit: float | None = 0.05
    error_weight: float = 0.2
    limit_weight: float = 0.2
    history_s: float = 3600.0


class ErrorJudge:
    """E_total of R rollouts; what is not simulated (latency, drift, scalars) stays at e = 1."""

    def __init__(self, judgement: Judgement, runs: int, scrape_s: float) -> None:
        self.judgement = judgement
        self.calibration = CalibrationBank(runs, scrape_interval_s=scrape_s)
        self.share = ShareBank(np.full(runs, judgement.tolerance), np.tile(ERROR_EFFECTS, (runs, 1)))
        self.limit = None
        if judgement.limit is not None:
            self.limit = LimitBank(np.full(runs, judgement.limit), np.ones(runs, dtype=np.bool_))

    def learn(self, traffic: Traffic) -> None:
        """Calibrate on history that `traffic` produces before time 0."""
        work = traffic.workload
        scrapes = int(self.judgement.history_s / work.scrape_s)
        idle = np.zeros(traffic.runs)
        past = [traffic.scrape((index - scrapes) * work.scrape_s, idle) for index in range(scrapes)]
        if not past:
            return
        requests, events = np.stack([one.requests for one in past]), np.stack([one.events for one in past])
        self.calibration.fit(requests[:, 1], events[:, 1], requests[:, 2], events[:, 2])
        self.share.seed_rate(*self.calibration.rate_memory())

    def observe(self, t: float, scrape: Scrape, stage_started: Bools) -> Floats:
        """Take one scrape and return E_total, [R]."""
        requests, events = scrape.requests, scrape.events
        counts = ShareCounts(requests[0], events[0], requests[1] + requests[2], events[1] + events[2])
        bounds = self.calibration.inverse_bound(), self.calibration.block_scrapes()
        self.share.update(t, counts, stage_started, *bounds)
        if self.judgement.history_s > 0.0:
            self.calibration.update(requests[1], events[1], requests[2], events[2])
        rest = 1.0 - self.judgement.error_weight
        total = self.judgement.error_weight * self.share.e_values()
        if self.limit is not None:
            self.limit.update(t, counts, stage_started)
            rest -= self.judgement.limit_weight
            total = total + self.judgement.limit_weight * self.limit.e_values()
        return total + rest
