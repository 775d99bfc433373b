"""What the increments of one revision, or of both, say together: sums, how long answers take, whether they compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serinus.api.policy import Metric
from serinus.core.analysis.buckets import buckets_apart
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.inflight import usual_answers
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.tally import Tallies


def sum_of(counters: Tallies, timed: Tallies, owner: Owner, since: float, *, wholly_after: float) -> Totals:
    """Sum what a revision answered, with the times of its answers where these are kept apart."""
    totals = counters.totals(owner, since, wholly_after=wholly_after)
    if timed is counters:
        return totals
    return replace(totals, slower=timed.totals(owner, since, wholly_after=wholly_after).slower)


def answers_take(tallies: Tallies, owners: Sequence[Owner], until: float, within: float) -> float:
    """Tell for how long after a write most answers may be to requests from before it; 0 where no metric says that."""
    totals = [tallies.totals(owner, until - within) for owner in owners]
    known = [seconds for one in totals if (seconds := usual_answers(one)) is not None]
    return max(known, default=0.0)


def incomparable(metric: Metric, tallies: Tallies, owners: Sequence[Owner]) -> str:
    """Say why stable and canary cannot be compared by a metric; empty where they can."""
    if not metric.is_latency:
        return ""
    canary, stable = (tallies.bounds(owner) for owner in owners)
    return buckets_apart(canary, stable)
