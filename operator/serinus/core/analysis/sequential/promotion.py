"""The risk budget (STATISTICS 3.7): may the weight rise, and if not, how many requests are missing?

Promotion needs every metric, so their number needs no correction (intersection-union).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.bounds import rate_bounds
from serinus.core.analysis.sequential.state import Floats

MOST_REQUESTS: Final = 1e9
LONG_WAIT_S: Final = 3600.0
COMFORTABLE_WAIT_S: Final = 900.0
ADVISED_WEIGHTS: Final = (10.0, 25.0)


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Counts of the present stage, [N] each: requests n, events x, dispersion phi."""

    n_c: Floats
    x_c: Floats
    n_s: Floats
    x_s: Floats
    dispersion: Floats

    def columns(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """All parts, in the order of the fields."""
        return self.n_c, self.x_c, self.n_s, self.x_s, self.dispersion

    def row(self, index: int) -> StageCounts:
        """One row as arrays of length 1."""
        return StageCounts(*(part[index : index + 1] for part in self.columns()))

    def scaled(self, factors: Floats) -> StageCounts:
        """The same rates with `factors` times the requests."""
        return StageCounts(
            self.n_c * factors, self.x_c * factors, self.n_s * factors, self.x_s * factors, self.dispersion
        )


def excess_upper(counts: StageCounts, beta: float) -> Floats:
    """U_c - L_s: upper bound of the excess rate, [N]; 1 without requests."""
    threshold = math.log(2.0 / beta)
    events = np.stack((np.minimum(counts.x_c, counts.n_c), np.minimum(counts.x_s, counts.n_s)))
    requests = np.stack((counts.n_c, counts.n_s))
    lower, upper = rate_bounds(events, requests, threshold, np.maximum(counts.dispersion, 1.0))
    both = (counts.n_c > 0.0) & (counts.n_s > 0.0)
    return np.where(both, np.clip(upper[0] - lower[1], 0.0, 1.0), 1.0)


def requests_needed(counts: StageCounts, beta: float, margin: float) -> float | None:
    """Further challenger requests until one row's excess bound fits `margin` at the present rates.

    None when it never will (the observed excess itself does not fit) or nothing was seen yet.
    """
    own = float(counts.n_c[0])
    if own <= 0.0 or float(counts.n_s[0]) <= 0.0 or margin <= 0.0:
        return None
    low, high = 0.0, math.log(MOST_REQUESTS / own) if own < MOST_REQUESTS else 0.0
    for _ in range(3):
        factors = np.exp(np.linspace(low, high, 24))
        fits = excess_upper(counts.scaled(factors), beta) <= margin
        if not bool(fits[-1]):
            return None
        first = int(np.argmax(fits))
        if first == 0:
            return 0.0
        low, high = math.log(factors[first - 1]), math.log(factors[first])
    return math.ceil(own * (math.exp(high) - 1.0))


def suggested_weight(
    excess: float, risk_budget: float, weight: float, next_weight: float, eta_s: float | None
) -> float | None:
    """Weight in per cent that would serve better than waiting, or None.

    The largest whole weight that the budget allows now, if it is above the present one; else, where a decision is
    more than an hour away, the first step of 10 to 25 % that would bring it within a quarter of an hour or nearly so.
    """
    allowed = math.floor(min(100.0 * risk_budget / max(excess, 1e-12), next_weight) + 1e-9)
    if allowed > weight:
        return float(allowed)
    if eta_s is not None and eta_s > LONG_WAIT_S:
        advised = math.ceil(weight * eta_s / COMFORTABLE_WAIT_S)
        return float(min(max(advised, ADVISED_WEIGHTS[0]), ADVISED_WEIGHTS[1])) if weight < ADVISED_WEIGHTS[1] else None
    return None
