"""What a pass costs over an object at which nothing is to be done: the operator's own code, no network.

In CPU time: what else runs on the machine adds to it only by what it takes out of the processor's caches.
"""

from __future__ import annotations

import time

from tests.support.world import KEY, serving

PASSES = 2000


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
