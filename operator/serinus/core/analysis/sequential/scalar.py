"""Any scalar series (STATISTICS 3.6): clipped, standardised differences under a one-sided Gaussian mixture.

For queries that come as one number an arm (a rate, a quantile, a business metric) one value per block of the
query's own range is new information; overlapping windows are not, and are left out where the block is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_number
from serinus.core.analysis.sequential.divergence import log_gaussian_mixture
from serinus.core.analysis.sequential.evidence import LOG_FLOOR, Evidence, Status, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.noise import Noise
from serinus.core.analysis.sequential.state import State, check_schema, stamp

KIND: Final = "ScalarTest"
CLIP: Final = 3.0
MASS_AT_START: Final = 0.4
PRIORS: Final = (1.0, 8.0)
VARIANCE_FACTOR: Final = 1.3


class ScalarTest:
    """Is challenger's value worse than champion's by more than `tolerance_sd` standard deviations of a block?

    `direction` says which way is worse; `history` [T] are differences between the two halves of champion's pods (one
    a block, divided by sqrt(1/n_a + 1/n_b) when request counts are given to `update`). Without 60 of them, 20 that
    differ, the rollout's own differences set the scale: the first 20 that differ carry no evidence. A series that
    remembers for more than 12 blocks is `NotComparable`. `block_s` is how much time (s) each value covers; 0 takes
    every value for a block of its own.
    """

    def __init__(
        self,
        direction: Literal["increase", "decrease"] = "increase",
        tolerance_sd: float = 0.0,
        history: Any = None,
        *,
        block_s: float = 0.0,
    ) -> None:
        if direction not in {"increase", "decrease"}:
            raise ValueError(f"direction is 'increase' or 'decrease', not {direction!r}")
        self.direction = direction
        self.tolerance_sd = float(tolerance_sd)
        self.block_s = float(block_s)
        self._covered_until_s = -math.inf
        self._noise = Noise()
        self._sums: list[float] = []
        self._blocks: list[int] = []
        self._mass: list[float] = []
        self._stage_pending = False
        self._difference_sum = 0.0
        self._scaled_sum = 0.0
        self._differences = 0
        self._requests = [0.0, 0.0]
        self._peak_log_e = 0.0
        if history is not None:
            self._noise.learn_history(history)

    def update(
        self,
        t: float,
        challenger: Any,
        champion: Any,
        n_challenger: Any = None,
        n_champion: Any = None,
        *,
        stage_started: bool = False,
        weight: float | None = None,
    ) -> Evidence:
        """Take one block's value of each arm; request counts, when both are known, weigh the block.

        `weight` is challenger's share of the traffic, above 0 and below 1: a noise that is known of champion with all
        the traffic is larger by it.
        """
        own, other = clean_number(challenger), clean_number(champion)
        if stage_started:
            self.start_stage()
        missing = own is None or other is None
        if own is not None and other is not None and self._begins_a_block(t):
            scale = self._count(n_challenger, n_champion, weight if self._noise.by_traffic else None)
            if scale is None:
                missing = True
            else:
                self._take((own - other if self.direction == "increase" else other - own), scale)
                self._noise.take((own - other) / scale, max(abs(own), abs(other)) / scale)
        return self.evidence(missing=missing)

    def adopt(self, noise: Noise) -> None:
        """Judge by the noise that history has shown."""
        self._noise.go_on_as(noise)

    def start_stage(self, t: float = -math.inf) -> None:
        """Remember that a stage began, at time `t` (s): the next block lies in it, and starts a test of its own."""
        self._stage_pending = True
        self._covered_until_s = max(self._covered_until_s, t)

    def set_back(self, t: float) -> None:
        """Take nothing to have been seen later than `t` (s)."""
        self._covered_until_s = min(self._covered_until_s, t)

    def _begins_a_block(self, t: Any) -> bool:
        """Whether a value at `t` covers nothing that was taken before."""
        if self.block_s <= 0.0:
            return True
        at = clean_number(t)
        if at is None or at < self._covered_until_s + self.block_s:
            return False
        self._covered_until_s = at
        return True

    def _count(self, n_challenger: Any, n_champion: Any, weight: float | None) -> float | None:
        """sqrt(1/n_c + 1/n_s), of the weights where the counts are not known, None where an arm had no request."""
        n_c, n_s = clean_number(n_challenger), clean_number(n_champion)
        if n_c is None or n_s is None:
            return 1.0 if weight is None else math.sqrt(1.0 / weight + 1.0 / (1.0 - weight))
        if n_c <= 0.0 or n_s <= 0.0:
            return None
        self._requests = [self._requests[0] + n_c, self._requests[1] + n_s]
        return math.sqrt(1.0 / n_c + 1.0 / n_s)

    def _take(self, harm: float, scale: float) -> None:
        self._difference_sum += harm
        self._differences += 1
        self._scaled_sum += harm / scale
        sigma = self._noise.sigma
        if sigma is None:
            return
        self._restart()
        score = min(max(harm / scale / sigma - self.tolerance_sd, -CLIP), CLIP)
        self._sums = [total + score for total in self._sums]
        self._blocks = [count + 1 for count in self._blocks]
        self._peak_log_e = max(self._peak_log_e, self._log_e())

    def _restart(self) -> None:
        """Begin a test at the start and at every stage; the masses of all stages there can be have a finite sum."""
        stage = len(self._mass)
        due = not self._mass or self._stage_pending
        self._stage_pending = False
        if due:
            later = (1.0 - MASS_AT_START) * 2.0 / ((stage + 1.0) * (stage + 2.0))
            self._mass.append(later if self._mass else MASS_AT_START)
            self._sums.append(0.0)
            self._blocks.append(0)

    def _log_e(self) -> float:
        """Log of the mixture over restarts and mixing variances, with the unused wealth at 1."""
        if not self._mass or self._noise.remembers_too_long:
            return 0.0
        step = VARIANCE_FACTOR * self._noise.memory
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
        return Evidence(
            e_value=e_value,
            log_e_value=log_e,
            anytime_p=anytime_p(self._peak_log_e),
            estimate=mean if mean is None or self.direction == "increase" else -mean,
            n_challenger=self._requests[0],
            n_champion=self._requests[1],
            events=float(self._differences),
            status="NoData" if missing else self._status(e_value),
        )

    def _status(self, e_value: float) -> Status:
        """A series without noise can be compared only where its arms agree."""
        noise = self._noise
        if not noise.settled:
            return "BurnIn"
        if noise.sigma is None and not noise.negligible(self._scaled_sum / max(self._differences, 1)):
            return "NotComparable"
        return "NotComparable" if noise.remembers_too_long else status_of(e_value)

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "direction": self.direction,
            "toleranceSd": self.tolerance_sd,
            "noise": self._noise.to_dict(),
            "sums": list(self._sums),
            "blocks": list(self._blocks),
            "mass": list(self._mass),
            "stagePending": self._stage_pending,
            "blockSeconds": self.block_s,
            "coveredUntil": self._covered_until_s if math.isfinite(self._covered_until_s) else None,
            "differenceSum": self._difference_sum,
            "scaledSum": self._scaled_sum,
            "differences": self._differences,
            "requests": list(self._requests),
            "peakLogE": self._peak_log_e,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ScalarTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(state["direction"], state["toleranceSd"], block_s=state.get("blockSeconds", 0.0))
        covered = state.get("coveredUntil")
        test._covered_until_s = -math.inf if covered is None else float(covered)
        test._noise.restore(state["noise"])
        test._sums, test._blocks, test._mass = list(state["sums"]), list(state["blocks"]), list(state["mass"])
        test._stage_pending = bool(state["stagePending"])
        test._scaled_sum = state["scaledSum"]
        test._difference_sum, test._differences = state["differenceSum"], state["differences"]
        test._requests = list(state["requests"])
        test._peak_log_e = state["peakLogE"]
        return test
