"""How long one bet lasts, in seconds and in scrapes.

Clients retry and bursts last for seconds, whatever the scrape interval is: with scrapes of one second a bet a scrape
would take one burst for thirty independent proofs. No bet is shorter than five seconds.
"""

from __future__ import annotations

import math
from typing import Final

SHORTEST_BLOCK_S: Final = 5.0
BLOCK_WITHOUT_HISTORY_S: Final = 15.0
GAP_CLOSES_BLOCK_S: Final = 60.0


def scrapes_lasting(seconds: float, scrape_interval_s: float) -> int:
    """Number of scrapes that cover `seconds`, at least one."""
    return max(1, math.ceil(seconds / scrape_interval_s - 1e-9))
