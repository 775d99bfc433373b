"""All latency metrics of a rollout in one bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.bounds import DISPERSION_UNKNOWN
from serinus.core.analysis.sequential.cleaning import clean_bins
from serinus.core.analysis.sequential.config import MetricConfig
from serinus.core.analysis.sequential.evidence import Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.latency_bank import LatencyBank
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.observations import HistogramObservation
from serinus.core.analysis.sequential.promotion import StageCounts
from serinus.core.analysis.sequential.state import Bank, Floats, State, pack, unpack


class LatencyGroup(Bank):
    """M latency metrics; rows are in the order of `metrics`."""

    def __init__(self, metrics: Sequence[MetricConfig], scrape_interval_s: float) -> None:
        self.metrics = list(metrics)
        self.scrape_interval_s = scrape_interval_s
        bounds = [np.array(metric.bounds_s, dtype=np.float64) for metric in self.metrics]
        slowdown = np.array([metric.tolerated for metric in self.metrics])
        self.bank = LatencyBank([part[np.isfinite(part)] for part in bounds], slowdown, scrape_interval_s)
        self.quantiles = np.array([metric.quantile for metric in self.metrics])
        self.stage_challenger = np.zeros(self.bank.layout.buckets)
        self.stage_champion = np.zeros(self.bank.layout.buckets)
        self.peak_log_e = np.zeros(len(self.metrics))

    def stacks(self, banks: Sequence[LatencyGroup]) -> None:
        """Take over the metrics of all."""
        self.metrics = [metric for bank in banks for metric in bank.metrics]

    def scraped_every(self, seconds: float) -> None:
        """Count blocks in cells that last so long."""
        self.scrape_interval_s = self.bank.calibration.scrape_interval_s = seconds

    def learn(self, row: int, history: Sequence[Any]) -> None:
        """Calibrate one metric on the counts of the halves of champion's pods, [T, J+1] each; or on one series' own."""
        layout = self.bank.layout
        place = slice(int(layout.bucket_start[row]), int(layout.bucket_start[row + 1]))
        halves = []
        for part in history:
            own = np.asarray(part, dtype=np.float64).reshape(-1, place.stop - place.start)
            whole = np.zeros((own.shape[0], layout.buckets))
            whole[:, place] = np.where(np.isfinite(own) & (own >= 0.0), own, 0.0)
            halves.append(whole)
        chosen = np.arange(len(self.metrics)) == row
        if len(halves) == 1:
            self.bank.learn_alone(halves[0], chosen)
        else:
            self.bank.learn(halves[0], halves[1], chosen)

    def adopt(self, row: int, lesson: Lesson) -> None:
        """Calibrate one metric on what its past has taught; one of other buckets teaches nothing."""
        finite = tuple(bound for bound in self.metrics[row].bounds_s if np.isfinite(bound))
        if lesson.bounds_s == finite:
            self.bank.adopt(row, lesson)

    def observe(
        self, t: float | Floats, observations: Sequence[HistogramObservation | None], *, stage_started: bool
    ) -> list[bool]:
        """Take one scrape at time `t` (s; [M] of a stack), and say which metrics answered."""
        parts = [self._read(row, observation) for row, observation in enumerate(observations)]
        answered = [part is not None for part in parts]
        blank = [np.zeros((3, length + 1)) for length in self.bank.layout.lengths]
        filled = [nothing if part is None else part for part, nothing in zip(parts, blank, strict=True)]
        own, first, second = np.concatenate([*filled, np.zeros((3, 0))], axis=1)
        if stage_started:
            self.stage_challenger[:] = 0.0
            self.stage_champion[:] = 0.0
        self.stage_challenger += own
        self.stage_champion += first + second
        self.bank.update(t, own, first, second, np.full(len(self.metrics), stage_started))
        self.peak_log_e = np.maximum(self.peak_log_e, np.log(np.maximum(self.bank.e_values(), 1e-300)))
        return answered

    def _read(self, row: int, observation: HistogramObservation | None) -> Floats | None:
        """Counts of challenger and champion's halves, [3, J+1]; halves that are not known are all and nothing."""
        if observation is None:
            return None
        length = self.bank.layout.lengths[row] + 1
        own = clean_bins(observation.challenger, length)
        if observation.champion_a is not None and observation.champion_b is not None:
            first, second = clean_bins(observation.champion_a, length), clean_bins(observation.champion_b, length)
        else:
            first, second = clean_bins(observation.champion, length), np.zeros(length)
        if own is None or first is None or second is None:
            return None
        return np.stack((own, first, second))

    def stage_counts(self) -> StageCounts:
        """Slow requests of this stage at the bound nearest to each metric's quantile."""
        gates = self.bank.gate_bounds(self.quantiles).astype(np.int64)
        requests_c, slow_c = self.bank.layout.tails(self.stage_challenger)
        requests_s, slow_s = self.bank.layout.tails(self.stage_champion)
        known = self.bank.calibration.dispersion()[gates]
        dispersion = np.where(known > 0.0, known, DISPERSION_UNKNOWN)
        return StageCounts(requests_c[gates], slow_c[gates], requests_s[gates], slow_s[gates], dispersion)

    def odds(self) -> Floats:
        """What the sharp test says of each metric, [M]."""
        return self.bank.odds()

    def decides_in_s(self, lasted_s: float, nats: Floats) -> Floats:
        """When the robust test would revert if what this stage has shown in `lasted_s` were real, [M]."""
        return self.bank.decides_in_s(self.stage_challenger, self.stage_champion, lasted_s, nats)

    def evidence(self, excess: Floats, stale: Sequence[bool]) -> dict[str, Evidence]:
        """Evidence by metric: the ratio of both arms' quantiles and the e-value over all bounds."""
        bank, layout, found = self.bank, self.bank.layout, {}
        e_values = bank.e_values()
        n_c, n_s = layout.totals(bank.challenger), layout.totals(bank.champion)
        gates = bank.gate_bounds(self.quantiles).astype(np.int64)
        _, slow = layout.tails(bank.challenger + bank.champion)
        blocks = bank.calibration.block_scrapes()
        for row, metric in enumerate(self.metrics):
            own = layout.quantile(row, bank.challenger, metric.quantile)
            other = layout.quantile(row, bank.champion, metric.quantile)
            log_e = float(np.log(max(e_values[row], 1e-300)))
            status = "BurnIn" if bank.ready[row] == 0.0 else str(status_of(float(e_values[row])))
            found[metric.name] = Evidence(
                e_value=exp_finite(log_e),
                log_e_value=log_e,
                anytime_p=anytime_p(float(self.peak_log_e[row])),
                estimate=own / other if own is not None and other else None,
                n_challenger=float(n_c[row]),
                n_champion=float(n_s[row]),
                events=float(slow[gates[row]]),
                block_s=float(blocks[layout.start[row] : layout.start[row + 1]].max()) * self.scrape_interval_s,
                status="NoData" if stale[row] else status,
                excess_upper=float(excess[row]),
            )
        return found

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "bank": self.bank.to_dict(),
            "stageChallenger": pack(self.stage_challenger),
            "stageChampion": pack(self.stage_champion),
            "peakLogE": pack(self.peak_log_e),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.bank.restore(state["bank"])
        self.stage_challenger = unpack(state["stageChallenger"], self.stage_challenger.shape)
        self.stage_champion = unpack(state["stageChampion"], self.stage_champion.shape)
        self.peak_log_e = unpack(state["peakLogE"], self.peak_log_e.shape)
