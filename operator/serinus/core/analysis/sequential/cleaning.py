"""Whatever a caller hands over, as arrays of finite, non-negative counts and a mask of what was there."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats

MOST: Final = 1e15
"""Above this a double cannot count one by one: a counter that says so is broken."""
FARTHEST: Final = 1e100
"""No measured value is larger; its square is still a double."""


def clean_counts(values: Any, shape: tuple[int, ...]) -> tuple[Floats, Bools]:
    """Counts of `shape` with 0 where a value is missing or is no count, and where it was there."""
    raw = np.broadcast_to(_numbers(values), shape)
    present = _are_counts(raw)
    return np.where(present, raw, 0.0), present


def clean_pair(pair: Any) -> tuple[float, float] | None:
    """(requests, events) of one arm, or None when either is missing."""
    # Not by an array of two: this is asked of every arm of every metric at every scrape.
    try:
        requests, events = pair
    except (TypeError, ValueError):
        return None
    first, second = clean_number(requests), clean_number(events)
    if first is None or second is None or not (0.0 <= first <= MOST and 0.0 <= second <= MOST):
        return None
    return first, second


def clean_number(value: Any) -> float | None:
    """A finite float of a size that can be measured, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= FARTHEST else None


def clean_bins(values: Any, length: int) -> Floats | None:
    """Counts of one histogram, [length]; None when any bin is missing: a partial histogram has another shape."""
    counts = _numbers(values)
    if counts.shape != (length,):
        return None
    return counts if float(counts.min()) >= 0.0 and float(counts.max()) <= MOST else None


def _are_counts(values: Floats) -> Bools:
    return (values >= 0.0) & (values <= MOST)


def _numbers(values: Any) -> Floats:
    """An array of doubles, with NaN for all of it when it is none."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array(math.nan)
