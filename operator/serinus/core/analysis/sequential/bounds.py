"""Anytime-valid confidence bounds of a rate from a Beta(1/2, 1/2) mixture (STATISTICS 3.7).

The set of p whose mixture likelihood ratio stays under 2/beta is a confidence sequence (Ville; Robbins 1970; the
conjugate mixtures of Howard, Ramdas, McAuliffe and Sekhon 2021).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from serinus.core.analysis.sequential.cleaning import clean_counts
from serinus.core.analysis.sequential.state import Floats

DEFAULT_LEVEL: Final = 0.95
DISPERSION_UNKNOWN: Final = 5.0
_STEPS: Final = 9
_SMALLEST: Final = 1e-300
_FEWEST: Final = 1e-6
"""Fractions of a request below this are rounding of a rate, not a request."""
_LOG_PI: Final = math.log(math.pi)


def confidence_bounds(
    events: Any,
    requests: Any,
    level: float = DEFAULT_LEVEL,
    dispersion: Any = 1.0,
) -> tuple[Any, Any]:
    """Lower and upper bound of the rate events / requests that hold at every look.

    `level` is 1 - beta (0.95: both bounds together err with at most beta/2 per arm); a number under 0.5 is read as
    beta itself. Counts are divided by `dispersion` (variance over that of independent events; None = unknown = 5).
    Scalars give floats, arrays give arrays of the broadcast shape. No requests, or dirty counts: (0, 1).
    """
    beta = 1.0 - level if level >= 0.5 else level
    if not 0.0 < beta < 1.0:
        raise ValueError(f"level {level} leaves no room for error; use for example 0.95")
    phi = DISPERSION_UNKNOWN if dispersion is None else dispersion
    shape = np.broadcast_shapes(np.shape(events), np.shape(requests), np.shape(phi))
    counted, events_present = clean_counts(events, shape)
    asked, requests_present = clean_counts(requests, shape)
    usable = events_present & requests_present & (asked > 0.0)
    lower, upper = rate_bounds(np.minimum(counted, asked), asked, math.log(2.0 / beta), np.maximum(phi, 1.0))
    lower, upper = np.where(usable, lower, 0.0), np.where(usable, upper, 1.0)
    return (lower, upper) if shape else (float(lower), float(upper))


def rate_bounds(events: Floats, requests: Floats, log_threshold: float, dispersion: Floats) -> tuple[Floats, Floats]:
    """Both roots of ln B(x+.5, n-x+.5) - ln B(.5, .5) - x ln p - (n-x) ln(1-p) = `log_threshold`.

    Written as n KL(x/n, p) = radius, which keeps its digits at n = 1e9. Newton's method starts outside the set, at
    bounds that follow from KL(c, p) >= (p - c)^2 / (2 max(p, c)), and by convexity never crosses the root: a rounding
    can only make the set wider.
    """
    counted = np.where(requests > _FEWEST, 1.0 / dispersion, 0.0)
    size = requests * counted
    hits = np.where(events > _FEWEST, events * counted, 0.0)
    misses = np.where(requests - events > _FEWEST, size - hits, 0.0)
    some = np.maximum(size, 1e-9)
    centre = np.clip(hits / some, 0.0, 1.0)
    fit = xlogy(hits, centre) + xlog1py(misses, -centre)
    radius = np.maximum(log_threshold + _LOG_PI - betaln(hits + 0.5, misses + 0.5) + fit, 1e-9)
    scaled = radius / some
    lower = np.maximum(_far_end(hits, centre, radius), centre - np.sqrt(2.0 * centre * scaled))
    upper = np.minimum(
        1.0 - _far_end(misses, 1.0 - centre, radius), centre + scaled + np.sqrt(scaled**2 + 2.0 * centre * scaled)
    )
    ends = np.clip(np.stack((lower, upper)), _SMALLEST, 1.0 - 1e-16)
    for _ in range(_STEPS):
        ends = _newton(ends, hits, misses, centre, radius)
    return np.where(hits > 0.0, ends[0], 0.0), np.where(misses > 0.0, ends[1], 1.0)


def _far_end(hits: Floats, centre: Floats, radius: Floats) -> Floats:
    """A rate that is certainly below the set: hits (ln(centre / p) - 1) already exceeds the radius."""
    far: Floats = centre * np.exp(-1.0 - np.minimum(radius / np.maximum(hits, 1e-9), 690.0))
    return far


def _newton(ends: Floats, hits: Floats, misses: Floats, centre: Floats, radius: Floats) -> Floats:
    """One step for both ends, [2, ...]."""
    rest = 1.0 - ends
    distance = xlogy(hits, np.maximum(centre, _SMALLEST) / ends) + xlogy(misses, np.maximum(1.0 - centre, 1e-16) / rest)
    slope = misses / rest - hits / ends
    step = (distance - radius) / np.where(slope == 0.0, np.inf, slope)
    moved: Floats = np.clip(ends - step, _SMALLEST, 1.0 - 1e-16)
    return moved
