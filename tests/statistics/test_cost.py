"""One scrape of 100 share streams and 100 features costs 5 ms and 256 KiB at most."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from serinus.core.analysis import RolloutMonitor

STREAMS = 100
BINS = 10


def observation(rng: np.random.Generator) -> dict[str, Any]:
    champion = rng.poisson([2500, 5], (STREAMS, 2, 2)).tolist()
    challenger = rng.poisson([50, 0.1], (STREAMS, 2)).tolist()
    shares: dict[str, Any] = {
        f"share-{row}": {"challenger": challenger[row], "champion_a": champion[row][0], "champion_b": champion[row][1]}
        for row in range(STREAMS)
    }
    features = {
        f"feature-{row}": (own, other)
        for row, (own, other) in enumerate(
            zip(rng.poisson(5, (STREAMS, BINS)), rng.poisson(495, (STREAMS, BINS)), strict=True)
        )
    }
    return {**shares, **features}


def test_time_and_size() -> None:
    rng = np.random.default_rng(1)
    metrics = [{"name": f"share-{row}", "limit": 0.05} for row in range(STREAMS)]
    metrics += [{"name": f"feature-{row}", "kind": "drift", "bins": BINS} for row in range(STREAMS)]
    past = {
        f"share-{row}": [rng.poisson(2500, 720), rng.poisson(5, 720), rng.poisson(2500, 720), rng.poisson(5, 720)]
        for row in range(STREAMS)
    }
    watched = RolloutMonitor({"metrics": metrics}, past)
    watched.start_stage(2, 5, 0.0)
    seconds = []
    for index in range(100):
        seen = observation(rng)
        started = time.thread_time()
        watched.observe(5.0 * (index + 1), seen)
        seconds.append(time.thread_time() - started)
    assert sorted(seconds)[10] <= 0.005, "the machine may be busy, but not nine times in ten"
    assert len(json.dumps(watched.to_dict(), separators=(",", ":"))) <= 256 * 1024
