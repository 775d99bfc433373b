"""A monitor of 100 share streams and 100 features of ten bins, and what one scrape of them all brings."""

from __future__ import annotations

from typing import Any

import numpy as np

from serinus.core.analysis import RolloutMonitor

STREAMS = 100
BINS = 10


def monitor_of_many(rng: np.random.Generator) -> RolloutMonitor:
    """Calibrate it on an hour of history, and start its first stage."""
    metrics = [{"name": f"share-{row}", "limit": 0.05} for row in range(STREAMS)]
    metrics += [{"name": f"feature-{row}", "kind": "drift", "bins": BINS} for row in range(STREAMS)]
    past = {
        f"share-{row}": [rng.poisson(2500, 720), rng.poisson(5, 720), rng.poisson(2500, 720), rng.poisson(5, 720)]
        for row in range(STREAMS)
    }
    watched = RolloutMonitor({"metrics": metrics}, past)
    watched.start_stage(2, 5, 0.0)
    return watched


def observation_of_many(rng: np.random.Generator, part: float = 1.0) -> dict[str, Any]:
    """One scrape of equal versions at 2 % weight, of which so large a part falls into the cell."""
    stable = (part * rng.poisson([2500, 5], (STREAMS, 2, 2))).tolist()
    canary = (part * rng.poisson([50, 0.1], (STREAMS, 2))).tolist()
    shares: dict[str, Any] = {
        f"share-{row}": {"challenger": canary[row], "champion_a": stable[row][0], "champion_b": stable[row][1]}
        for row in range(STREAMS)
    }
    features = {
        f"feature-{row}": (own, other)
        for row, (own, other) in enumerate(
            zip(part * rng.poisson(5, (STREAMS, BINS)), part * rng.poisson(495, (STREAMS, BINS)), strict=True)
        )
    }
    return {**shares, **features}
