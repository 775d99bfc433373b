"""What a look reads over its window, for R rollouts at once: sums of the last scrapes, and quantiles of buckets."""

from __future__ import annotations

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats


class WindowRows:
    """Sums over the last scrapes of a stage, [R, ...]."""

    def __init__(self, scrapes: int, shape: tuple[int, ...]) -> None:
        self.ring = np.zeros((scrapes, *shape))
        self.total = np.zeros(shape)
        self.place = 0

    def push(self, values: Floats, began: Bools) -> Floats:
        """Take one scrape; where a stage `began` what was before is forgotten."""
        if bool(began.any()):
            self.ring[:, began] = 0.0
            self.total[began] = 0.0
        self.total = self.total + values - self.ring[self.place]
        self.ring[self.place] = values
        self.place = (self.place + 1) % len(self.ring)
        return self.total


def quantile_of(counts: Floats, quantile: float, bounds_s: tuple[float, ...]) -> Floats:
    """`core.analysis.quantile` over rows of bucket counts, [R, J+1]: a bucket above none begins at zero, as there."""
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1]
    rank = quantile * total
    bucket = np.argmax((cumulative >= rank[:, None]) & (counts > 0.0), axis=1)
    rows = np.arange(len(counts))
    below = cumulative[rows, bucket] - counts[rows, bucket]
    bounds = np.array((0.0, *bounds_s, bounds_s[-1]))
    lower = np.where(below > 0.0, bounds[bucket], 0.0)
    inside = (rank - below) / np.maximum(counts[rows, bucket], 1e-300)
    found = lower + (bounds[bucket + 1] - lower) * inside
    beyond = bucket == counts.shape[1] - 1
    return np.where(total > 0.0, np.where(beyond, bounds[-1], found), 0.0)
