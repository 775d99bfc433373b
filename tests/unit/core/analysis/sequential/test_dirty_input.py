"""Whatever comes in, in whatever order: answers stay finite, states stay JSON, nothing raises."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest

from serinus.core.analysis import (
    AACalibrator,
    DriftTest,
    Evidence,
    HistogramTest,
    LimitTest,
    ProportionTest,
    RolloutMonitor,
    ScalarTest,
)

NUMBERS = [None, math.nan, math.inf, -math.inf, -1, 0, 0.3, 1, 5, 1e9]
METRICS = [
    {"name": "errors", "limit": 0.05},
    {"name": "latency", "kind": "latency", "bounds_s": [0.1, 0.2, 0.5]},
    {"name": "drift", "kind": "drift", "bins": 4, "reference": [1, 2, 3, 4]},
    {"name": "js", "kind": "drift", "bins": 4, "divergence": "js"},
    {"name": "queue", "kind": "scalar"},
]


class Mess:
    """Random observations with something wrong in most of them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.counts = np.random.default_rng(seed)

    def number(self) -> Any:
        return self.draw.choice(NUMBERS)

    def pair(self) -> Any:
        return self.draw.choice([None, (self.number(), self.number()), [1000, self.draw.choice([0, 3, 2000])]])

    def bins(self) -> Any:
        dirty = [self.number() for _ in range(4)]
        return self.draw.choice([None, dirty, self.counts.poisson(50, 4), np.zeros(4)])

    def share(self) -> Any:
        arms = ("challenger", "champion", "champion_a", "champion_b")
        return self.draw.choice([None, {arm: self.pair() for arm in arms}, (self.pair(), self.pair())])


def check(evidence: Evidence) -> None:
    assert math.isfinite(evidence.e_value)
    assert evidence.e_value >= 0.0
    assert math.isfinite(evidence.log_e_value)
    assert 0.0 <= evidence.anytime_p <= 1.0
    for value in (evidence.estimate, evidence.lower, evidence.upper):
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize("seed", range(12))
def test_single_tests_survive(seed: int) -> None:
    mess = Mess(seed)
    share, limit, histogram = ProportionTest(), LimitTest(0.05), HistogramTest([0.1, 0.2, 0.5])
    drift, scalar, calibrator = DriftTest(4, reference=[5, 0, 5, 5]), ScalarTest(), AACalibrator()
    for index in range(40):
        t = mess.draw.choice([5.0 * index, 5.0 * index - 30.0, 100.0 * index])
        calibrator.update(mess.number(), mess.number(), mess.number(), mess.number())
        check(share.update(t, mess.pair(), mess.pair(), index % 9 == 0, calibrator))
        check(limit.update(t, mess.pair(), mess.pair(), index % 9 == 0))
        check(histogram.update(t, mess.bins(), mess.bins(), mess.bins(), index % 9 == 0))
        check(drift.update(t, mess.bins(), mess.bins(), index % 9 == 0))
        check(scalar.update(t, mess.number(), mess.number(), mess.number(), mess.number()))
    for test in (share, limit, histogram, drift, scalar, calibrator):
        json.dumps(test.to_dict(), allow_nan=False)


@pytest.mark.parametrize("seed", range(12))
def test_a_whole_rollout_survives(seed: int) -> None:
    mess, watched = Mess(seed), RolloutMonitor({"metrics": METRICS})
    for index in range(40):
        t = mess.draw.choice([5.0 * index, 5.0 * index - 30.0, 100.0 * index])
        if index % 9 == 0:
            watched.start_stage(mess.draw.choice([1, 50, 100]), mess.draw.choice([None, 100]), t)
        observations = {
            "errors": mess.share(),
            "latency": (mess.bins(), mess.bins()),
            "drift": (mess.bins(), mess.bins()),
            "js": (mess.bins(), mess.bins()),
            "queue": (mess.number(), mess.number()),
        }
        for evidence in watched.observe(t, observations).evidence.values():
            check(evidence)
        json.dumps(watched.to_dict(), allow_nan=False)
