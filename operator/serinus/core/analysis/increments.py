"""Pairs both revisions, cell by cell: the input of the sequential test."""

from __future__ import annotations

import math
from collections.abc import Callable

from serinus.api.policy import Metric, Preset
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.lines import Cells
from serinus.core.analysis.tally import ALWAYS, Tallies
from serinus.core.model.assessment import Increment


def preset_increments(
    metric: Metric,
    tallies: Tallies,
    canary: Owner,
    stable: Owner,
    span: tuple[float, float],
    *,
    began: float | None = None,
    wholly_after: float = ALWAYS,
) -> tuple[tuple[Increment, ...], tuple[float, ...]]:
    """Give the increments of a preset within (after, until], and the finite bounds of its histogram, if it has one.

    `began` is when its stage did, if not at the beginning of the span; what was counted across `wholly_after` is left
    out.
    """
    after, _ = span
    first = after if began is None else began
    ends = tallies.ends(canary, stable, span, began=first, wholly_after=wholly_after)

    def laid_out(owner: Owner, half: int | None = None) -> Cells:
        return tallies.laid_out(owner, after, ends, began=first, half=half, wholly_after=wholly_after)

    ours, theirs = laid_out(canary), laid_out(stable)
    times = sorted({*ours.sums, *theirs.sums})
    if metric.preset is Preset.ERROR_RATE:
        halves = _halves(metric, tallies, stable, lambda half: laid_out(stable, half))
        return tuple(_error_increment(at, ours, theirs, halves) for at in times), ()
    finite = histogram_bounds(tallies, canary, stable)
    if not metric.is_latency or not finite:
        return (), ()
    bounds = (*finite, math.inf)
    increments = (Increment(at, ours.buckets(at, bounds), theirs.buckets(at, bounds)) for at in times)
    return tuple(increments), finite


def _halves(
    metric: Metric, tallies: Tallies, stable: Owner, laid_out: Callable[[int], Cells]
) -> tuple[Cells, Cells] | None:
    """Split stable by its pods; a gateway's series are not per pod, so its halves would say nothing of them."""
    if not metric.counted_by.is_servers_own or tallies.halves(stable) < 2:
        return None
    return laid_out(0), laid_out(1)


def _error_increment(at: float, ours: Cells, theirs: Cells, halves: tuple[Cells, Cells] | None) -> Increment:
    split = None if halves is None else (halves[0].counts(at), halves[1].counts(at))
    return Increment(at, ours.counts(at), theirs.counts(at), split, ours.error_answers(at))


def histogram_bounds(tallies: Tallies, *owners: Owner) -> tuple[float, ...]:
    """List the finite bounds of these owners' histograms; none where +Inf is missing, or where they disagree."""
    known = [found for owner in owners if (found := tallies.bounds(owner))]
    if any(found != known[0] for found in known):
        return ()
    bounds = known[0] if known else set[float]()
    return tuple(sorted(bounds - {math.inf})) if math.inf in bounds else ()
