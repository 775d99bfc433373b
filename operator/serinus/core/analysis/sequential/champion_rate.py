"""Champion's recent rate of events, with outages cut off: what a block's number of events is expected from.

The expectation only sizes bets (kappa of STATISTICS 3.1). An outage that raised it would blunt them for minutes.
"""

from __future__ import annotations

import numpy as np

from serinus.core.analysis.sequential.state import Floats


def remember(events: Floats, requests: Floats, new_events: Floats, new_requests: Floats, decay: float) -> None:
    """Let the decayed sums `events` / `requests` [S] take in one block, in place.

    Each block's events are capped at 2 e + 3 sqrt(e) + 3, e what the rate so far lets expect. Blocks without
    requests change nothing.
    """
    expected = expected_events(events, requests, new_requests)
    cap = np.where(requests > 0.0, 2.0 * expected + 3.0 * np.sqrt(expected) + 3.0, np.inf)
    factor = np.where(new_requests > 0.0, decay, 1.0)
    events *= factor
    events += np.minimum(np.where(new_requests > 0.0, new_events, 0.0), cap)
    requests *= factor
    requests += new_requests


def expected_events(events: Floats, requests: Floats, coming: Floats) -> Floats:
    """Events among `coming` requests at the remembered rate; 0 while nothing is remembered."""
    known = requests > 0.0
    return np.where(known, events / np.where(known, requests, 1.0) * coming, 0.0)
