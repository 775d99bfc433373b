"""The literal rule (`core.analysis.threshold`) for R rollouts at once.

The product judges one rollout by one look; here the same rule runs over arrays. A test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.api.durations import seconds
from serinus.api.policy import Analysis, Metric, Mode, Preset
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.analysis.threshold import FULL_WEIGHT
from serinus.simulation.manifest import ISTIO_BOUNDS_S, made_up
from serinus.simulation.manifest_traffic import Sample

DEFAULT_WINDOW_S: Final = 60.0


@dataclass(frozen=True)
class Guarded:
    """What the rule says of each rollout, [R] each; `failing` is a streak that has not yet reverted."""

    unsafe: Bools
    safe: Bools
    failing: Bools


class Window:
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


class MetricRule:
    """One preset's range, minimum of samples and failure limit."""

    def __init__(self, metric: Metric, analysis: Analysis, runs: int, scrape_s: float) -> None:
        self.metric, self.sequential = metric, analysis.mode is not Mode.THRESHOLD
        window_s = seconds(metric.window) if metric.window else DEFAULT_WINDOW_S
        scrapes = max(1, int(np.ceil(window_s / scrape_s - 1e-9)))
        self.counts = Window(scrapes, (runs, 4))
        histogram = metric.preset is Preset.LATENCY
        self.bins = Window(scrapes, (runs, 2 * (len(ISTIO_BOUNDS_S) + 1))) if histogram else None
        self.failures = np.zeros(runs)

    def look(self, sample: Sample, weight: Floats, began: Bools) -> Guarded:
        """Judge one look."""
        n_c, x_c, n_s, x_s = self.counts.push(
            np.stack((sample.n_c, sample.x_c, sample.n_s, sample.x_s), axis=1), began
        ).T
        own, other = x_c / np.maximum(n_c, 1.0), x_s / np.maximum(n_s, 1.0)
        if self.bins is not None and sample.h_c is not None and sample.h_s is not None:
            bins = self.bins.push(np.concatenate((sample.h_c, sample.h_s), axis=1), began)
            own, other = (_quantile(part, float(self.metric.quantile or "0.99")) for part in np.split(bins, 2, axis=1))
        elif self.metric.preset is Preset.REQUEST_COUNT:
            own, other = n_c, n_s
        self.failures[began] = 0.0
        return self._judged(own, other, n_c, n_s, weight)

    def _judged(self, own: Floats, other: Floats, n_c: Floats, n_s: Floats, weight: Floats) -> Guarded:
        measured = (n_c > 0.0) & ~self._too_few(own, n_c)
        exceeded = measured & self._exceeded(own)
        if self.sequential:
            shared = (n_s > 0.0) & (n_s >= (self.metric.min_samples or 0)) & self._exceeded(other)
            excused = exceeded & shared & (weight < FULL_WEIGHT)
        else:
            excused = np.zeros_like(exceeded)
        failing = exceeded & ~excused
        self.failures = np.where(failing, self.failures + 1.0, np.where(measured & ~exceeded, 0.0, self.failures))
        unsafe = failing & (self.failures > (self.metric.failure_limit or 0))
        return Guarded(unsafe, measured & ~exceeded, self.failures > 0.0)

    def _too_few(self, own: Floats, n_c: Floats) -> Bools:
        if self.metric.preset is Preset.REQUEST_COUNT:
            return own < (self.metric.threshold_range.lower or 0.0)
        return n_c < (self.metric.min_samples or 0)

    def _exceeded(self, value: Floats) -> Bools:
        bounds = self.metric.threshold_range
        over = np.zeros(value.shape, dtype=np.bool_)
        if bounds.upper is not None:
            over |= value > bounds.upper
        if bounds.lower is not None:
            over |= value < bounds.lower
        return over


class Guardrail:
    """All metrics of a policy; one that is watched only never decides."""

    def __init__(self, analysis: Analysis, runs: int, scrape_s: float) -> None:
        self.runs = runs
        metrics = [metric for metric in analysis.metrics if made_up(metric)]
        self.rules = [MetricRule(metric, analysis, runs, scrape_s) for metric in metrics]

    def look(self, sample: Sample, weight: Floats, began: Bools) -> Guarded:
        """Judge one look of all metrics."""
        unsafe, failing = np.zeros((2, self.runs), dtype=np.bool_)
        safe = np.ones(self.runs, dtype=np.bool_)
        for rule in self.rules:
            found = rule.look(sample, weight, began)
            failing = failing | found.failing
            if rule.metric.gating is not False:
                unsafe, safe = unsafe | found.unsafe, safe & found.safe
        return Guarded(unsafe, safe, failing)


def _quantile(counts: Floats, quantile: float) -> Floats:
    """`core.analysis.quantile` over rows of bucket counts, [R, J+1]: a bucket above none begins at zero, as there."""
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1]
    rank = quantile * total
    bucket = np.argmax((cumulative >= rank[:, None]) & (counts > 0.0), axis=1)
    rows = np.arange(len(counts))
    below = cumulative[rows, bucket] - counts[rows, bucket]
    bounds = np.array((0.0, *ISTIO_BOUNDS_S, ISTIO_BOUNDS_S[-1]))
    lower = np.where(below > 0.0, bounds[bucket], 0.0)
    inside = (rank - below) / np.maximum(counts[rows, bucket], 1e-300)
    found = lower + (bounds[bucket + 1] - lower) * inside
    beyond = bucket == counts.shape[1] - 1
    return np.where(total > 0.0, np.where(beyond, bounds[-1], found), 0.0)
