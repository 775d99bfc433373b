"""Counts what is beyond a limit, and how much of it a short burst explains.

Retry storms and single clients hit one revision within a scrape or a few, at random: that a limit is exceeded by them
alone says nothing of the version. What is left without the worst scrapes of the window does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from serinus.api.policy import Metric, Preset
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.quantile import slower_than
from serinus.core.analysis.readings import counts_client_errors
from serinus.core.model.assessment import Beyond, Measured, Observation, Reading

PARTS: Final = 4
"""A burst is no longer than a quarter of what was scraped, or than one scrape where that is longer."""

BROKEN: Final = 0.4
"""Of a single scrape, so large a share beyond the limit is no burst: a broken version is out after its first scrape."""

T = TypeVar("T")
Failing = Callable[[Totals], float]
Steps = list[list[Totals]]


def with_beyond(
    metric: Metric, seen: Observation, totals: tuple[Totals, Totals], steps: tuple[Steps, Steps]
) -> Observation:
    """Add to both readings of a preset how many requests are beyond its limit, where it counts requests.

    `totals` and `steps` are the canary's and stable's, over the window and step by step.
    """
    failing = _failing(metric, client_errors=counts_client_errors(metric, *totals))
    if failing is None:
        return seen
    canary, stable = _with(seen.canary, failing, steps[0]), _with(seen.stable, failing, steps[1])
    return replace(seen, canary=canary or seen.canary, stable=stable)


def in_steps(scrapes: Mapping[float, T], since: float, interval: float) -> list[list[T]]:
    """Put scrapes together in steps of one scrape interval: several targets are scraped at seconds of their own."""
    steps: dict[int, list[T]] = {}
    for at, totals in scrapes.items():
        steps.setdefault(math.ceil((at - since) / interval), []).append(totals)
    return list(steps.values())


def beyond_of(steps: Sequence[float], requests: float) -> Beyond:
    """Count what is beyond a limit, step by step, of so many requests in all, and what of it one burst explains."""
    counts = sorted(steps, reverse=True)
    broken = len(counts) == 1 and counts[0] >= BROKEN * requests
    return Beyond(sum(counts), 0.0 if broken else sum(counts[: max(1, len(counts) // PARTS)]))


def _with(reading: Reading | None, failing: Failing, steps: Steps) -> Reading | None:
    if not isinstance(reading, Measured):
        return reading
    counts = [sum(map(failing, scrapes)) for scrapes in steps]
    return replace(reading, beyond=beyond_of(counts, reading.samples or math.inf))


def _failing(metric: Metric, *, client_errors: bool) -> Failing | None:
    """Say what of a scrape is beyond an upper limit."""
    upper = metric.bounds.upper
    if upper is None:
        return None
    if metric.preset is Preset.ERROR_RATE:
        return lambda totals: totals.server_errors + (totals.client_errors if client_errors else 0.0)
    if metric.has_histogram:
        return lambda totals: slower_than(upper, totals.slower)
    return None
