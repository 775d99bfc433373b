"""A limit for metrics that have none, where the share test is weak by nature (STATISTICS 3.9).

At a weight of 90 % a block of which every event is the challenger's says log(1 / 0.9) nats and no more. What fails ten
times as often as champion has, and one request in a hundred at least, needs no comparison within the block.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import EVIDENCE_CAP, LOG_CEILING
from serinus.core.analysis.sequential.limit import LimitBank
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.model.exposure import FULL_WEIGHT

LOWEST_LIMITS: Final = ((75.0, 0.01), (50.0, 0.1))
"""(weight in per cent from which it holds, limit): a client that sticks to one side is a larger part of a smaller one.

Below half of the traffic the share test is sharp enough.
"""
TIMES_CHAMPION: Final = 10.0
HIGHEST_LIMIT: Final = 0.5
SUDDEN_EFFECTS: Final = (2.0, 10.0, 50.0)
CHAMPION_KNOWN: Final = 200.0
"""Requests of champion's from which its rate is known well enough to expect ten times as much of nobody."""
FEWEST_IN_A_BET: Final = 20.0
"""A bet of fewer would make a broken version of one client's storm of retries."""


class SuddenBank(LimitBank):
    """S limit tests whose limits follow from champion's rate so far, each with a start at every block.

    Wealth never falls below 1: a fault after hours is met like one at the start. What that costs in false alarms the
    limit pays for, which is ten times what an equal challenger would show.
    """

    def __init__(self, size: int, scrape_interval_s: float) -> None:
        super().__init__(np.full(size, HIGHEST_LIMIT), np.ones(size, dtype=np.bool_), scrape_interval_s)
        self.mixture = np.zeros((size, len(SUDDEN_EFFECTS)))
        self.lowest = np.full(size, np.inf)

    def at_weight(self, percent: Floats) -> None:
        """Say which weights the challengers have now, [S]; at a light one or at all of it there is no such limit."""
        limits = np.full(self.lowest.shape, np.inf)
        for weight, limit in reversed(LOWEST_LIMITS):
            limits = np.where(percent >= weight, limit, limits)
        self.lowest = np.where(percent < FULL_WEIGHT, limits, np.inf)

    def expect(self, requests: Floats, events: Floats) -> Bools:
        """Set the limits by what champion has shown so far, [S] each, and say where there is one."""
        rate = (events + 1.0) / np.maximum(requests, 1.0)
        limits = np.maximum(TIMES_CHAMPION * rate, self.lowest)
        known: Bools = (requests >= CHAMPION_KNOWN) & (limits <= HIGHEST_LIMIT)
        self.limits = np.where(known, limits, HIGHEST_LIMIT)
        shares = np.minimum(self.limits[:, None] * np.array(SUDDEN_EFFECTS), 0.5 + 0.5 * self.limits[:, None])
        self.slopes = shares / self.limits[:, None] - (1.0 - shares) / (1.0 - self.limits)[:, None]
        return known

    def forget(self, begins: Bools) -> None:
        """Begin anew where a stage begins, [S]: what another weight has shown is no evidence at this one."""
        self.mixture[begins] = 0.0
        self.requests[begins] = self.events[begins] = 0.0

    def _close(self, closing: Bools) -> None:
        rows: Any = np.flatnonzero(closing & (self.requests >= FEWEST_IN_A_BET))
        if rows.size == 0:
            return
        excess = np.minimum(self.events[rows] / self.requests[rows], 1.0) - self.limits[rows]
        gained = np.minimum(np.log1p(self.slopes[rows] * excess[:, None]), EVIDENCE_CAP)
        self.mixture[rows] = np.minimum(np.maximum(self.mixture[rows], 0.0) + gained, LOG_CEILING)
        self.requests[rows] = self.events[rows] = 0.0

    def e_values(self) -> Floats:
        """Mean over the alternatives, 1 at least, [S]."""
        mean: Floats = np.exp(self.mixture).mean(axis=1)
        return np.maximum(mean, 1.0)
