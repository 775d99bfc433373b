"""Latency from the buckets of one histogram behind the interface of one test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_bins
from serinus.core.analysis.sequential.evidence import Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.latency_bank import LatencyBank
from serinus.core.analysis.sequential.state import Floats, State, check_schema, stamp

KIND: Final = "HistogramTest"


class HistogramTest:
    """Is challenger slower than champion by more than `tolerated_slowdown`?

    `bounds_s` [J] are the upper bounds in seconds without +Inf (a last +Inf is dropped); counts are increments per
    bucket (not cumulative), [J+1]. `history` is (counts_a, counts_b), [T, J+1] each, of the two halves of champion's
    pods; without it the first 500 requests of champion choose the bounds and the conservative path runs. `quantile`
    names what the report shows: the ratio of both arms' histogram_quantile.
    """

    def __init__(
        self,
        bounds_s: Any,
        history: tuple[Any, Any] | None = None,
        tolerated_slowdown: float = 0.05,
        *,
        quantile: float = 0.99,
        scrape_interval_s: float = 5.0,
    ) -> None:
        bounds = np.asarray(bounds_s, dtype=np.float64).reshape(-1)
        self.bounds_s = bounds[np.isfinite(bounds)]
        self.tolerated_slowdown = float(tolerated_slowdown)
        self.quantile = float(quantile)
        self.scrape_interval_s = float(scrape_interval_s)
        self.bank = LatencyBank([self.bounds_s], np.array([self.tolerated_slowdown]), self.scrape_interval_s)
        self._peak_log_e = 0.0
        if history is not None:
            halves = [self._history(half) for half in history]
            if len(halves[0]) > 0:
                self.bank.learn(halves[0], halves[1], np.array([True]))

    def _history(self, half: Any) -> Floats:
        counts = np.asarray(half, dtype=np.float64).reshape(-1, self.bounds_s.size + 1)
        return np.where(np.isfinite(counts) & (counts >= 0.0), counts, 0.0)

    def update(
        self,
        t: float,
        challenger: Any,
        champion_a: Any,
        champion_b: Any = None,
        stage_started: bool = False,
    ) -> Evidence:
        """Take one scrape; `champion_b` is None where champion's halves are not known. Dirty bins are missing."""
        length = self.bounds_s.size + 1
        own, first = clean_bins(challenger, length), clean_bins(champion_a, length)
        second = np.zeros(length) if champion_b is None else clean_bins(champion_b, length)
        missing = own is None or first is None or second is None
        nothing = np.zeros(length)
        parts = (nothing, nothing, nothing) if own is None or first is None or second is None else (own, first, second)
        self.bank.update(float(t), *parts, np.array([bool(stage_started)]))
        e_value = float(self.bank.e_values()[0])
        self._peak_log_e = max(self._peak_log_e, float(np.log(max(e_value, 1e-300))))
        return self._evidence(e_value, missing=missing)

    def _evidence(self, e_value: float, *, missing: bool) -> Evidence:
        bank = self.bank
        own = bank.layout.quantile(0, bank.challenger, self.quantile)
        other = bank.layout.quantile(0, bank.champion, self.quantile)
        log_e = float(np.log(max(e_value, 1e-300)))
        blocks = bank.calibration.block_scrapes()
        burning = bank.ready[0] == 0.0
        return Evidence(
            e_value=exp_finite(log_e),
            log_e_value=log_e,
            anytime_p=anytime_p(self._peak_log_e),
            estimate=own / other if own is not None and other else None,
            n_challenger=float(bank.challenger.sum()),
            n_champion=float(bank.champion.sum()),
            events=self._slow_requests(),
            block_s=float(blocks.max()) * self.scrape_interval_s,
            status="NoData" if missing else "BurnIn" if burning else status_of(e_value),
        )

    def _slow_requests(self) -> float:
        """Requests of both arms beyond the bound nearest to the quantile."""
        gate = int(self.bank.gate_bounds(np.array([self.quantile]))[0])
        _, beyond = self.bank.layout.tails(self.bank.challenger + self.bank.champion)
        return float(beyond[gate])

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "boundsSeconds": self.bounds_s.tolist(),
            "toleratedSlowdown": self.tolerated_slowdown,
            "quantile": self.quantile,
            "scrapeIntervalSeconds": self.scrape_interval_s,
            "peakLogE": self._peak_log_e,
            "bank": self.bank.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> HistogramTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(
            state["boundsSeconds"],
            None,
            state["toleratedSlowdown"],
            quantile=state["quantile"],
            scrape_interval_s=state["scrapeIntervalSeconds"],
        )
        test._peak_log_e = float(state["peakLogE"])
        test.bank.restore(state["bank"])
        return test
