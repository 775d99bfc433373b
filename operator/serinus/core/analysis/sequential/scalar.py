"""Any scalar series (STATISTICS 3.6): clipped, standardised differences under a one-sided Gaussian mixture.

For queries that come as one number an arm (a rate, a quantile, a business metric) one value per block of the
query's own range is new information; overlapping windows are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_number
from serinus.core.analysis.sequential.divergence import log_gaussian_mixture
from serinus.core.analysis.sequential.evidence import LOG_FLOOR, Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.state import Floats, State, check_schema, stamp

KIND: Final = "ScalarTest"
HISTORY_BLOCKS: Final = 60
BURN_IN_BLOCKS: Final = 20
CLIP: Final = 3.0
MASS_AT_START: Final = 0.4
MASS_AT_STAGE: Final = 0.2
PRIORS: Final = (1.0, 8.0)
VARIANCE_FACTOR: Final = 1.3
LONGEST_MEMORY: Final = 12.0


class ScalarTest:
    """Is challenger's value worse than champion's by more than `tolerance_sd` standard deviations of a block?

    `direction` says which way is worse; `history` [T] are differences between the two halves of champion's pods (one
    a block, divided by sqrt(1/n_a + 1/n_b) when request counts are given to `update`). With fewer than 60 the first
    20 differences of the rollout itself set the scale and carry no evidence.
    """

    def __init__(
        self,
        direction: Literal["increase", "decrease"] = "increase",
        tolerance_sd: float = 0.0,
        history: Any = None,
    ) -> None:
        if direction not in {"increase", "decrease"}:
            raise ValueError(f"direction is 'increase' or 'decrease', not {direction!r}")
        self.direction = direction
        self.tolerance_sd = float(tolerance_sd)
        self._sigma: float | None = None
        self._memory = 1.0
        self._burn_in: list[float] = []
        self._sums: list[float] = []
        self._blocks: list[int] = []
        self._mass: list[float] = []
        self._stage_pending = False
        self._difference_sum = 0.0
        self._differences = 0
        self._requests = [0.0, 0.0]
        self._peak_log_e = 0.0
        if history is not None:
            self._learn(np.asarray(history, dtype=np.float64).reshape(-1), HISTORY_BLOCKS)

    def _learn(self, differences: Floats, needed: int) -> None:
        """Scale and memory of the differences; stays unknown below `needed` of them."""
        clean = differences[np.isfinite(differences)]
        if clean.size >= needed:
            self._sigma = robust_scale(clean)
            self._memory = autocorrelation_time(clean)

    def update(
        self,
        t: float,
        challenger: Any,
        champion: Any,
        n_challenger: Any = None,
        n_champion: Any = None,
        *,
        stage_started: bool = False,
    ) -> Evidence:
        """Take one block's value of each arm; request counts, when both are known, weigh the block."""
        del t  # blocks are equally long by contract; the parameter keeps the tests alike
        own, other = clean_number(challenger), clean_number(champion)
        self.start_stage(started=bool(stage_started))
        missing = own is None or other is None
        if own is not None and other is not None:
            scale = self._count(n_challenger, n_champion)
            if scale is None:
                missing = True
            else:
                self._take((own - other if self.direction == "increase" else other - own), scale)
        return self.evidence(missing=missing)

    def start_stage(self, *, started: bool = True) -> None:
        """Remember that a stage began: the next block starts a test of its own."""
        self._stage_pending = self._stage_pending or started

    def _count(self, n_challenger: Any, n_champion: Any) -> float | None:
        """sqrt(1/n_c + 1/n_s), 1 where the counts are not known, None where an arm had no request."""
        n_c, n_s = clean_number(n_challenger), clean_number(n_champion)
        if n_c is None or n_s is None:
            return 1.0
        if n_c <= 0.0 or n_s <= 0.0:
            return None
        self._requests = [self._requests[0] + n_c, self._requests[1] + n_s]
        return math.sqrt(1.0 / n_c + 1.0 / n_s)

    def _take(self, harm: float, scale: float) -> None:
        self._difference_sum += harm
        self._differences += 1
        difference = harm / scale
        if self._sigma is None:
            self._burn_in.append(difference)
            if len(self._burn_in) >= BURN_IN_BLOCKS:
                self._learn(np.array(self._burn_in), BURN_IN_BLOCKS)
            return
        self._restart()
        score = min(max(difference / self._sigma - self.tolerance_sd, -CLIP), CLIP)
        self._sums = [total + score for total in self._sums]
        self._blocks = [count + 1 for count in self._blocks]
        self._peak_log_e = max(self._peak_log_e, self._log_e())

    def _restart(self) -> None:
        """Begin a test at the start and at every stage, as long as there is wealth to put on it."""
        mass = MASS_AT_STAGE if self._mass else MASS_AT_START
        due = not self._mass or self._stage_pending
        self._stage_pending = False
        if due and sum(self._mass) + mass <= 1.0 + 1e-9:
            self._mass.append(mass)
            self._sums.append(0.0)
            self._blocks.append(0)

    def _log_e(self) -> float:
        """Log of the mixture over restarts and mixing variances, with the unused wealth at 1."""
        if not self._mass:
            return 0.0
        step = VARIANCE_FACTOR * self._memory
        variance = step * np.array(self._blocks, dtype=np.float64)[:, None]
        sums = np.array(self._sums)[:, None]
        logs = log_gaussian_mixture(sums, variance, step * np.array(PRIORS)[None, :])
        value = float((np.exp(logs).mean(axis=1) * np.array(self._mass)).sum()) + 1.0 - sum(self._mass)
        return max(math.log(max(value, 1e-304)), LOG_FLOOR)

    def evidence(self, *, missing: bool = False) -> Evidence:
        """What the test says now."""
        log_e = self._log_e()
        e_value = exp_finite(log_e)
        mean = self._difference_sum / self._differences if self._differences else None
        burning = self._sigma is None
        return Evidence(
            e_value=e_value,
            log_e_value=log_e,
            anytime_p=anytime_p(self._peak_log_e),
            estimate=mean if mean is None or self.direction == "increase" else -mean,
            n_challenger=self._requests[0],
            n_champion=self._requests[1],
            events=float(self._differences),
            status="NoData" if missing else "BurnIn" if burning else status_of(e_value),
        )

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "direction": self.direction,
            "toleranceSd": self.tolerance_sd,
            "sigma": self._sigma,
            "memory": self._memory,
            "burnIn": list(self._burn_in),
            "sums": list(self._sums),
            "blocks": list(self._blocks),
            "mass": list(self._mass),
            "stagePending": self._stage_pending,
            "differenceSum": self._difference_sum,
            "differences": self._differences,
            "requests": list(self._requests),
            "peakLogE": self._peak_log_e,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ScalarTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(state["direction"], state["toleranceSd"])
        test._sigma, test._memory = state["sigma"], state["memory"]
        test._burn_in, test._sums = list(state["burnIn"]), list(state["sums"])
        test._blocks, test._mass = list(state["blocks"]), list(state["mass"])
        test._stage_pending = bool(state["stagePending"])
        test._difference_sum, test._differences = state["differenceSum"], state["differences"]
        test._requests = list(state["requests"])
        test._peak_log_e = state["peakLogE"]
        return test


def robust_scale(differences: Floats) -> float:
    """min(sd, 2 MAD), at least MAD: heavy tails inflate sd, ties deflate MAD; 1e-12 for a constant series."""
    deviation = float(np.median(np.abs(differences - np.median(differences))))
    spread = float(differences.std(ddof=1))
    scale = max(min(spread, 2.0 * deviation), deviation) if deviation > 0.0 else spread
    return max(scale, 1e-12)


def autocorrelation_time(differences: Floats) -> float:
    """Integrated autocorrelation time in blocks, 1 to 12, summed up to the first non-positive pair (Geyer 1992)."""
    centred = differences - differences.mean()
    power = float(centred @ centred)
    if power <= 0.0:
        return 1.0
    total = 1.0
    for lag in range(1, min(len(centred) // 3, 40)):
        correlation = float(centred[:-lag] @ centred[lag:]) / power
        if correlation <= 0.0:
            break
        total += 2.0 * correlation
    return min(max(total, 1.0), LONGEST_MEMORY)
