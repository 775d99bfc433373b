"""The sharp test: whose events are these, if they fall one by one and no two of them together?

A hold is cheap and a revert is dear. The likelihood ratio of independent events (Lindon and Malek 2022) sees a worse
challenger long before the robust test can be certain, and takes a storm of retries for one: it may hold, never revert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import EVIDENCE_CAP, LOG_CEILING, LOG_FLOOR
from serinus.core.analysis.sequential.state import Bank, Bools, Floats, State, pack_arrays, restore_arrays, take_rows

DIGITS: Final = 5
"""Decimals of the logs: more say nothing about a hold, and each is a byte of every status."""


class SharpBank(Bank):
    """S sharp tests; `effects` [S, G] are the alternatives, as ratios of rates beyond the tolerance.

    Log likelihood ratios are kept for the whole rollout and for the present stage, [S, G] each: what was little in
    every stage adds up, and what begins late is not hidden by good hours before.
    """

    def __init__(self, effects: Floats) -> None:
        self.effects = effects
        self.rollout = np.zeros(effects.shape)
        self.stage = np.zeros(effects.shape)

    def update(self, counts: Floats, tolerance: Floats, stage_started: Bools) -> None:
        """Take one cell, [4, S]: requests and events of challenger, then of champion.

        `tolerance` [S] is the ratio of rates that is not a regression.
        """
        self.stage[stage_started] = 0.0
        n_c, n_s = counts[0], counts[2]
        x_c, x_s = np.minimum(counts[1], n_c), np.minimum(counts[3], n_s)
        rows = np.flatnonzero((x_c + x_s > 0.0) & (n_c > 0.0) & (n_s > 0.0))
        if rows.size == 0:
            return
        scaled = tolerance[rows] * n_c[rows]
        odds = (self.effects[rows] - 1.0) * (scaled / (scaled + n_s[rows]))[:, None]
        own, events = x_c[rows, None], (x_c + x_s)[rows, None]
        gained = np.minimum(own * np.log(self.effects[rows]) - events * np.log1p(odds), EVIDENCE_CAP)
        for sums in (self.rollout, self.stage):
            sums[rows] = np.round(np.clip(sums[rows] + gained, LOG_FLOOR, LOG_CEILING), DIGITS)

    def odds(self) -> Floats:
        """Odds to one that the challenger is worse: mean over the alternatives, of rollout or stage the larger, [S]."""
        return np.maximum(*self._means())

    def shown_before(self) -> Bools:
        """Where the odds are those of the whole rollout and not of the stage, [S]."""
        rollout, stage = self._means()
        larger: Bools = rollout > stage
        return larger

    def _means(self) -> tuple[Floats, Floats]:
        return np.exp(self.rollout).mean(axis=1), np.exp(self.stage).mean(axis=1)

    _ARRAYS: Final = ("rollout", "stage")

    def go_on_from(self, other: SharpBank, rows: Mapping[int, int]) -> None:
        """Take over rows of another bank, from its row to mine."""
        take_rows(self, other, self._ARRAYS, rows)

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return pack_arrays(self, self._ARRAYS)

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take over a stored state; evidence that was stored before there was this test has none of it."""
        if state is not None:
            restore_arrays(self, self._ARRAYS, state)
