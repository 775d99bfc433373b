"""Whatever a caller hands over, as arrays of finite, non-negative counts and a mask of what was there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats


def clean_counts(values: Any, shape: tuple[int, ...]) -> tuple[Floats, Bools]:
    """Counts of `shape` with 0 where a value is missing (None, NaN, infinite, negative), and where it was there."""
    if values is None:
        return np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    raw = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
    present = np.isfinite(raw) & (raw >= 0.0)
    return np.where(present, raw, 0.0), present


def clean_pair(pair: Any) -> tuple[float, float] | None:
    """(requests, events) of one arm, or None when either is missing."""
    if pair is None:
        return None
    requests, events = pair
    first, second = clean_number(requests), clean_number(events)
    if first is None or second is None or first < 0.0 or second < 0.0:
        return None
    return first, second


def clean_number(value: Any) -> float | None:
    """A finite float, or None."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def clean_bins(values: Any, length: int) -> Floats | None:
    """Counts of one histogram, [length]; None when any bin is missing: a partial histogram has another shape."""
    if values is None:
        return None
    counts = np.asarray(values, dtype=np.float64)
    if counts.shape != (length,):
        raise ValueError(f"expected {length} bins, got an array of shape {counts.shape}")
    whole = float(counts.min()) >= 0.0 and float(counts.max()) < math.inf
    return counts if whole else None
