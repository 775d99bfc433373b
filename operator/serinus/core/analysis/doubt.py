"""Why an exceeded limit condemns nobody yet: one burst, or chance, explains what the canary shows.

It stands apart because it needs scipy, which Threshold mode must not pay for.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betainc

from serinus.api.policy import Metric
from serinus.core.analysis.sequential.state import Floats
from serinus.core.model.assessment import Beyond, Measured, Observation, Reading, Stage
from serinus.core.model.exposure import FULL_WEIGHT

Counts = tuple[float | Floats, float | Floats]
CHANCE: Final = 0.01
"""What equal revisions show at least this often is chance."""


def doubt(metric: Metric, observation: Observation, stage: Stage) -> str | None:
    """Say why a limit that is exceeded condemns nobody yet; None where nothing but the canary explains it."""
    if metric.is_ratio and isinstance(observation.canary, Measured) and _is_below(metric, observation.canary):
        return _few_by_chance(observation.canary, metric.bounds.lower or 0.0)
    own, requests = _beyond(metric, observation.canary), observation.canary.samples
    if own is None or not requests:
        return None
    left = own.count - own.burst
    if left <= _tolerated(metric) * requests:
        return "held: one short burst would explain it"
    other = None if observation.stable is None else _beyond(metric, observation.stable)
    if stage.weight >= FULL_WEIGHT or other is None or observation.stable is None:
        return None
    # All of a burst is one accident, and it must have fallen on somebody.
    failures = left + (1.0 if own.burst else 0.0)
    chance = float(split_by_chance((requests, failures), (observation.stable.samples or 0.0, other.count)))
    if chance < CHANCE:
        return None
    return f"held: equal revisions would share the {_failures(metric)} like this 1 time in {1 / chance:.0f}"


def _is_below(metric: Metric, reading: Measured) -> bool:
    return metric.bounds.lower is not None and reading.value < metric.bounds.lower


def _few_by_chance(canary: Measured, lower: float) -> str | None:
    """Say how often a version that is just at its lower limit has so few events; None where it hardly ever has."""
    trials = canary.samples or 0.0
    # P(X <= x) of a binomial is the regularised incomplete beta function I_(1 - p)(n - x, x + 1).
    events = canary.value * trials
    chance = float(betainc(max(trials - events, 1e-9), events + 1.0, 1.0 - lower))
    if chance < CHANCE:
        return None
    return f"held: a version at the limit would have so few events 1 time in {max(1.0, 1 / chance):.0f}"


def split_by_chance(canary: Counts, stable: Counts) -> Floats:
    """Tell how likely equal revisions are to give the canary so many of all failures, or more; arrays or numbers.

    Each is (requests, failures). Given their sum, the canary's failures are binomial with its share of the requests;
    counts need not be whole. Where one side has no requests there is nothing to share, and the answer is 0.
    """
    (n_c, x_c), (n_s, x_s) = (np.asarray(side, dtype=np.float64) for side in (canary, stable))
    both = (n_c > 0.0) & (n_s > 0.0)
    share = np.where(both, n_c / np.maximum(n_c + n_s, 1e-300), 0.5)
    # P(X >= x) of a binomial is the regularised incomplete beta function I_share(x, k - x + 1).
    tail = np.where(x_c > 0.0, betainc(np.maximum(x_c, 1e-9), np.maximum(x_s, 0.0) + 1.0, share), 1.0)
    chance: Floats = np.where(both, tail, 0.0)
    return chance


def _beyond(metric: Metric, reading: Reading) -> Beyond | None:
    """Count a revision's requests beyond the limit; an error rate tells them itself."""
    if not isinstance(reading, Measured) or not reading.samples or metric.bounds.upper is None:
        return None
    if reading.beyond is None and metric.is_share:
        return Beyond(reading.value * reading.samples)
    return reading.beyond


def _tolerated(metric: Metric) -> float:
    """Tell the share of requests that may be beyond the limit."""
    if metric.is_latency:
        return 1.0 - float(metric.quantile or "0.99")
    return metric.bounds.upper or 0.0


def _failures(metric: Metric) -> str:
    if metric.is_ratio:
        return "events"
    return "slow answers" if metric.is_latency else "errors"
