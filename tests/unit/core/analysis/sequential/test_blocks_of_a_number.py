"""A user's number covers a time: values that overlap say one thing once, and stable's past says how much it varies."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest

from serinus.core.analysis import RolloutMonitor, ScalarTest
from serinus.core.analysis.sequential.noise import Noise

Floats = npt.NDArray[np.float64]

LOOK_S, BLOCK_S = 5.0, 60.0
LOOKS = int(BLOCK_S / LOOK_S)
LEVEL, SD = 40.0, 4.0


def over_a_minute(rng: np.random.Generator, minutes: int) -> Floats:
    """What a query over a minute says at each look: its values share all but five seconds."""
    fresh = rng.normal(LEVEL, SD * math.sqrt(LOOKS), minutes * LOOKS + LOOKS)
    means: Floats = np.convolve(fresh, np.full(LOOKS, 1.0 / LOOKS), "valid")
    return means


def looked_at(test: ScalarTest, canary: Floats, stable: Floats, weight: float | None = None) -> list[str]:
    return [
        test.update(LOOK_S * number, own, other, weight=weight).status
        for number, (own, other) in enumerate(zip(canary, stable, strict=True))
    ]


def known(seed: int = 1, minutes: int = 360) -> Noise:
    """The noise of six hours of stable with all the traffic."""
    noise = Noise()
    noise.learn_alone(np.random.default_rng(seed).normal(LEVEL, SD, minutes), 15)
    return noise


def test_values_that_overlap_count_once() -> None:
    """An hour of looks every five seconds is sixty values."""
    rng = np.random.default_rng(1)
    test = ScalarTest("decrease", block_s=BLOCK_S)
    looked_at(test, over_a_minute(rng, 60), over_a_minute(rng, 60))
    assert test.evidence().events == 61


def test_a_noisy_number_can_be_compared_although_its_values_overlap() -> None:
    """Each alone says something new: what remembers is the query's range, not the model."""
    statuses = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        test = ScalarTest("decrease", block_s=BLOCK_S)
        statuses.add(looked_at(test, over_a_minute(rng, 90), over_a_minute(rng, 90))[-1])
    assert "NotComparable" not in statuses


def test_the_first_block_of_a_stage_lies_in_it() -> None:
    """What a value covers of the stage before was shown to other users."""
    test = ScalarTest("decrease", block_s=BLOCK_S)
    test.update(0.0, 1.0, 1.0)
    test.start_stage(90.0)
    assert [test.update(t, 1.0, 1.0).events for t in (120.0, 149.0, 150.0)] == [1, 1, 2]


def test_with_a_past_the_first_block_is_evidence() -> None:
    """Twenty blocks of its own would be twenty minutes."""
    rng, test = np.random.default_rng(2), ScalarTest("decrease", block_s=BLOCK_S)
    test.adopt(known())
    assert "BurnIn" not in looked_at(test, over_a_minute(rng, 5), over_a_minute(rng, 5), weight=0.5)


@pytest.mark.parametrize("weight", [0.05, 0.25, 0.5])
def test_equal_versions_stay_at_any_weight(weight: float) -> None:
    """A canary of few requests varies more, by as much as it has fewer: two hours, two hundred times."""
    reverted = 0
    for seed in range(200):
        rng, test = np.random.default_rng([seed, 3]), ScalarTest("decrease", block_s=BLOCK_S)
        test.adopt(known(seed))
        own, other = (rng.normal(LEVEL, SD / math.sqrt(share), 120) for share in (weight, 1.0 - weight))
        values = zip(own, other, strict=True)
        reverted += any(test.update(60.0 * t, a, b, weight=weight).e_value >= 100 for t, (a, b) in enumerate(values))
    assert reverted <= 3


def test_a_number_that_falls_is_found_within_minutes() -> None:
    """Three standard deviations, at half of the traffic: without a past its first twenty blocks would say nothing."""
    rng, test = np.random.default_rng(4), ScalarTest("decrease", block_s=BLOCK_S)
    test.adopt(known())
    own, other = rng.normal(LEVEL - 3 * SD * math.sqrt(2), SD * math.sqrt(2), 30), rng.normal(LEVEL, SD, 30)
    values = zip(own, other, strict=True)
    found = [test.update(60.0 * t, a, b, weight=0.5).e_value >= 100 for t, (a, b) in enumerate(values)]
    assert found.index(True) <= 15


def test_a_past_in_which_it_stood_still_waits_for_one_value_only() -> None:
    """Both versions say the same as ever; twenty more would not say it better."""
    noise, test = Noise(), ScalarTest("increase", block_s=BLOCK_S)
    noise.learn_alone([0.0] * 360, 15)
    test.adopt(noise)
    assert test.evidence().status == "BurnIn"
    assert test.update(60.0, 0.0, 0.0, weight=0.1).status == "Measuring"


def test_too_short_a_past_teaches_nothing() -> None:
    """Sixty differences, a quarter of an hour apart."""
    noise = known(minutes=74)
    assert not noise.learnt
    assert known(minutes=75).learnt


def test_it_survives_a_restart() -> None:
    """The block that is under way, too."""
    watched = RolloutMonitor({"metrics": [{"name": "sales", "kind": "scalar", "direction": "decrease", "block_s": 60}]})
    watched.start_stage(10, 50, 0.0)
    watched.learn({"sales": known()})
    watched.observe(60.0, {"sales": (40.0, 41.0)})
    again = RolloutMonitor.from_dict(json.loads(json.dumps(watched.to_dict())))
    for t in (65.0, 119.0, 120.0, 125.0):
        assert again.observe(t, {"sales": (39.0, 41.0)}) == watched.observe(t, {"sales": (39.0, 41.0)})
    assert again.observe(126.0, {}).evidence["sales"].events == 2
