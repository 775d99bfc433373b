"""Cells of many rollouts, weighed at once.

What one rollout's tests make of a cell is defined by `RolloutMonitor.take`; here it is done for all whose tests are of
one shape, as one stack of rows. The answers are the same, whoever is weighed beside whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.evidence import MonitorVerdict
from serinus.core.analysis.sequential.grid import GridCell
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper
from serinus.core.analysis.sequential.stacking import stacked, unstacked
from serinus.core.analysis.sequential.state import Floats

Scrape = tuple[float, Mapping[str, Any]]
"""A time (s), and what it says by metric."""


def observe_together(fed: Sequence[tuple[RolloutMonitor, Scrape]]) -> list[MonitorVerdict]:
    """Have each monitor take one scrape, and say what follows: what `observe` of each says."""
    laid_out = [monitor.lay_out(*scrape) for monitor, scrape in fed]
    alike: dict[object, list[tuple[RolloutMonitor, GridCell]]] = {}
    for (monitor, _), found in zip(fed, laid_out, strict=True):
        if found.cell is not None:
            alike.setdefault(monitor.shape, []).append((monitor, found.cell))
    for shape, due in alike.items():
        if shape is None or len(due) == 1:
            for monitor, cell in due:
                monitor.weigh(cell)
        else:
            _weigh(due)
    return [monitor.answer(found) for (monitor, _), found in zip(fed, laid_out, strict=True)]


def _weigh(due: Sequence[tuple[RolloutMonitor, GridCell]]) -> None:
    """Weigh the cells of monitors of one shape."""
    monitors, ended = [monitor for monitor, _ in due], np.array([cell.ended_s for _, cell in due])
    own = [monitor.tests for monitor in monitors]
    shares, latencies = stacked([each.shares for each in own]), stacked([each.latencies for each in own])
    number, requests = len(due), shares.total[[0, 2]]
    told = [
        cell.seen.get(metric.name) for each, (_, cell) in zip(own, due, strict=True) for metric in each.shares.metrics
    ]
    answered = [shares.observe(_each(ended, shares), told, stage_started=False, compared=True)]
    if latencies.metrics:
        told = [
            cell.seen.get(metric.name)
            for each, (_, cell) in zip(own, due, strict=True)
            for metric in each.latencies.metrics
        ]
        answered.append(latencies.observe(_each(ended, latencies), told, stage_started=False))
    counted = (shares.total[[0, 2]] - requests).reshape(2, number, -1).swapaxes(0, 1)
    answers = [[*chain(*parts)] for parts in zip(*(_shared_out(part, number) for part in answered), strict=True)]
    apart = zip(
        unstacked(shares, [each.shares for each in own]),
        unstacked(latencies, [each.latencies for each in own]),
        strict=True,
    )
    for (monitor, cell), tests, mine, news in zip(due, apart, answers, counted, strict=True):
        monitor.weighed(cell, tests, mine, news)
    _reckon(monitors, shares.stage_counts(), latencies.stage_counts(), shares.rate_bounds())


def _reckon(
    monitors: Sequence[RolloutMonitor],
    shares: StageCounts,
    latencies: StageCounts,
    rate_bounds: tuple[Floats, Floats],
) -> None:
    """Work out for all what their verdicts take longest for."""
    number = len(monitors)
    parts = zip(shares.columns(), latencies.columns(), strict=True)
    counts = StageCounts(
        *(np.concatenate([each.reshape(number, -1) for each in part], axis=1).reshape(-1) for part in parts)
    )
    excess = excess_upper(counts, monitors[0].config.beta).reshape(number, -1)
    columns = [column.reshape(number, -1) for column in counts.columns()]
    lower, upper = (bound.reshape(2, number, -1).swapaxes(0, 1) for bound in rate_bounds)
    for place, monitor in enumerate(monitors):
        # Each has memory of its own: a view of one would keep what is known of all.
        known = StageCounts(*(column[place].copy() for column in columns))
        monitor.reckoning.knows(known, excess[place].copy(), (lower[place].copy(), upper[place].copy()))


def _each(times: Floats, group: Any) -> Floats:
    """Give each metric of a stack the time of its rollout."""
    return np.repeat(times, len(group.metrics) // times.size)


def _shared_out(answers: Sequence[bool], number: int) -> list[list[bool]]:
    size = len(answers) // number
    return [list(answers[place * size : (place + 1) * size]) for place in range(number)]
