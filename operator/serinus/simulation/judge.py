"""The error metric and its limit for R rollouts at once: the banks of the core with rollouts as their rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.bounds import DISPERSION_UNKNOWN
from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.limit import LimitBank
from serinus.core.analysis.sequential.mixture import wealth
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.traffic import ErrorWorkload, Scrape, TrafficSource

CHUNK_SCRAPES: Final = 720
HISTORY_EVENTS: Final = 100.0
HISTORY_RANGE_S: Final = (3600.0, 86400.0)


def history_length_s(workload: ErrorWorkload) -> float:
    """Until 100 events are expected, within 1 h to 24 h."""
    needed = HISTORY_EVENTS / max(workload.requests_per_s * workload.stable_rate, 1e-9)
    return min(max(needed, HISTORY_RANGE_S[0]), HISTORY_RANGE_S[1])


@dataclass(frozen=True)
class Judgement:
    """How the rollouts are judged.

    With `history` the A/A calibration sees stable's past until it holds 100 events, one hour at least and a day
    at most (STATISTICS 3.2); without it the conservative path runs.
    """

    alpha: float = 0.01
    tolerance: float = 1.1
    limit: float | None = 0.05
    error_weight: float = 0.2
    limit_weight: float = 0.2
    history: bool = True
    by_pod: bool = True
    """Whether that past is of two halves of stable's pods; a gateway's series tell no pods apart."""
    cluster_bound: float | None = None
    """A fixed B in place of calibration; 1 with blocks of one scrape is the test for independent errors."""
    evidence_cap: float = 5.0


class ErrorJudge:
    """E_total of R rollouts; what is not simulated (latency, drift, scalars) stays at e = 1."""

    def __init__(self, judgement: Judgement, runs: int, scrape_s: float) -> None:
        self.judgement = judgement
        self.calibration = CalibrationBank(runs, scrape_interval_s=scrape_s)
        self.share = ShareBank(
            np.full(runs, judgement.tolerance), np.tile(ERROR_EFFECTS, (runs, 1)), judgement.evidence_cap
        )
        self.limit = None
        if judgement.limit is not None:
            self.limit = LimitBank(np.full(runs, judgement.limit), np.ones(runs, dtype=np.bool_), scrape_s)

    def learn(self, traffic: TrafficSource) -> None:
        """Calibrate on history that `traffic` produces before time 0, an hour of it at a time."""
        if not self.judgement.history:
            return
        scrapes = math.ceil(history_length_s(traffic.workload) / traffic.workload.scrape_s)
        idle = np.zeros(traffic.runs)
        for first in range(-scrapes, 0, CHUNK_SCRAPES):
            numbers = range(first, min(first + CHUNK_SCRAPES, 0))
            past = [traffic.scrape(number * traffic.workload.scrape_s, idle) for number in numbers]
            requests, events = np.stack([one.requests for one in past]), np.stack([one.events for one in past])
            if self.judgement.by_pod:
                self.calibration.fit(requests[:, 1], events[:, 1], requests[:, 2], events[:, 2])
            else:
                self.calibration.fit_alone(requests[:, 1:].sum(axis=1), events[:, 1:].sum(axis=1))
        self.share.seed_rate(*self.calibration.rate_memory())

    def _bet(self) -> tuple[Floats, Floats]:
        """(1/B, block in scrapes), [R] each."""
        if self.judgement.cluster_bound is None:
            return self.calibration.inverse_bound(), self.calibration.block_scrapes()
        return np.full(self.share.size, 1.0 / self.judgement.cluster_bound), np.ones(self.share.size)

    def _share_e_values(self) -> Floats:
        """The core's e-value, or with a fixed B the likelihood bet alone, as other anytime-valid tests have it."""
        if self.judgement.cluster_bound is None:
            return self.share.e_values()
        return wealth(self.share.bounded, self.share.schedule.waiting)

    def observe(self, t: float, scrape: Scrape, stage_started: Bools) -> Floats:
        """Take one scrape and return E_total, [R]."""
        requests, events = scrape.requests, scrape.events
        counts = ShareCounts(requests[0], events[0], requests[1] + requests[2], events[1] + events[2])
        self.share.update(t, counts, stage_started, *self._bet(), allowance=self.calibration.allowance())
        if self.judgement.history and self.judgement.by_pod:
            self.calibration.update(requests[1], events[1], requests[2], events[2])
        rest = 1.0 - self.judgement.error_weight
        total = self.judgement.error_weight * self._share_e_values()
        if self.limit is not None:
            self.limit.update(t, counts, stage_started)
            rest -= self.judgement.limit_weight
            total = total + self.judgement.limit_weight * self.limit.e_values()
        return total + rest

    def dispersion(self) -> Floats:
        """phi that promotion divides counts by, [R]."""
        known = self.calibration.dispersion()
        return np.where(known > 0.0, known, DISPERSION_UNKNOWN)

    def reverts(self, t: float, scrape: Scrape, stage_started: Bools) -> Bools:
        """Where the evidence reverts now, [R]."""
        reached: Bools = self.observe(t, scrape, stage_started) >= 1.0 / self.judgement.alpha
        return reached
