"""The error rates of both revisions over time, with bands, within a moving window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serinus.api.judging import QueryType
from serinus.api.policy import Metric
from serinus.core.analysis.quantile import histogram_quantile
from serinus.core.analysis.sequential.bounds import confidence_bounds
from serinus.core.analysis.shares import counts_of
from serinus.core.model.assessment import Increment, Observation

SHORTEST_WINDOW = 60.0
WINDOWS_SHOWN = 40
"""A longer rollout is shown by longer windows, or its lines are hair."""

Totals = tuple[float, ...]


@dataclass(frozen=True)
class RatePoint:
    """A rate (a ratio), a quantile (seconds) or a value, with its band where one is known."""

    at: float
    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Rates:
    """One metric of both revisions."""

    metric: Metric
    window: float | None
    canary: tuple[RatePoint, ...]
    stable: tuple[RatePoint, ...]


def rates_of(metric: Metric, seen: Observation, start: float) -> Rates | None:
    """Work out the lines of a metric; None for what has no rate (a distribution)."""
    if metric.type is QueryType.DISTRIBUTION or not seen.increments:
        return None
    if metric.preset is None and not metric.is_ratio:
        canary, stable = (_values(seen.increments, arm) for arm in (_canary, _stable))
        return Rates(metric, None, canary, stable)
    read = _reader(metric, seen)
    window = max(SHORTEST_WINDOW, (seen.increments[-1].at - start) / WINDOWS_SHOWN)
    lines = [_moving(seen.increments, arm, window, read) for arm in (_canary, _stable)]
    return Rates(metric, window, lines[0], lines[1])


def _canary(one: Increment) -> Totals:
    return one.canary


def _stable(one: Increment) -> Totals:
    return one.stable


def _values(increments: Sequence[Increment], arm: Callable[[Increment], Totals]) -> tuple[RatePoint, ...]:
    return tuple(RatePoint(one.at, arm(one)[0]) for one in increments)


def _moving(
    increments: Sequence[Increment],
    arm: Callable[[Increment], Totals],
    window: float,
    read: Callable[[float, Totals], RatePoint | None],
) -> tuple[RatePoint, ...]:
    """Sum the increments of the window before each scrape."""
    points, first, sums = [], 0, [0.0] * len(arm(increments[0]))
    for one in increments:
        sums = [total + new for total, new in zip(sums, arm(one), strict=True)]
        while increments[first].at <= one.at - window:
            sums = [total - old for total, old in zip(sums, arm(increments[first]), strict=True)]
            first += 1
        point = read(one.at, tuple(max(0.0, total) for total in sums))
        if point is not None:
            points.append(point)
    return tuple(points)


def _reader(metric: Metric, seen: Observation) -> Callable[[float, Totals], RatePoint | None]:
    if metric.has_histogram:
        return lambda at, buckets: _quantile(at, buckets, seen.bounds, float(metric.quantile or "0.99"))
    return lambda at, counts: _share(at, *counts_of(metric, counts))


def _share(at: float, requests: float, events: float) -> RatePoint | None:
    if requests <= 0.5:
        return None
    lower, upper = confidence_bounds(events, requests)
    return RatePoint(at, events / requests, float(lower), float(upper))


def _quantile(at: float, buckets: Totals, bounds: tuple[float, ...], quantile: float) -> RatePoint | None:
    if sum(buckets) < 1.0:
        return None
    cumulative = {bound: sum(buckets[: index + 1]) for index, bound in enumerate((*bounds, float("inf")))}
    value = histogram_quantile(quantile, cumulative)
    return None if value is None else RatePoint(at, value)
