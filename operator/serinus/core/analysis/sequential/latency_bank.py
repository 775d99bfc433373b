"""Latency (STATISTICS 3.4): a share test at every bucket bound of M histograms, all in one bank.

"Slower than b" is an event like an error, so shares are compared and not interpolated quantiles: a test of
stochastic order, with the tolerance turned from "5 % slower" into a ratio of tails at each bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.deciding import NEVER_S, Observed, seconds_to_decide
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.share_bank import LATENCY_EFFECTS, ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import (
    Bank,
    Bools,
    Floats,
    State,
    of_rows,
    pack,
    pack_arrays,
    restore_arrays,
    unpack,
)
from serinus.core.analysis.sequential.tails import BucketLayout

OUT_OF_SIGHT: Final = 0.1
"""Part of the wealth that waits for the bounds that champion's own answers say nothing about."""
BURN_IN_REQUESTS: Final = 500.0
"""Without history champion's own first requests say which bounds are worth a test; they carry no evidence."""


class LatencyBank(Bank):
    """M latency tests. `slowdown` [M] is the tolerated one (0.05 = 5 %)."""

    def __init__(self, bounds_s: Sequence[Floats], slowdown: Floats, scrape_interval_s: float = 5.0) -> None:
        self.layout = BucketLayout(bounds_s)
        self.slowdown = np.asarray(slowdown, dtype=np.float64)
        size = self.layout.bounds.size
        self.share = ShareBank(np.ones(size), np.tile(LATENCY_EFFECTS, (size, 1)))
        self.calibration = CalibrationBank(size, scrape_interval_s=scrape_interval_s)
        self.active = np.zeros(size)
        self.moved = np.zeros(size)
        self.tail_shares = np.zeros(size)
        self.ready = np.zeros(self.layout.count)
        self.burn_in = np.zeros(self.layout.buckets)
        self.challenger = np.zeros(self.layout.buckets)
        self.champion = np.zeros(self.layout.buckets)

    def stacks(self, banks: Sequence[LatencyBank]) -> None:
        """Lay the histograms of all out end to end."""
        layouts = [bank.layout for bank in banks]
        self.layout = BucketLayout([bounds for layout in layouts for bounds in layout.each()])

    def learn(self, history_a: Floats, history_b: Floats, chosen: Bools) -> None:
        """Calibrate the histograms `chosen` [M] on the history of the two halves of champion's pods, [T, B] each."""
        mine, halves = chosen[self.layout.owner], (*self.layout.tails(history_a), *self.layout.tails(history_b))
        self.calibration.fit(*(np.where(mine, part, 0.0) for part in halves))
        self._remember(history_a + history_b, chosen)

    def learn_alone(self, history: Floats, chosen: Bools) -> None:
        """Calibrate the histograms `chosen` [M] on champion's history as one, [T, B]."""
        mine = chosen[self.layout.owner]
        self.calibration.fit_alone(*(np.where(mine, part, 0.0) for part in self.layout.tails(history)))
        self._remember(history, chosen)

    def adopt(self, row: int, lesson: Lesson) -> None:
        """Calibrate a histogram on what its past has taught, and choose its bounds where that has not been done."""
        start, buckets = self.layout.start, self.layout.bucket_start
        self.calibration.adopt(lesson.calibration, slice(int(start[row]), int(start[row + 1])))
        if self.ready[row] == 0.0:
            self.burn_in[int(buckets[row]) : int(buckets[row + 1])] = lesson.counts
            chosen = np.arange(self.layout.count) == row
            self._activate(chosen & (self.layout.totals(self.burn_in) >= BURN_IN_REQUESTS))

    def _remember(self, history: Floats, chosen: Bools) -> None:
        self.burn_in += np.where(chosen[self.layout.bucket_owner], history.sum(axis=0), 0.0)
        self._activate(chosen & (self.layout.totals(self.burn_in) > 0.0))

    def _activate(self, chosen: Bools) -> None:
        """Fix bounds and tolerances of the histograms `chosen` [M] from what was counted in burn-in."""
        mine = chosen[self.layout.owner]
        shares = self.layout.tail_shares(self.burn_in)
        tolerances = self.layout.tolerances(shares, self.slowdown)
        self.share.tolerance = np.where(mine, tolerances, self.share.tolerance)
        self.active = np.where(mine, self.layout.informative(shares, self.burn_in), self.active)
        self.tail_shares = np.where(mine, shares, self.tail_shares)
        self.ready = np.where(chosen, 1.0, self.ready)
        self._seed_rates(mine)

    def _seed_rates(self, mine: Bools) -> None:
        events, requests = self.calibration.rate_memory()
        seen_requests, seen_events = self.layout.tails(self.burn_in)
        calibrated = requests > 0.0
        events = np.where(calibrated, events, seen_events)
        requests = np.where(calibrated, requests, seen_requests)
        self.share.rate_events = np.where(mine, events, self.share.rate_events)
        self.share.rate_requests = np.where(mine, requests, self.share.rate_requests)

    def update(
        self, t: float | Floats, challenger: Floats, champion_a: Floats, champion_b: Floats, stage_started: Bools
    ) -> None:
        """Take the bucket increments of one scrape, [B] each, at time `t` (s; [M] of a stack); `stage_started` [M].

        Where halves are not known the whole champion is `champion_a` and `champion_b` is zero.
        """
        layout = self.layout
        champion = champion_a + champion_b
        requests_c, slow_c = layout.tails(challenger)
        requests_s, slow_s = layout.tails(champion)
        testing = (self.active > 0.0) | (self.moved > 0.0)
        counts = ShareCounts(*(np.where(testing, part, 0.0) for part in (requests_c, slow_c, requests_s, slow_s)))
        bounds = self.calibration.inverse_bound(), self.calibration.block_scrapes()
        at, started = of_rows(t, layout.owner), stage_started[layout.owner]
        self.share.update(at, counts, started, *bounds, allowance=self.calibration.allowance())
        if bool(champion_b.any()):
            self.calibration.update(*layout.tails(champion_a), *layout.tails(champion_b))
        self.challenger += challenger
        self.champion += champion
        self._burn_in(champion)
        self._watch_moved()

    def _burn_in(self, champion: Floats) -> None:
        learning = self.ready == 0.0
        if not bool(learning.any()):
            return
        self.burn_in += np.where(learning[self.layout.bucket_owner], champion, 0.0)
        self._activate(learning & (self.layout.totals(self.burn_in) >= BURN_IN_REQUESTS))

    def _watch_moved(self) -> None:
        """From the next cell on, test the bounds beyond which only the challenger answers.

        Champion's tail there is nothing, so no bound of its own choice would show it. The choice rests on the past
        alone, and the wealth of these bounds was laid aside for them: the sum stays an e-process.
        """
        ready = (self.ready > 0.0)[self.layout.owner]
        found = ready & (self.active == 0.0) & self.layout.moved_mass(self.challenger, self.tail_shares, self.burn_in)
        self.moved = np.where(found, 1.0, self.moved)

    def e_values(self) -> Floats:
        """The e-value of each histogram, [M]."""
        return self._over_bounds(self.share.e_values())

    def odds(self) -> Floats:
        """What the sharp test says of each histogram, [M]."""
        return self._over_bounds(self.share.sharp.odds())

    def _over_bounds(self, values: Floats) -> Floats:
        """Nine tenths the mean over the bounds that champion's tail is seen at, a tenth that over all others, [M].

        Bounds that are not tested stay at 1.
        """
        active = self.active > 0.0
        others = self.layout.mean_by_owner(values, ~active)
        some = self.layout.mean_by_owner(active.astype(np.float64), np.ones_like(active)) > 0.0
        seen = self.layout.mean_by_owner(values, active)
        return np.where(some, (1.0 - OUT_OF_SIGHT) * seen + OUT_OF_SIGHT * others, others)

    def decides_in_s(self, challenger: Floats, champion: Floats, lasted_s: float | Floats, nats: Floats) -> Floats:
        """When the bound that shows most would decide at what was observed, [M]; counts [B] are those of the stage."""
        layout = self.layout
        stage = Observed(*layout.tails(challenger), *layout.tails(champion), lasted_s)
        total = np.stack((*layout.tails(self.challenger), *layout.tails(self.champion)))
        bank, blocks_s = self.share, self.calibration.block_scrapes() * self.calibration.scrape_interval_s
        tested = (self.active > 0.0) | (self.moved > 0.0)
        # Evidence is a mean over the bounds: one of them has to carry the others.
        bounds = np.bincount(layout.owner, weights=tested, minlength=layout.count)
        needed = (nats + np.log(np.maximum(bounds, 1.0)))[layout.owner]
        seen = stage.at_rates_of(total, bank.sharp.shown_before())
        seconds = seconds_to_decide(seen, bank.tolerance, bank.effects, blocks_s, needed)
        first = np.full(layout.count, NEVER_S)
        np.minimum.at(first, layout.owner, np.where(tested, seconds, NEVER_S))
        return first

    def gate_bounds(self, quantiles: Floats) -> Floats:
        """Index of the bound whose tail is nearest to 1 - quantile, [M]; the risk budget is kept there."""
        chosen = np.zeros(self.layout.count)
        distance = np.abs(np.log(np.maximum(self.tail_shares, 1e-12) / (1.0 - quantiles)[self.layout.owner]))
        untested = (self.active == 0.0) & (self.moved == 0.0)
        distance = np.where(untested, distance + 1e6, distance)
        for index, first in enumerate(self.layout.start[:-1]):
            chosen[index] = first + np.argmin(distance[first : self.layout.start[index + 1]])
        return chosen

    _ARRAYS: Final = ("active", "moved", "tail_shares", "ready", "burn_in", "challenger", "champion")

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return {
            "share": self.share.to_dict(),
            "tolerance": pack(self.share.tolerance),
            "calibration": self.calibration.to_dict(),
            **pack_arrays(self, self._ARRAYS),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state of a bank with the same parameters."""
        self.share.restore(state["share"])
        self.share.tolerance = unpack(state["tolerance"], self.share.tolerance.shape)
        self.calibration.restore(state["calibration"])
        restore_arrays(self, self._ARRAYS, state)
