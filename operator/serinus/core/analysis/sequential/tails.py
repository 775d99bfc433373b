"""Tails and quantiles of bucket counts, for M histograms laid out end to end.

A layout has B = sum (J_m + 1) buckets and S = sum J_m bounds; the last bucket of each histogram ends at +Inf.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from serinus.core.analysis.sequential.state import Bools, Floats

Indices = npt.NDArray[np.int64]

TAIL_RANGE = (0.0005, 0.9)
MOST_BOUNDS = 12
FEWEST_MOVED = 3.0


class BucketLayout:
    """Where the bounds and buckets of each histogram stand in the flat arrays."""

    def __init__(self, bounds_s: Sequence[Floats]) -> None:
        self.lengths = [len(bounds) for bounds in bounds_s]
        self.count = len(bounds_s)
        self.bounds = np.concatenate([*bounds_s, np.zeros(0)]).astype(np.float64)
        self.owner: Indices = np.repeat(np.arange(self.count), self.lengths)
        self.bucket_owner: Indices = np.repeat(np.arange(self.count), [length + 1 for length in self.lengths])
        self.bucket_start: Indices = np.concatenate(([0], np.cumsum([length + 1 for length in self.lengths])))
        self.start: Indices = np.concatenate(([0], np.cumsum(self.lengths)))
        self.bucket_of_bound: Indices = np.arange(self.bounds.size) + self.owner
        self.even = len(set(self.lengths)) == 1
        """Whether all histograms have as many bounds."""
        for bounds in bounds_s:
            if len(bounds) == 0 or bool((np.diff(bounds) <= 0.0).any()):
                raise ValueError("bounds of a histogram rise, and there is at least one below +Inf")

    def each(self) -> list[Floats]:
        """The bounds of each histogram."""
        return [self.bounds[first:last] for first, last in zip(self.start[:-1], self.start[1:], strict=True)]

    @property
    def buckets(self) -> int:
        """B, the number of buckets of all histograms."""
        return int(self.bucket_start[-1])

    def totals(self, counts: Floats) -> Floats:
        """Observations per histogram: [..., B] to [..., M]."""
        if self.count == 0:
            return np.zeros((*counts.shape[:-1], 0))
        total: Floats = np.add.reduceat(counts, self.bucket_start[:-1], axis=-1)
        return total

    def tails(self, counts: Floats) -> tuple[Floats, Floats]:
        """(observations, observations beyond the bound) per bound: [..., B] to [..., S] each."""
        totals = self.totals(counts)
        observed = totals[..., self.owner]
        if self.even:
            # What is counted in one histogram must not round what is in another.
            apart = counts.reshape(*counts.shape[:-1], self.count, self.lengths[0] + 1)
            inside = np.cumsum(apart, axis=-1)[..., :-1].reshape(observed.shape)
            return observed, np.maximum(observed - inside, 0.0)
        cumulative = np.cumsum(counts, axis=-1)
        before = np.concatenate((np.zeros((*counts.shape[:-1], 1)), np.cumsum(totals, axis=-1)), axis=-1)
        within = cumulative[..., self.bucket_of_bound] - before[..., self.owner]
        return observed, np.maximum(observed - within, 0.0)

    def tail_shares(self, counts: Floats) -> Floats:
        """S_j = P(T > b_j) with half an observation beyond, [S]."""
        observed, beyond = self.tails(counts)
        return (beyond + 0.5) / (observed + 1.0)

    def tolerances(self, shares: Floats, slowdown: Floats) -> Floats:
        """psi0_j = S(b_j / (1+d)) / S(b_j), S log-log between bounds (STATISTICS 3.4), [S]; `slowdown` d is [M]."""
        log_bounds, log_shares = np.log(np.maximum(self.bounds, 1e-9)), np.log(shares)
        slopes = np.ones(self.bounds.size)
        for first, last in zip(self.start[:-1], self.start[1:], strict=True):
            if last - first > 1:
                steps = -np.diff(log_shares[first:last]) / np.diff(log_bounds[first:last])
                # The steeper of both sides: tails bend downwards, and the chord to the left understates the slope.
                slopes[first:last] = np.maximum(np.concatenate((steps[:1], steps)), np.concatenate((steps, steps[-1:])))
        tolerances: Floats = np.exp(np.maximum(slopes, 0.0) * np.log1p(slowdown)[self.owner])
        return tolerances

    def informative(self, shares: Floats, counts: Floats) -> Bools:
        """Bounds worth a test: tail in [0.0005, 0.9], at most 12 a histogram, evenly chosen, [S].

        Of those beyond which nothing was seen only the lowest one is: a tail that grows shows there first, and where
        few requests were seen, none beyond a bound says little.
        """
        _, beyond = self.tails(counts)
        useful = (shares >= TAIL_RANGE[0]) & (shares <= TAIL_RANGE[1]) & self._seen_or_next(beyond)
        for first, last in zip(self.start[:-1], self.start[1:], strict=True):
            places = np.flatnonzero(useful[first:last])
            if places.size > MOST_BOUNDS:
                kept = places[np.round(np.linspace(0, places.size - 1, MOST_BOUNDS)).astype(np.int64)]
                useful[first:last] = False
                useful[first + kept] = True
        return useful

    def _seen_or_next(self, beyond: Floats) -> Bools:
        """Bounds that something is beyond, and the next one of each histogram, [S]."""
        before = np.concatenate(([1.0], beyond[:-1])) if beyond.size else beyond
        before[self.start[:-1]] = 1.0
        near: Bools = (beyond > 0.0) | (before > 0.0)
        return near

    def mean_by_owner(self, values: Floats, chosen: Bools) -> Floats:
        """Mean of `values` [S] over the chosen bounds of each histogram, [M]; 1 where none is chosen."""
        number = np.bincount(self.owner, weights=chosen.astype(np.float64), minlength=self.count)
        total = np.bincount(self.owner, weights=np.where(chosen, values, 0.0), minlength=self.count)
        return np.where(number > 0.0, total / np.maximum(number, 1.0), 1.0)

    def moved_mass(self, counts: Floats, shares: Floats, past: Floats) -> Bools:
        """Bounds beyond which `counts` [B] have a tail where `past` [B], with the tails `shares` [S], had none, [S]."""
        observed, beyond = self.tails(counts)
        none = (shares < TAIL_RANGE[0]) | (self.tails(past)[1] <= 0.0)
        moved: Bools = none & (beyond >= FEWEST_MOVED) & (beyond >= TAIL_RANGE[0] * observed)
        return moved

    def quantile(self, index: int, counts: Floats, quantile: float) -> float | None:
        """histogram_quantile of one histogram in seconds: linear inside a bucket, as Prometheus has it."""
        own = counts[self.bucket_start[index] : self.bucket_start[index + 1]]
        total = float(own.sum())
        if total <= 0.0:
            return None
        bounds = self.bounds[self.start[index] : self.start[index + 1]]
        rank, cumulative = quantile * total, np.cumsum(own)
        bucket = int(np.searchsorted(cumulative, rank))
        if bucket >= len(bounds):
            return float(bounds[-1])
        lower = float(bounds[bucket - 1]) if bucket > 0 else 0.0
        below = float(cumulative[bucket - 1]) if bucket > 0 else 0.0
        inside = (rank - below) / float(own[bucket]) if own[bucket] > 0.0 else 1.0
        return lower + (float(bounds[bucket]) - lower) * inside
