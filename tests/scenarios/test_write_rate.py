"""How often a held rollout writes: what a thousand of them cost the API server."""

from __future__ import annotations

import json

import pytest

from tests.support.world.given import ERROR_RATE, trying

MINUTES = 10
MOST_A_MINUTE = 3
"""A thousand rollouts then make fifty status writes a second."""
LATENCY = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "10s"}}


@pytest.mark.parametrize("error_rate", [0.0, 0.002, 0.01], ids=["none", "few", "more"])
async def test_a_held_rollout_writes_both_statuses_less_than_three_times_a_minute(error_rate: float) -> None:
    """Looks come every second; a checkpoint of the evidence comes once a minute."""
    analysis = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "2h"}}], analysis=analysis)
    for version in ("1", "2"):
        world.models[version].error_rate = error_rate
    await world.run(120)
    before = len(world.api.writes)
    await world.run(60 * MINUTES)
    written = world.api.writes[before:]
    assert {write.split()[0] for write in written} <= {"status"}
    assert len(written) < MOST_A_MINUTE * MINUTES


async def test_a_status_stays_small_after_a_long_stage() -> None:
    """Two metrics after a quarter of an hour: far below the 64 KiB that ten may take."""
    analysis = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "2h"}}], analysis=analysis)
    await world.run(900)
    assert len(json.dumps(world.state)) < 16 * 1024
