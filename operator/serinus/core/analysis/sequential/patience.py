"""How long a sharp test may hold the weight: as long as the robust test would need if what is seen were real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.state import Bank, Floats, State, pack_arrays, restore_arrays, take_rows

LOOKS_WORSE: Final = 5.0
"""Odds to one from which the weight is held: an equal revision seldom shows them, and a worse one soon does."""
PATIENCE: Final = 1.5
"""Times the mean time to a decision: half of all decisions come later than the mean says."""
LONGEST_HOLD_S: Final = 3600.0
"""Where deciding takes longer than this, the next weight decides sooner than this one."""
MOST_ODDS: Final = 1e9
"""More than anybody needs to hear of."""
DIGITS: Final = 3


class SharpHold(Bank):
    """Of M tests: since when each finds the challenger worse in this stage, and how much of its time it has had.

    Each look takes off the part of the time that would have sufficed if what was seen by then were real. Counting back
    from the newest estimate alone would never end where nothing more is seen: the estimate shrinks as time goes by.
    """

    def __init__(self, size: int) -> None:
        self.since_s: Floats = np.full(size, -1.0)
        self.seen_s: Floats = np.full(size, -1.0)
        self.had: Floats = np.zeros(size)
        self.lasts_s: Floats = np.zeros(size)
        self.odds: Floats = np.ones(size)

    def start_stage(self) -> None:
        """Begin anew: at another weight the robust test gets another time."""
        self.since_s[:] = -1.0

    def update(self, t: float, odds: Floats, decides_in_s: Floats) -> None:
        """Look at time `t` (s): `decides_in_s` [M] is the mean time from nothing to a decision of the robust test."""
        self.odds = np.minimum(odds, MOST_ODDS).round(DIGITS)
        worse, held = odds >= LOOKS_WORSE, self.since_s >= 0.0
        self.lasts_s = np.where(worse, np.round(PATIENCE * decides_in_s, DIGITS), 0.0)
        passed = np.where(held, np.maximum(t - self.seen_s, 0.0), 0.0)
        self.had = np.where(worse, np.where(held, self.had, 0.0) + passed / np.maximum(self.lasts_s, 1e-3), 0.0)
        began = np.where(held, np.minimum(self.since_s, t), t)
        self.since_s = np.where(worse, began, -1.0)
        self.look(t)

    def look(self, t: float) -> None:
        """Note a look at time `t` (s)."""
        self.seen_s = np.full(self.seen_s.shape, float(t), dtype=np.float64)

    def left_s(self, t: float) -> Floats:
        """How much longer each test may hold the weight; 0 where it does not, [M]."""
        left = np.minimum((1.0 - self.had) * self.lasts_s, self.since_s + LONGEST_HOLD_S - t)
        return np.where(self.since_s >= 0.0, np.maximum(left, 0.0), 0.0)

    _ARRAYS: Final = ("since_s", "seen_s", "had", "lasts_s", "odds")

    def go_on_from(self, other: SharpHold, rows: Mapping[int, int]) -> None:
        """Take over rows of another one, from its row to mine."""
        take_rows(self, other, self._ARRAYS, rows)

    def to_dict(self) -> State:
        """State as JSON values."""
        return pack_arrays(self, self._ARRAYS)

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take over a stored state; what was stored before there was this test held nothing."""
        if state is not None:
            restore_arrays(self, self._ARRAYS, state)
