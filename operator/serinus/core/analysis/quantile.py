"""A quantile of a classic histogram, as PromQL's histogram_quantile works it out."""

from __future__ import annotations

import math
from collections.abc import Mapping


def slower_than(limit: float, slower: Mapping[float, float]) -> float:
    """Count the answers that were slower than a limit, interpolated within its bucket as a quantile is."""
    bounds = sorted(slower)
    total = slower[bounds[-1]] if bounds and math.isinf(bounds[-1]) else 0.0
    below, lower = 0.0, 0.0
    for bound in bounds:
        count = max(slower[bound], below)
        if bound > limit:
            inside = 0.0 if math.isinf(bound) else (limit - lower) / (bound - lower)
            return max(0.0, total - below - (count - below) * inside)
        below, lower = count, bound
    return 0.0


def histogram_quantile(quantile: float, slower: Mapping[float, float]) -> float | None:
    """Interpolate within the bucket that holds the quantile; None without observations.

    `slower` maps upper bounds (last one +Inf) to cumulative counts. As in Prometheus (promql/quantile.go), a quantile
    in the last bucket is the highest finite bound, and the first bucket starts at zero.
    """
    bounds = sorted(slower)
    total = slower[bounds[-1]] if bounds and math.isinf(bounds[-1]) else 0.0
    if total <= 0:
        return None
    rank, below, lower = quantile * total, 0.0, 0.0
    for bound in bounds:
        # Buckets of different scrapes may be off by one; cumulative counts never fall.
        count = max(slower[bound], below)
        if count >= rank and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, lower if math.isinf(bound) else bound
    return lower
