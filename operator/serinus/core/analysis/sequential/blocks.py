"""How long one bet lasts, in seconds and in scrapes.

Clients retry and bursts last for seconds, whatever the scrape interval is: with scrapes of one second a bet a scrape
would take one burst for thirty independent proofs. No bet is shorter than five seconds.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.state import Floats

SHORTEST_BLOCK_S: Final = 5.0
BLOCK_WITHOUT_HISTORY_S: Final = 15.0
GAP_CLOSES_BLOCK_S: Final = 60.0


def scrapes_lasting(seconds: float, scrape_interval_s: float) -> int:
    """Number of scrapes that cover `seconds`, at least one."""
    return max(1, math.ceil(seconds / scrape_interval_s - 1e-9))


def sums_of(counts: Any, scrapes: int) -> Floats:
    """Sums of so many scrapes each: [T, ...] to [T // scrapes, ...]; a rest that fills no group is dropped."""
    given = np.asarray(counts, dtype=np.float64)
    whole = given.shape[0] // scrapes * scrapes
    total: Floats = given[:whole].reshape(-1, scrapes, *given.shape[1:]).sum(axis=1) if scrapes > 1 else given
    return total
