"""Counters of bins, as a query of type Distribution gives them, and how far apart two revisions are by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from serinus.api.status import Verdict
from serinus.core.analysis.counters import CounterTracker
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Increment, Measured, Missing, Reading, Reason

MOST_BINS = 50
"""More bins than this say nothing more about drift, and each is stored."""


@dataclass
class Bins:
    """The bins of a metric of a rollout. Their order is fixed by the first look; what comes later joins the last."""

    names: tuple[str, ...] = ()
    counters: dict[tuple[str, str], CounterTracker] = field(default_factory=dict)
    totals: dict[str, list[float]] = field(default_factory=dict)

    def take(self, at: float, label: str, answers: Sequence[tuple[str, MetricsAnswer]]) -> Increment | None:
        """Take the answers of both arms; None while there is nothing to compare."""
        read = {arm: _by_bin(answer, label) for arm, answer in answers}
        if not self.names:
            self.names = tuple(sorted({name for bins in read.values() for name in bins}, key=_order))[:MOST_BINS]
        if len(self.names) < 2 or len(read) < 2:
            return None
        canary, stable = (self._increments(arm, bins, at) for arm, bins in read.items())
        return Increment(at, canary, stable)

    def reading(self, arms: Sequence[str]) -> Reading:
        """Tell how far apart the arms are by all that was counted."""
        counted = [self.totals.get(arm, []) for arm in arms]
        if len(counted) < 2 or not all(sum(bins) > 0 for bins in counted):
            return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "the bins of one revision are empty", 0.0)
        value = population_stability(counted[0], counted[1])
        return Measured(value, sum(counted[0]), 0.0)

    def _increments(self, arm: str, bins: dict[str, float], at: float) -> tuple[float, ...]:
        increments = dict.fromkeys(self.names, 0.0)
        for name, value in bins.items():
            tracker = self.counters.setdefault((arm, name), CounterTracker((arm, name)))
            increment = tracker.update(value, at) or 0.0
            increments[name if name in increments else self.names[-1]] += increment
        found = tuple(increments.values())
        self.totals[arm] = [sum(pair) for pair in zip(self.totals.get(arm, [0.0] * len(found)), found, strict=True)]
        return found


def population_stability(canary: Sequence[float], stable: Sequence[float]) -> float:
    """Population stability index of two histograms, half a count added to each bin, bias taken off (STATISTICS 3.5)."""
    bins, n, m = len(canary), sum(canary), sum(stable)
    total = 0.0
    for one, other in zip(canary, stable, strict=True):
        p, q = (one + 0.5) / (n + bins / 2), (other + 0.5) / (m + bins / 2)
        total += (p - q) * math.log(p / q)
    return total - (bins - 1) * (1 / n + 1 / m)


def _by_bin(answer: MetricsAnswer, label: str) -> dict[str, float]:
    if isinstance(answer, NoAnswer):
        return {}
    bins: dict[str, float] = {}
    for series in answer.series:
        if series.samples and label in series.labels:
            name = series.labels[label]
            bins[name] = bins.get(name, 0.0) + series.samples[-1][1]
    return bins


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name.replace("Inf", "inf")), name
    except ValueError:
        return math.inf, name
