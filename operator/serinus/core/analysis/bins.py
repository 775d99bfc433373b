"""Counters of bins, as a query of type Distribution gives them, and how far apart two revisions are by them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serinus.api.status import Verdict
from serinus.core.analysis.counters import CounterTracker
from serinus.core.analysis.sums import CounterSum
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Increment, Measured, Missing, Reading, Reason

MOST_BINS = 50
"""More bins than this say nothing more about drift, and each is stored."""


Key = tuple[tuple[str, str], ...]


@dataclass
class _Target:
    """The counters that one scrape target shows."""

    counters: dict[Key, CounterTracker] = field(default_factory=dict)

    def take(self, at: float, values: Mapping[Key, float]) -> Mapping[Key, float]:
        """Give what each counter has added. What a target shows later than its first counters began at 0."""
        is_new = not self.counters
        added = {}
        for key, value in values.items():
            if key not in self.counters:
                self.counters[key] = CounterTracker(key, baseline_first=is_new)
            added[key] = self.counters[key].update(value, at) or 0.0
        return added


@dataclass
class Bins:
    """The bins of a metric of a rollout. Their order is fixed by the first look; what comes later joins the last."""

    names: tuple[str, ...] = ()
    scraped: dict[tuple[str, ...], _Target] = field(default_factory=dict)
    sums: dict[str, CounterSum[Key]] = field(default_factory=dict)
    totals: dict[str, list[float]] = field(default_factory=dict)

    def take(self, at: float, label: str, answers: Sequence[tuple[str, MetricsAnswer]]) -> Increment | None:
        """Take the answers of both arms; None while there is nothing to compare."""
        read = {arm: _series_of(answer, label) for arm, answer in answers}
        if not self.names:
            names = {dict(key)[label] for series in read.values() for key in series}
            self.names = tuple(sorted(names, key=_order))[:MOST_BINS]
        if len(self.names) < 2 or len(read) < 2:
            return None
        canary, stable = (self._increments(arm, series, label, at) for arm, series in read.items())
        return Increment(at, canary, stable)

    def reading(self, arms: Sequence[str]) -> Reading:
        """Tell how far apart the arms are by all that was counted."""
        counted = [self.totals.get(arm, []) for arm in arms]
        if len(counted) < 2 or not all(sum(bins) > 0 for bins in counted):
            return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "the bins of one revision are empty", 0.0)
        value = population_stability(counted[0], counted[1])
        return Measured(value, sum(counted[0]), 0.0, moved_most(self.names, counted[0], counted[1]))

    def _increments(self, arm: str, series: Mapping[Key, float], label: str, at: float) -> tuple[float, ...]:
        """Add up what the series of an arm have added, bin by bin; a sum of counters falls when one pod restarts."""
        by_target: dict[tuple[str, ...], dict[Key, float]] = {}
        for key, value in series.items():
            by_target.setdefault(_target_of(dict(key)), {})[key] = value
        increments = dict.fromkeys(self.names, 0.0)
        for target, values in by_target.items():
            if any(target):
                taken = self.scraped.setdefault((arm, *target), _Target()).take(at, values)
            else:
                taken = self.sums.setdefault(arm, CounterSum[Key]()).take(at, values) or {}
            for key, added in taken.items():
                name = dict(key)[label]
                increments[name if name in increments else self.names[-1]] += added
        found = tuple(increments.values())
        self.totals[arm] = [sum(pair) for pair in zip(self.totals.get(arm, [0.0] * len(found)), found, strict=True)]
        return found


def aligned(counts: Sequence[float], names: Sequence[str], wanted: Sequence[str]) -> tuple[float, ...]:
    """Put counts into the order of other names; what has no place there joins the last."""
    if tuple(names) == tuple(wanted) or not names or not wanted:
        return tuple(counts)
    placed = dict.fromkeys(wanted, 0.0)
    for name, count in zip(names, counts, strict=True):
        placed[name if name in placed else wanted[-1]] += count
    return tuple(placed.values())


def moved_most(names: Sequence[str], canary: Sequence[float], stable: Sequence[float]) -> str:
    """Say which bin's share is furthest from stable's, and both shares."""
    n, m = sum(canary), sum(stable)
    shares = [(name, b / m, a / n) for name, a, b in zip(names, canary, stable, strict=True)]
    name, before, after = max(shares, key=lambda one: abs(one[2] - one[1]))
    return f"{name}: {_percent(before)} → {_percent(after)}"


def _percent(share: float) -> str:
    return f"{share * 100:.{0 if share >= 0.1 or not share else 1}f} %"


def population_stability(canary: Sequence[float], stable: Sequence[float]) -> float:
    """Population stability index of two histograms, half a count added to each bin, bias taken off (STATISTICS 3.5)."""
    bins, n, m = len(canary), sum(canary), sum(stable)
    total = 0.0
    for one, other in zip(canary, stable, strict=True):
        p, q = (one + 0.5) / (n + bins / 2), (other + 0.5) / (m + bins / 2)
        total += (p - q) * math.log(p / q)
    return total - (bins - 1) * (1 / n + 1 / m)


def _series_of(answer: MetricsAnswer, label: str) -> dict[Key, float]:
    """Read the newest value of each series that has the label of a bin."""
    if isinstance(answer, NoAnswer):
        return {}
    found = (one for one in answer.series if one.samples and label in one.labels)
    return {tuple(sorted(one.labels.items())): one.samples[-1][1] for one in found}


def _target_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Name the scrape target of a series; a sum over all has none."""
    return (labels.get("job", ""), labels.get("instance", ""), labels.get("pod", ""))


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name.replace("Inf", "inf")), name
    except ValueError:
        return math.inf, name
