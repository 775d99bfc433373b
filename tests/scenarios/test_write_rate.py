"""How often a held rollout writes: what a thousand of them cost the API server."""

from __future__ import annotations

import json

import pytest

from serinus.core.model.timestamps import from_rfc3339
from tests.support.world.given import ERROR_RATE, trying

MINUTES = 10
MOST_A_MINUTE = 7
"""Its numbers every ten seconds, and the copy for people once; a crowd of rollouts shares one budget."""
LATENCY = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "10s"}}


@pytest.mark.parametrize("error_rate", [0.0, 0.002, 0.01], ids=["none", "few", "more"])
async def test_a_held_rollout_writes_its_numbers_every_ten_seconds_and_nothing_else(error_rate: float) -> None:
    """Looks come every second."""
    analysis = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "2h"}}], analysis=analysis)
    for version in ("1", "2"):
        world.models[version].error_rate = error_rate
    await world.run(120)
    before = len(world.api.writes)
    await world.run(60 * MINUTES)
    written = world.api.writes[before:]
    assert {write.split()[0] for write in written} <= {"status"}
    assert len(written) <= MOST_A_MINUTE * MINUTES


async def test_what_people_read_of_a_live_rollout_is_never_older_than_ten_seconds() -> None:
    """And the status says from when its numbers are."""
    analysis = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "2h"}}], analysis=analysis)
    await world.run(30)
    for _ in range(120):
        await world.run(1)
        assert world.clock.now() - from_rfc3339(world.state["assessedAt"]) <= 10 + 1
        assert world.state["outlook"]["comparisons"][0]["requestsCanary"] > 0


async def test_a_status_stays_small_after_a_long_stage() -> None:
    """Two metrics after a quarter of an hour: far below the 64 KiB that ten may take."""
    analysis = {"mode": "Sequential", "metrics": [{**ERROR_RATE, "minSamples": 5}, LATENCY]}
    world = await trying(steps=[{"setWeight": 10}, {"pause": {"duration": "2h"}}], analysis=analysis)
    await world.run(900)
    assert len(json.dumps(world.state)) < 16 * 1024
