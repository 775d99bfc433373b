"""How far two equal arms' rates wander apart for minutes: caches warm up, clients come and go.

Bursts are over within a minute, and blocks and B pay for them. What lasts longer looks like a regression for as long as
it lasts, whatever the block. Champion's past shows how far it goes: two halves of champion's pods at one time, or where
there is one series alone, its own rate now and a quarter of an hour later. The share test tolerates that much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.state import Bank, Floats, State, pack_arrays, restore_arrays, take_rows
from serinus.core.model.past import FORGOTTEN_S

WINDOWS_S: Final = (60.0, 300.0)
LEAST_EVENTS: Final = 8.0
"""Of both windows together; a window with fewer says nothing of a rate."""
LEAST_PAIRS: Final = 12.0
MEDIAN_OF_NORMAL: Final = 0.6745
SHOWN: Final = 5.0
"""Of a variance by the median over the square root of its pairs, a good two standard errors (2.3): less may be chance.

At 4 one steady stream in ten seemed to wander, and what it then tolerated hid a worse version; at 7 too many streams
that do wander were taken for steady.
"""
DEVIATIONS: Final = 2.0
"""Standard deviations of the ratio of two rates that are tolerated."""
LARGEST_ALLOWANCE: Final = 3.0
"""A rate that wanders further is no measure of anything: a tenfold rate must still show."""


class Wander(Bank):
    """Sums over history of the squared log ratio of two equal rates, for S streams and `WINDOWS_S`."""

    def __init__(self, size: int, cell_s: float) -> None:
        self.cell_s = cell_s
        self.spread = np.zeros((size, len(WINDOWS_S)))
        self.noise = np.zeros((size, len(WINDOWS_S)))
        self.pairs = np.zeros((size, len(WINDOWS_S)))

    def take_halves(self, first: Sequence[Floats], second: Sequence[Floats]) -> None:
        """Take (requests, events) of two halves at the same time, [T, S] each."""
        for column, cells in self._windows():
            self._take(column, [_summed(part, cells) for part in first], [_summed(part, cells) for part in second])

    def take_alone(self, counts: Sequence[Floats]) -> None:
        """Take (requests, events) of one series alone, [T, S] each: it is compared with itself, later."""
        for column, cells in self._windows():
            sums = [_summed(part, cells) for part in counts]
            apart = math.ceil(FORGOTTEN_S / (cells * self.cell_s))
            self._take(column, [part[:-apart] for part in sums], [part[apart:] for part in sums])

    def _windows(self) -> Iterator[tuple[int, int]]:
        for column, seconds in enumerate(WINDOWS_S):
            yield column, max(1, round(seconds / self.cell_s))

    def _take(self, column: int, first: Sequence[Floats], second: Sequence[Floats]) -> None:
        (n_a, x_a), (n_b, x_b) = first, second
        if n_a.shape[0] < 2:
            return
        seen = (n_a > 0.0) & (n_b > 0.0) & (x_a + x_b >= LEAST_EVENTS)
        share = n_a / np.maximum(n_a + n_b, 1e-300)
        variance = np.where(seen, (x_a + x_b) * share * (1.0 - share), 1.0)
        ratio = np.where(seen, np.abs(x_a - (x_a + x_b) * share) / variance, np.nan)
        pairs = seen.sum(axis=0).astype(np.float64)
        known = pairs >= 2.0
        middle = np.zeros(pairs.shape)
        middle[known] = np.nanmedian(ratio[:, known], axis=0) / MEDIAN_OF_NORMAL
        self.spread[:, column] += pairs * middle**2
        self.noise[:, column] += np.where(seen, 1.0 / variance, 0.0).sum(axis=0)
        self.pairs[:, column] += pairs

    def log_ratio_sd(self, phi: Floats) -> Floats:
        """Standard deviation of the log ratio of two equal arms beyond chance, [S]; 0 where none shows.

        `phi` [S] is the dispersion of the counts within a minute: bursts are no wander.
        """
        pairs = np.maximum(self.pairs, 1.0)
        noise = phi[:, None] * self.noise / pairs
        beyond = self.spread / pairs - noise
        shown = (self.pairs >= LEAST_PAIRS) & (beyond > noise * SHOWN / np.sqrt(pairs))
        found: Floats = np.sqrt(np.where(shown, beyond, 0.0).max(axis=1))
        return found

    def allowance(self, phi: Floats) -> Floats:
        """Ratio of two equal arms' rates that is tolerated, [S]; 1 where nothing wanders."""
        ratio: Floats = np.exp(np.minimum(DEVIATIONS * self.log_ratio_sd(phi), math.log(LARGEST_ALLOWANCE)))
        return ratio

    ARRAYS: Final = ("spread", "noise", "pairs")

    def go_on_from(self, other: Wander, rows: Mapping[int, int]) -> None:
        """Take over what another one has learnt of some rows, from its row to mine."""
        take_rows(self, other, self.ARRAYS, rows)

    def to_dict(self) -> State:
        """State as JSON values; empty where nothing was learnt."""
        return pack_arrays(self, self.ARRAYS) if bool(self.pairs.any()) else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        if state:
            restore_arrays(self, self.ARRAYS, state)


def _summed(counts: Floats, cells: int) -> Floats:
    whole = counts.shape[0] // cells * cells
    total: Floats = counts[:whole].reshape(-1, cells, *counts.shape[1:]).sum(axis=1)
    return total
