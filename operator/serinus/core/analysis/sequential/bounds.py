"""Anytime-valid confidence bounds of a rate from a Beta(1/2, 1/2) mixture (STATISTICS 3.7).

The set of p whose mixture likelihood ratio stays under 2/beta is a confidence sequence (Ville; Robbins 1970; the
conjugate mixtures of Howard, Ramdas, McAuliffe and Sekhon 2021).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from scipy.special import betaln

from serinus.core.analysis.sequential.cleaning import clean_counts
from serinus.core.analysis.sequential.state import Bools, Floats

DEFAULT_LEVEL: Final = 0.95
DISPERSION_UNKNOWN: Final = 5.0
_HALVINGS: Final = 48
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
    """Both roots of ln B(x+.5, n-x+.5) - ln B(.5, .5) - x ln p - (n-x) ln(1-p) = `log_threshold` by bisection."""
    hits, size = events / dispersion, requests / dispersion
    misses = size - hits
    constant = betaln(hits + 0.5, misses + 0.5) - _LOG_PI - log_threshold
    centre = hits / np.maximum(size, 1e-300)
    zero = np.zeros_like(centre)
    lower = _root(hits, misses, constant, outside=zero, inside=centre)
    upper = _root(hits, misses, constant, outside=zero + 1.0, inside=centre)
    return np.where(hits > 0.0, lower, 0.0), np.where(misses > 0.0, upper, 1.0)


def _root(hits: Floats, misses: Floats, constant: Floats, *, outside: Floats, inside: Floats) -> Floats:
    """Bisect between a point outside the set and one inside; returns the outer end, so rounding never narrows it."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (outside + inside)
        excluded: Bools = (
            constant - hits * np.log(np.maximum(middle, 1e-300)) - misses * np.log1p(-np.minimum(middle, 1.0 - 1e-16))
            >= 0.0
        )
        outside = np.where(excluded, middle, outside)
        inside = np.where(excluded, inside, middle)
    return outside
