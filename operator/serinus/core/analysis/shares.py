"""What is counted of an error rate and of a Ratio: how many there were, and how many of them failed."""

from __future__ import annotations

from collections.abc import Sequence

from serinus.api.judging import ClientErrors
from serinus.api.policy import Metric


def counts_of(metric: Metric, numbers: Sequence[float]) -> tuple[float, float]:
    """Read an increment of one revision as (requests, failures); of a Ratio they are (trials, events)."""
    if metric.is_ratio:
        trials, events = numbers
        return trials, events
    requests, server, client = numbers
    return requests, server + (client if metric.client_errors is ClientErrors.COUNT else 0.0)
