"""The monitor (`core.analysis.sequential.monitor`) for R rollouts at once, on the path that gateway series take.

The banks are the core's own, with rollouts as their rows; the chain of holds is `verdict.HOLDS` over arrays. A test
holds both to the product's `assess`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serinus.core.analysis.comparison_metrics import CLIENT_ERRORS
from serinus.core.analysis.places import STALE_INTERVALS
from serinus.core.analysis.sequential.bounds import DISPERSION_UNKNOWN
from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.deciding import Observed, nats_needed, seconds_to_decide
from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E
from serinus.core.analysis.sequential.latency_bank import LatencyBank
from serinus.core.analysis.sequential.limit import LimitBank
from serinus.core.analysis.sequential.patience import SharpHold
from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.analysis.sequential.sudden import SuddenBank
from serinus.core.analysis.sequential.weights import weights_of
from serinus.simulation.manifest.split import SplitRows
from serinus.simulation.manifest.traffic import Sample


@dataclass(frozen=True)
class StageRows:
    """Where each rollout stands, [R] each: weights in per cent, the stage's start in seconds."""

    weight: Floats
    next_weight: Floats
    started_s: Floats


@dataclass(frozen=True)
class WeighedRows:
    """What the monitor says of each rollout, [R] each; `blind` is want of answers, neither is a hold."""

    worse: Bools
    safe: Bools
    blind: Bools


class ErrorRow:
    """One error rate of R rollouts: the share test and, if it has a limit, the limit test.

    Where series are per pod (`halved`) the halves of stable's pods calibrate the bets, as live.
    """

    def __init__(self, metric: MetricConfig, runs: int, scrape_s: float, *, halved: bool) -> None:
        self.metric, self.halved = metric, halved
        self.calibration = CalibrationBank(runs, scrape_interval_s=scrape_s)
        self.share = ShareBank(np.full(runs, 1.0 + metric.tolerated), np.tile(ERROR_EFFECTS, (runs, 1)))
        self.hold = SharpHold(runs)
        self.stage, self.total = np.zeros((2, 4, runs))
        self.sudden = SuddenBank(runs, scrape_s)
        self.limit = None
        if metric.limit is not None:
            self.limit = LimitBank(np.full(runs, metric.limit), np.ones(runs, dtype=np.bool_), scrape_s)

    def update(self, t: float, sample: Sample, weight: Floats, began: Bools) -> None:
        """Take one scrape; `weight` [R] is in per cent, and at 100 there is no stable version to compare with."""
        compared = (weight < 100.0).astype(np.float64)
        counts = ShareCounts(sample.n_c, sample.x_c, sample.n_s, sample.x_s)
        self.stage[:, began] = 0.0
        self.stage += counts.stacked() * compared
        parts = (part * compared for part in (counts.n_c, counts.x_c, counts.n_s, counts.x_s))
        self.share.update(
            t, ShareCounts(*parts), began, self.calibration.inverse_bound(), self.calibration.block_scrapes()
        )
        if self.halved:
            self.calibration.update(*(sample.halves * compared))
        if self.limit is not None:
            self.limit.update(t, counts, began)
        else:
            self._look_for_sudden(t, counts, weight, began)
        self.total += counts.stacked() * compared

    def _look_for_sudden(self, t: float, counts: ShareCounts, weight: Floats, began: Bools) -> None:
        """Where there is no limit, and at a heavy weight, ten times stable's rate is one."""
        self.sudden.forget(began)
        self.sudden.at_weight(weight)
        asked = self.sudden.expect(self.total[2], self.total[3]) & ~self.calibration.known
        own = counts.n_c * asked, counts.x_c * asked
        self.sudden.update(t, ShareCounts(*own, counts.n_s, counts.x_s), began)

    def e_values(self) -> Floats:
        """Those of the share test, or of the sudden limit where this says more, [R]."""
        compared, sudden = self.share.e_values(), self.sudden.e_values()
        return np.where(sudden > 1.0, np.maximum(compared, sudden), compared)

    def decides_in_s(self, lasted_s: Floats, nats: Floats) -> Floats:
        """When the robust test would revert if what was observed were real, [R]."""
        n_c, x_c, n_s, x_s = self.stage
        seen = Observed(n_c, x_c, n_s, x_s, lasted_s).at_rates_of(self.total, self.share.sharp.shown_before())
        blocks_s = self.calibration.block_scrapes() * self.calibration.scrape_interval_s
        return seconds_to_decide(seen, self.share.tolerance, self.share.effects, blocks_s, nats)

    def dispersion(self) -> Floats:
        """What the counts of a stage are divided by, [R]."""
        known = self.calibration.dispersion()
        return np.where(known > 0.0, known, DISPERSION_UNKNOWN)


class LatencyRow:
    """One histogram of R rollouts, and this stage's slow requests at the bound that the budget is kept at."""

    def __init__(self, metric: MetricConfig, runs: int, scrape_s: float) -> None:
        self.metric, self.runs = metric, runs
        self.hold = SharpHold(runs)
        self.bank = LatencyBank([np.array(metric.bounds_s)] * runs, np.full(runs, metric.tolerated), scrape_s)
        self.stage = np.zeros((2, runs, len(metric.bounds_s) + 1))

    def update(self, t: float, sample: Sample, compared: Floats, began: Bools) -> None:
        """Take one scrape."""
        assert sample.h_c is not None
        assert sample.h_s is not None
        self.stage[:, began] = 0.0
        self.stage += np.stack((sample.h_c, sample.h_s)) * compared[:, None]
        own, other = ((part * compared[:, None]).reshape(-1) for part in (sample.h_c, sample.h_s))
        self.bank.update(t, own, other, np.zeros(other.shape), began)

    def decides_in_s(self, lasted_s: Floats, nats: Floats) -> Floats:
        """When the robust test would revert if what was observed were real, [R]."""
        own, other = self.stage.reshape(2, -1)
        return self.bank.decides_in_s(own, other, lasted_s[self.bank.layout.owner], nats)

    def counts(self, rows: Bools) -> StageCounts:
        """Slow requests of this stage of some rollouts."""
        size = len(self.metric.bounds_s)
        distance = np.abs(np.log(np.maximum(self.bank.tail_shares, 1e-12) / (1.0 - self.metric.quantile)))
        distance = np.where(self.bank.active > 0.0, distance, np.inf).reshape(self.runs, size)[rows]
        gates = np.argmin(distance, axis=1)[:, None]
        n_c, n_s = self.stage[:, rows].sum(axis=2)
        cumulative = np.cumsum(self.stage[:, rows], axis=2)
        within = [np.take_along_axis(arm, gates, axis=1)[:, 0] for arm in cumulative]
        return StageCounts(n_c, n_c - within[0], n_s, n_s - within[1], np.full(n_c.shape, DISPERSION_UNKNOWN))


class EvidenceRows:
    """All metrics of a policy. What traffic is not made up for keeps an e-value of 1, and its weight."""

    def __init__(self, config: MonitorConfig, runs: int, halved: frozenset[str] = frozenset()) -> None:
        self.config, self.runs = config, runs
        scrape_s = config.scrape_interval_s
        shares = sorted((m for m in config.metrics if m.kind == "share"), key=lambda metric: metric.name)
        self.errors = [
            ErrorRow(m, runs, scrape_s, halved=m.name in halved) for m in shares if not m.name.endswith(CLIENT_ERRORS)
        ]
        self.quiet = [m for m in shares if m.name.endswith(CLIENT_ERRORS)]
        self.latencies = [LatencyRow(m, runs, scrape_s) for m in config.metrics if m.kind == "latency"]
        self.weights = weights_of(config)
        self.split = SplitRows(runs) if shares else None
        self.stage = np.zeros((4, runs))
        self.misses = np.zeros(runs)
        self.answered = np.zeros(runs, dtype=np.bool_)

    def observe(self, t: float, sample: Sample, standing: StageRows, began: Bools) -> WeighedRows:
        """Take one scrape and give the verdict of each rollout."""
        came = sample.n_c + sample.n_s > 0.0
        compared = (standing.weight < 100.0).astype(np.float64)
        counts = ShareCounts(sample.n_c, sample.x_c, sample.n_s, sample.x_s)
        self.stage[:, began] = 0.0
        self.stage += counts.stacked()
        self.misses = np.where(came, 0.0, self.misses + 1.0)
        self.answered |= came
        for error in self.errors:
            error.update(t, sample, standing.weight, began)
        for latency in self.latencies:
            latency.update(t, sample, compared, began)
        if self.split is not None:
            self.split.update(standing.weight, sample, began)
        self._doubt(t, standing, began)
        return self._verdict(t, standing)

    def _verdict(self, t: float, standing: StageRows) -> WeighedRows:
        total = self._total(standing.weight >= 100.0)
        worse = total >= 1.0 / self.config.alpha
        blind = self._stale()
        held, over_limit = blind | self._held(t, total, standing), self._over_limit()
        # With pace Timed the stage's own rate does not hold: the guardrail's window says what is over the limit now.
        shared = over_limit & ~held & (self.config.pace == "timed")
        free = ~(held | over_limit)
        last = free & (standing.weight >= 100.0)
        promoted = free & ~last & self._enough(t, standing, free & ~last)
        waited = t - standing.started_s - self.config.min_dwell_s
        if self.config.max_hold_s is not None and self.config.on_max_hold == "rollback":
            worse |= ~promoted & (standing.weight < 100.0) & (waited > self.config.max_hold_s)
        return WeighedRows(worse, (promoted | last | shared) & ~worse, blind & ~worse)

    def _total(self, full: Bools) -> Floats:
        """E_total, [R]; at full weight only the limits count."""
        total, rest = np.zeros(self.runs), 1.0 if self.weights else 0.0
        for error in self.errors:
            weight = self.weights.get(error.metric.name, 0.0)
            total += weight * np.where(full, 1.0, error.e_values())
            limited = self.weights.get(f"{error.metric.name}/limit", 0.0)
            if error.limit is not None:
                total += limited * error.limit.e_values()
            rest -= weight + limited
        for latency in self.latencies:
            weight = self.weights.get(latency.metric.name, 0.0)
            total += weight * np.where(full, 1.0, latency.bank.e_values())
            rest -= weight
        return total + (rest if self.weights else 1.0)

    def _gating(self) -> bool:
        """Whether a metric that traffic is made up for decides."""
        rows = [row.metric for row in self.errors] + [row.metric for row in self.latencies] + self.quiet
        return any(metric.gating for metric in rows)

    def _stale(self) -> Bools:
        return (self.misses >= STALE_INTERVALS) & self._gating()

    def _held(self, t: float, total: Floats, standing: StageRows) -> Bools:
        """NoTraffic, CommonCause, TrafficSplitMismatch, or Suspicious by the evidence."""
        n_c, _, n_s, _ = self.stage
        full = standing.weight >= 100.0
        held: Bools = total >= SUSPICIOUS_E
        if self._gating():
            waited = t - standing.started_s >= STALE_INTERVALS * self.config.scrape_interval_s
            held |= waited & ((n_c <= 0.0) | ((n_s <= 0.0) & ~full))
        for error in self.errors:
            if error.limit is not None and error.metric.gating:
                held |= error.limit.shared(t)
        held |= self._doubted(t)
        return held if self.split is None else held | self.split.off

    def _doubt(self, t: float, standing: StageRows, began: Bools) -> None:
        """Let the sharp tests hold or let go."""
        compared = (standing.weight < 100.0) & (self.config.pace == "timed")
        for row in self._sharp_rows():
            bank = row.share.sharp if isinstance(row, ErrorRow) else row.bank
            odds = np.where(compared, bank.odds(), 0.0)
            nats = nats_needed(self.config.alpha, self.weights.get(row.metric.name, 1.0), len(ERROR_EFFECTS))
            row.hold.since_s[began] = -1.0
            row.hold.update(t, odds, row.decides_in_s(t - standing.started_s, np.full(self.runs, nats)))

    def _sharp_rows(self) -> list[ErrorRow | LatencyRow]:
        return [*self.errors, *self.latencies]

    def _doubted(self, t: float) -> Bools:
        """Where the sharp test of a gating metric holds."""
        left = [row.hold.left_s(t) for row in self._sharp_rows() if row.metric.gating]
        doubted: Bools = np.array([np.zeros(self.runs), *left]).max(axis=0) > 0.0
        return doubted

    def _over_limit(self) -> Bools:
        """Where the stage's own rate is over a limit."""
        over = np.zeros(self.runs, dtype=np.bool_)
        for error in self.errors:
            if error.limit is not None and error.metric.gating:
                over |= self.stage[1] > error.limit.limits * self.stage[0]
        return over

    def _enough(self, t: float, standing: StageRows, asked: Bools) -> Bools:
        """Not InsufficientData: the dwell, the requests and, where it rules, the budget. Worked out where `asked`."""
        n_c, _, n_s, _ = self.stage
        enough = asked & (t - standing.started_s >= self.config.min_dwell_s - 1e-9)
        if self._gating():
            enough &= self.answered & (np.minimum(n_c, n_s) >= self.config.min_requests)
            if self.config.pace == "evidence" and bool(enough.any()):
                risk = standing.next_weight[enough] / 100.0 * self._excess(enough)
                enough[enough] = risk <= self.config.risk_budget
        return enough

    def _excess(self, rows: Bools) -> Floats:
        """Largest upper bound of the excess over the metrics that decide, of some rollouts."""
        n_c, x_c, n_s, x_s = self.stage[:, rows]
        phi, none = np.full(n_c.shape, DISPERSION_UNKNOWN), np.zeros(n_c.shape)
        gating = [error for error in self.errors if error.metric.gating]
        counted = [StageCounts(n_c, x_c, n_s, x_s, error.dispersion()[rows]) for error in gating]
        counted += [StageCounts(n_c, none, n_s, none, phi) for metric in self.quiet if metric.gating]
        counted += [latency.counts(rows) for latency in self.latencies if latency.metric.gating]
        largest: Floats = np.max([excess_upper(counts, self.config.beta) for counts in counted], axis=0)
        return largest
