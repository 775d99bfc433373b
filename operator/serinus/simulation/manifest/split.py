"""The test of the traffic split (`core.analysis.sequential.traffic_split`) for R rollouts at once."""

from __future__ import annotations

import numpy as np

from serinus.core.analysis.sequential import traffic_split as one
from serinus.core.analysis.sequential.evidence import EVIDENCE_CAP
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.manifest.traffic import Sample


class SplitRows:
    """Evidence of each rollout's stage that the traffic does not follow the weight."""

    def __init__(self, runs: int) -> None:
        self.log_wealth = np.zeros((2 * len(one.ALTERNATIVES), runs))
        self.scrapes = np.zeros(runs)
        self.owed = np.zeros((2, runs))

    def update(self, weight: Floats, sample: Sample, began: Bools) -> None:
        """Take one scrape; `weight` in per cent."""
        for part in (self.log_wealth, self.owed):
            part[:, began] = 0.0
        self.scrapes[began] = 0.0
        total = sample.n_c + sample.n_s
        speaking = (total > 0.0) & (weight < 100.0)
        self.scrapes += speaking
        speaking &= self.scrapes > one.SETTLING_SCRAPES
        if not bool(speaking.any()):
            return
        share = np.clip(weight / 100.0, 1e-9, 1.0 - 1e-9)
        due, came = np.stack((share * total, (1.0 - share) * total)), np.stack((sample.n_c, sample.n_s))
        self.owed = np.where(speaking, np.where(came > 0.0, 0.0, self.owed + due), self.owed)
        odds = share / (1.0 - share)
        gains = [_log_ratio(sample.n_c, sample.n_s, odds * one.TOLERATED_ODDS, effect) for effect in one.ALTERNATIVES]
        gains += [_log_ratio(sample.n_s, sample.n_c, one.TOLERATED_ODDS / odds, effect) for effect in one.ALTERNATIVES]
        grown = np.minimum(self.log_wealth + np.minimum(np.stack(gains), EVIDENCE_CAP), one._CEILING)
        self.log_wealth = np.where(speaking, grown, self.log_wealth)

    @property
    def off(self) -> Bools:
        """Where the split is known to be off, or one side gets nothing."""
        mismatch: Bools = np.exp(self.log_wealth).mean(axis=0) >= one.MISMATCH_E
        silent: Bools = self.owed.max(axis=0) >= one.SILENT_REQUESTS
        off: Bools = mismatch | silent
        return off


def _log_ratio(own: Floats, other: Floats, odds: Floats, effect: float) -> Floats:
    null, alternative = odds / (1.0 + odds), odds * effect / (1.0 + odds * effect)
    gain: Floats = (own * np.log(alternative / null) + other * np.log((1.0 - alternative) / (1.0 - null))) / one.CLUSTER
    return gain
