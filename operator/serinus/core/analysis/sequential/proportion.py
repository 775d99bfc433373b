"""Error rate, challenger against champion: one stream of the share bank behind the interface of one test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.blocks import BLOCK_WITHOUT_HISTORY_S, scrapes_lasting
from serinus.core.analysis.sequential.bounds import DISPERSION_UNKNOWN, confidence_bounds
from serinus.core.analysis.sequential.cleaning import clean_pair
from serinus.core.analysis.sequential.evidence import Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import State, check_schema, number, stamp

KIND: Final = "ProportionTest"


class ProportionTest:
    """Is challenger's rate of events above champion's by more than `tolerance_ratio` (STATISTICS 3.1)?

    `grid` are the alternatives as ratios beyond the tolerance, `evidence_cap` the most one block can say (nats),
    `scrape_interval_s` serves the block of 15 s that is used without a calibrator.
    """

    def __init__(
        self,
        tolerance_ratio: float = 1.1,
        grid: Sequence[float] = ERROR_EFFECTS,
        evidence_cap: float = 5.0,
        *,
        scrape_interval_s: float = 5.0,
    ) -> None:
        self.grid = tuple(float(effect) for effect in grid)
        self.scrape_interval_s = float(scrape_interval_s)
        self.bank = ShareBank(np.array([float(tolerance_ratio)]), np.array([self.grid]), evidence_cap)
        self._seeded = False
        self._dispersion: float | None = None
        self._totals = [0.0, 0.0, 0.0, 0.0]
        self._block_scrapes = self._default_block

    @property
    def _default_block(self) -> int:
        return scrapes_lasting(BLOCK_WITHOUT_HISTORY_S, self.scrape_interval_s)

    def update(
        self,
        t: float,
        challenger: Any,
        champion: Any,
        stage_started: bool = False,
        calibrator: Any = None,
    ) -> Evidence:
        """Take the increments (requests, events) of both arms at time `t` (s); None or dirty numbers are missing."""
        inverse_bound = self._calibrate(calibrator)
        pairs = clean_pair(challenger), clean_pair(champion)
        flat = [value for pair in pairs if pair is not None for value in pair] if None not in pairs else [0.0] * 4
        self._totals = [total + value for total, value in zip(self._totals, flat, strict=True)]
        counts = ShareCounts(*(np.array([value]) for value in flat))
        target, started = np.array([float(self._block_scrapes)]), np.array([bool(stage_started)])
        allowance = np.array([1.0 if calibrator is None else float(getattr(calibrator, "allowance", 1.0))])
        self.bank.update(float(t), counts, started, np.array([inverse_bound]), target, allowance=allowance)
        return self._evidence(missing=None in pairs)

    def _calibrate(self, calibrator: Any) -> float:
        if calibrator is None:
            self._dispersion, self._block_scrapes = None, self._default_block
            return 0.0
        self._dispersion, self._block_scrapes = calibrator.dispersion, int(calibrator.block_scrapes)
        bank = getattr(calibrator, "bank", None)
        if not self._seeded and bank is not None:
            self.bank.seed_rate(*bank.rate_memory())
        self._seeded = True
        bound = float(calibrator.cluster_bound)
        return 1.0 / bound if math.isfinite(bound) else 0.0

    def _evidence(self, *, missing: bool) -> Evidence:
        n_c, x_c, n_s, x_s = self._totals
        log_e = float(self.bank.log_e()[0])
        e_value = exp_finite(log_e)
        phi = DISPERSION_UNKNOWN if self._dispersion is None else self._dispersion
        lows, highs = confidence_bounds([x_c, x_s], [n_c, n_s], dispersion=phi)
        (low_c, low_s), (high_c, high_s) = lows.tolist(), highs.tolist()
        both = n_c > 0.0 and n_s > 0.0
        return Evidence(
            e_value=e_value,
            log_e_value=log_e,
            anytime_p=anytime_p(float(self.bank.peak_log_e[0])),
            estimate=rate_ratio(x_c, n_c, x_s, n_s) if both else None,
            lower=low_c / high_s if both else None,
            upper=high_c / low_s if both and low_s > 0.0 else None,
            n_challenger=n_c,
            n_champion=n_s,
            events=x_c + x_s,
            block_s=self._block_scrapes * self.scrape_interval_s,
            status="NoData" if missing else status_of(e_value),
            rate_challenger=x_c / n_c if n_c > 0.0 else None,
            rate_champion=x_s / n_s if n_s > 0.0 else None,
            excess_upper=high_c - low_s if both else None,
        )

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "toleranceRatio": float(self.bank.tolerance[0]),
            "grid": list(self.grid),
            "evidenceCap": self.bank.evidence_cap,
            "scrapeIntervalSeconds": self.scrape_interval_s,
            "seeded": self._seeded,
            "dispersion": self._dispersion,
            "blockScrapes": self._block_scrapes,
            "totals": [number(total) for total in self._totals],
            "bank": self.bank.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ProportionTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(
            state["toleranceRatio"],
            state["grid"],
            state["evidenceCap"],
            scrape_interval_s=state["scrapeIntervalSeconds"],
        )
        test._seeded = bool(state["seeded"])
        test._dispersion = state["dispersion"]
        test._block_scrapes = int(state["blockScrapes"])
        test._totals = [float(total) for total in state["totals"]]
        test.bank.restore(state["bank"])
        return test


def rate_ratio(x_c: float, n_c: float, x_s: float, n_s: float) -> float:
    """Ratio of the two rates with half an event added to each arm, so that it exists without champion events."""
    return ((x_c + 0.5) / (n_c + 1.0)) / ((x_s + 0.5) / (n_s + 1.0))
