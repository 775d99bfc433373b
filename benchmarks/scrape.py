"""What the sequential test costs with many metrics: CPU for one scrape of them all."""

from __future__ import annotations

import time

import numpy as np

from tests.support.many_metrics import monitor_of_many, observation_of_many

SCRAPES = 100


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
