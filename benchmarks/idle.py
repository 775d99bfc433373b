"""What a pass costs over an object at which nothing is to be done: the operator's own code, no network."""

from __future__ import annotations

from serinus.adapters.clock import SystemClock
from tests.support.world import KEY, serving

PASSES = 2000


async def idle_pass_ms() -> float:
    """Run passes over a ModelDeployment that serves; the best of five rounds, as other processes only add."""
    world, clock = await serving(), SystemClock()
    await world.run(60)
    rounds = []
    for _ in range(5):
        began = clock.monotonic()
        for _ in range(PASSES):
            await world.engine.run_pass(KEY)
        rounds.append((clock.monotonic() - began) / PASSES * 1000)
    return min(rounds)
