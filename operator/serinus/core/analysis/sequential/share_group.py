"""All share metrics of a rollout in one bank, with their calibration and their absolute limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.bounds import DISPERSION_UNKNOWN, rate_bounds
from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.cleaning import clean_pair
from serinus.core.analysis.sequential.config import LIMIT_SUFFIX, MetricConfig
from serinus.core.analysis.sequential.deciding import Observed, seconds_to_decide
from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E, Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.grid import ARMS
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.limit import LimitBank
from serinus.core.analysis.sequential.observations import ShareObservation
from serinus.core.analysis.sequential.promotion import StageCounts
from serinus.core.analysis.sequential.proportion import rate_ratio
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, N_C, N_S, X_C, X_S, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import Bank, Bools, Floats, State, of_rows, pack, unpack
from serinus.core.analysis.sequential.sudden import SuddenBank
from serinus.core.analysis.sequential.turned import TurnedBank

_LOG_THRESHOLD = float(np.log(40.0))


class ShareGroup(Bank):
    """S share metrics; rows are in the order of `metrics`."""

    BY_COLUMN = frozenset({"total", "stage"})
    OF_ALL = frozenset({"limited"})

    def __init__(
        self, metrics: Sequence[MetricConfig], scrape_interval_s: float, *, suppress_common_cause: bool
    ) -> None:
        self.metrics = list(metrics)
        size = len(self.metrics)
        self.scrape_interval_s = scrape_interval_s
        tolerance = np.array([1.0 + metric.tolerated for metric in self.metrics])
        self.share = ShareBank(tolerance, np.tile(ERROR_EFFECTS, (size, 1)))
        self.calibration = CalibrationBank(size, scrape_interval_s=scrape_interval_s)
        self.limited = np.array([row for row, metric in enumerate(self.metrics) if metric.limit is not None], dtype=int)
        limits = np.array([metric.limit for metric in self.metrics if metric.limit is not None], dtype=np.float64)
        self.limit = LimitBank(limits, np.full(limits.shape, suppress_common_cause), scrape_interval_s)
        self.unlimited: Bools = np.array([metric.limit is None for metric in self.metrics], dtype=np.bool_)
        self.sudden = SuddenBank(size, scrape_interval_s)
        self.turned = TurnedBank(tolerance[self.limited], np.tile(ERROR_EFFECTS, (self.limited.size, 1)))
        self.total = np.zeros((4, size))
        self.stage = np.zeros((4, size))

    def stacks(self, banks: Sequence[ShareGroup]) -> None:
        """Take over the metrics of all, and which of them have a limit."""
        size = len(banks[0].metrics)
        self.metrics = [metric for bank in banks for metric in bank.metrics]
        self.limited = np.concatenate([bank.limited + size * place for place, bank in enumerate(banks)])

    def at_weight(self, percent: float) -> None:
        """The challenger's weight from now on: at a heavy one every share has a limit."""
        self.sudden.at_weight(np.full(len(self.metrics), percent))

    def scraped_every(self, seconds: float) -> None:
        """Count blocks in cells that last so long."""
        self.scrape_interval_s = self.calibration.scrape_interval_s = seconds

    def learn(self, row: int, history: Sequence[Any]) -> None:
        """Calibrate one metric on (requests_a, events_a, requests_b, events_b) of halves of the pods, [T] each.

        Two alone, (requests, events), are those of one series.
        """
        size = len(self.metrics)
        columns = np.arange(size) == row
        parts = [np.asarray(part, dtype=np.float64).reshape(-1, 1) for part in history]
        clean = np.all([np.isfinite(part) & (part >= 0.0) for part in parts], axis=0)[:, 0]
        counts = [np.where(columns, part[clean], 0.0) for part in parts]
        if len(counts) == 2:
            self.calibration.fit_alone(*counts)
        else:
            self.calibration.fit(*counts)
        self._seed_rate(row)

    def adopt(self, row: int, lesson: Lesson) -> None:
        """Calibrate one metric on what its past has taught."""
        self.calibration.adopt(lesson.calibration, slice(row, row + 1))
        self._seed_rate(row)

    def _seed_rate(self, row: int) -> None:
        """Begin with the rate of the past where none is known yet."""
        events, requests = self.calibration.rate_memory()
        if self.share.rate_requests[row] == 0.0:
            self.share.rate_events[row], self.share.rate_requests[row] = events[row], requests[row]

    def observe(
        self,
        t: float | Floats,
        observations: Sequence[ShareObservation | None],
        *,
        stage_started: bool,
        compared: bool,
    ) -> list[bool]:
        """Take one scrape and say which metrics answered; without `compared` only the limits take part.

        `t` is its time (s); of a stack [S].
        """
        columns = [_read(observation, champion_needed=compared) for observation in observations]
        answered = [column is not None for column in columns]
        values = np.array([column or [0.0] * 8 for column in columns], dtype=np.float64).reshape(-1, 8).T
        counts = ShareCounts(*values[:4])
        started = np.full(len(self.metrics), stage_started)
        if stage_started:
            self.stage[:] = 0.0
            self.sudden.forget(started)
        if compared:
            self._look_for_sudden(t, counts, started)
        self.total += values[:4]
        self.stage += values[:4]
        bounds = self.calibration.inverse_bound(), self.calibration.block_scrapes()
        if compared:
            self.share.update(t, counts, started, *bounds, allowance=self.calibration.allowance())
            if bool(values[4:].any()):
                self.calibration.update(*values[4:])
        if self.limited.size:
            limited, at = ShareCounts(*values[:4, self.limited]), of_rows(t, self.limited)
            self.limit.update(at, limited, started[self.limited])
            if compared:
                self.turned.update(at, limited, started[self.limited], *(part[self.limited] for part in bounds))
        return answered

    def _look_for_sudden(self, t: float | Floats, counts: ShareCounts, started: Bools) -> None:
        """Take ten times champion's rate until now for the limit where there is neither a limit nor history."""
        known = self.sudden.expect(self.total[N_S], self.total[X_S])
        asked = (known & self.unlimited & ~self.calibration.known).astype(np.float64)
        self.sudden.update(t, ShareCounts(counts.n_c * asked, counts.x_c * asked, counts.n_s, counts.x_s), started)

    def _log_e(self) -> Floats:
        """Log e-values of the share tests, or of the sudden limits where these say more."""
        compared, sudden = self.share.log_e(), self.sudden.log_e()
        return np.where(sudden > 0.0, np.maximum(compared, sudden), compared)

    def stage_counts(self) -> StageCounts:
        """Counts of this stage with the dispersion that they are judged by."""
        known = self.calibration.dispersion()
        dispersion = np.where(known > 0.0, known, DISPERSION_UNKNOWN)
        return StageCounts(self.stage[N_C], self.stage[X_C], self.stage[N_S], self.stage[X_S], dispersion)

    def over_limit(self) -> Bools:
        """Limited rows whose rate of this stage is over the limit, [L]."""
        n_c, x_c = self.stage[N_C, self.limited], self.stage[X_C, self.limited]
        over: Bools = x_c > self.limit.limits * n_c
        return over

    def odds(self) -> Floats:
        """What the sharp test says of each metric, [S]."""
        return self.share.sharp.odds()

    def decides_in_s(self, lasted_s: float, nats: Floats) -> Floats:
        """When the robust test would revert if what was observed, in a stage of `lasted_s`, were real, [S]."""
        n_c, x_c, n_s, x_s = self.stage
        seen = Observed(n_c, x_c, n_s, x_s, lasted_s).at_rates_of(self.total, self.share.sharp.shown_before())
        blocks_s = self.calibration.block_scrapes() * self.scrape_interval_s
        return seconds_to_decide(seen, self.share.tolerance, self.share.effects, blocks_s, nats)

    def outdone(self, t: float) -> Bools:
        """Limited rows of which champion is over the limit now, and clearly worse than the challenger, [L]."""
        worse: Bools = self.turned.e_values() >= SUSPICIOUS_E
        return worse & self.limit.common_cause(t) & ~self.limit.shared(t) & ~self.over_limit()

    def set_back(self, t: float) -> None:
        """Take nothing to have been seen later than `t` (s)."""
        self.limit.opened_t = np.minimum(self.limit.opened_t, t)
        self.limit.champion_t = np.minimum(self.limit.champion_t, t)

    def rate_bounds(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds of both sides' rates over the whole rollout, [2, S] each."""
        requests, events = self.total[[N_C, N_S]], self.total[[X_C, X_S]]
        return rate_bounds(np.minimum(events, requests), requests, _LOG_THRESHOLD, self.stage_counts().dispersion)

    def evidence(
        self, t: float, excess: Floats, stale: Sequence[bool], *, bounds: tuple[Floats, Floats]
    ) -> dict[str, Evidence]:
        """Evidence by metric, and by "metric/limit" for the limits; `bounds` are its `rate_bounds`."""
        lower, upper = bounds
        blocks = self.calibration.block_scrapes() * self.scrape_interval_s
        log_e = self._log_e()
        logs, peaks = log_e.tolist(), np.maximum(self.share.peak_log_e, log_e).tolist()
        rows = zip(self.total.T.tolist(), lower.T.tolist(), upper.T.tolist(), blocks.tolist(), strict=True)
        found = {}
        for row, (counts, low, high, block_s) in enumerate(rows):
            metric = self.metrics[row]
            found[metric.name] = _share_evidence(
                counts,
                low,
                high,
                log_e=logs[row],
                peak_log_e=peaks[row],
                block_s=block_s,
                excess=float(excess[row]),
                no_data=stale[row],
            )
        found.update(self._limit_evidence(t, lower[0], upper[0], stale))
        return found

    def _limit_evidence(self, t: float, lower: Floats, upper: Floats, stale: Sequence[bool]) -> dict[str, Evidence]:
        logs, peaks, shared = self.limit.log_e(), self.limit.peak_log_e, self.limit.common_cause(t)
        found = {}
        for place, row in enumerate(self.limited.tolist()):
            n_c, x_c, n_s, x_s = self.total[:, row].tolist()
            e_value = exp_finite(float(logs[place]))
            status = "NoData" if stale[row] else "CommonCause" if bool(shared[place]) else status_of(e_value)
            found[self.metrics[row].name + LIMIT_SUFFIX] = Evidence(
                e_value=e_value,
                log_e_value=float(logs[place]),
                anytime_p=anytime_p(float(peaks[place])),
                estimate=x_c / n_c if n_c > 0.0 else None,
                lower=float(lower[row]) if n_c > 0.0 else None,
                upper=float(upper[row]) if n_c > 0.0 else None,
                n_challenger=n_c,
                n_champion=n_s,
                events=x_c,
                block_s=self.scrape_interval_s,
                status=status,
                rate_challenger=x_c / n_c if n_c > 0.0 else None,
                rate_champion=x_s / n_s if n_s > 0.0 else None,
            )
        return found

    def go_on_from(self, other: ShareGroup) -> None:
        """Take over the evidence of the metrics that both have."""
        here = {metric: row for row, metric in enumerate(self.metrics)}
        rows = {row: here[metric] for row, metric in enumerate(other.metrics) if metric in here}
        mine, its = self.limited.tolist(), other.limited.tolist()
        self.share.go_on_from(other.share, rows)
        self.calibration.go_on_from(other.calibration, rows)
        self.sudden.go_on_from(other.sudden, rows)
        limited = {its.index(r): mine.index(h) for r, h in rows.items() if r in its}
        self.limit.go_on_from(other.limit, limited)
        self.turned.go_on_from(other.turned, limited)
        for row, own in rows.items():
            self.total[:, own], self.stage[:, own] = other.total[:, row], other.stage[:, row]

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "share": self.share.to_dict(),
            "calibration": self.calibration.to_dict(),
            "limit": self.limit.to_dict(),
            "turned": self.turned.to_dict() if self.limited.size else None,
            "sudden": self.sudden.to_dict() if bool((self.sudden.lowest < 1.0).any()) else None,
            "total": pack(self.total),
            "stage": pack(self.stage),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.share.restore(state["share"])
        self.calibration.restore(state["calibration"])
        self.limit.restore(state["limit"])
        self.turned.restore(state.get("turned"))
        if state.get("sudden") is not None:
            self.sudden.restore(state["sudden"])
        self.total = unpack(state["total"], self.total.shape)
        self.stage = unpack(state["stage"], self.stage.shape)


def _read(observation: ShareObservation | None, *, champion_needed: bool) -> list[float] | None:
    """[n_c, x_c, n_s, x_s, n_a, x_a, n_b, x_b], or None when an arm that is needed is missing or dirty."""
    if observation is None:
        return None
    own, whole, first, second = (clean_pair(getattr(observation, arm)) for arm in ARMS)
    if own is None:
        return None
    if whole is None and first is not None and second is not None:
        whole = (first[0] + second[0], first[1] + second[1])
    if whole is None and champion_needed:
        return None
    if first is None or second is None:
        first = second = (0.0, 0.0)
    return [*own, *(whole or (0.0, 0.0)), *first, *second]


def _share_evidence(
    counts: list[float],
    low: list[float],
    high: list[float],
    *,
    log_e: float,
    peak_log_e: float,
    block_s: float,
    excess: float,
    no_data: bool,
) -> Evidence:
    n_c, x_c, n_s, x_s = counts
    e_value = exp_finite(log_e)
    both = n_c > 0.0 and n_s > 0.0
    return Evidence(
        e_value=e_value,
        log_e_value=log_e,
        anytime_p=anytime_p(peak_log_e),
        estimate=rate_ratio(x_c, n_c, x_s, n_s) if both else None,
        lower=low[0] / high[1] if both else None,
        upper=high[0] / low[1] if both and low[1] > 0.0 else None,
        n_challenger=n_c,
        n_champion=n_s,
        events=x_c + x_s,
        block_s=block_s,
        status="NoData" if no_data else status_of(e_value),
        rate_challenger=x_c / n_c if n_c > 0.0 else None,
        rate_champion=x_s / n_s if n_s > 0.0 else None,
        excess_upper=excess if both else None,
    )
