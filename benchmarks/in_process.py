"""What single steps cost in process, without network: a pass that finds nothing to do, a scrape of many metrics.

In CPU time: what else runs on the machine adds to it only by what it takes out of the processor's caches.
"""

from __future__ import annotations

import time

import numpy as np

from tests.support.many_metrics import monitor_of_many, observation_of_many
from tests.support.world import KEY, serving

PASSES = 500
SCRAPES = 100


async def idle_pass_ms() -> float:
    """Run passes over a ModelDeployment that serves; the best of five rounds, as other processes only add."""
    world = await serving()
    await world.run(60)
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(PASSES):
            await world.engine.run_pass(KEY)
        rounds.append((time.process_time() - began) / PASSES * 1000)
    return min(rounds)


def scrape_ms() -> float:
    """Feed a hundred scrapes of 100 share streams and 100 features; the median CPU time of one, in milliseconds."""
    rng = np.random.default_rng(1)
    watched, spent = monitor_of_many(rng), []
    for index in range(SCRAPES):
        seen = observation_of_many(rng)
        began = time.thread_time()
        watched.observe(5.0 * (index + 1), seen)
        spent.append(time.thread_time() - began)
    return float(np.median(spent)) * 1000
