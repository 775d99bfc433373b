"""Two operators that share live rollouts over shards: what each of them costs, and how many it leads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from benchmarks.elected import SHARDS, Replicas, until_lead
from benchmarks.figures import Findings, Numbers, load
from benchmarks.ground import Ground, at_work
from benchmarks.live import STEADY_SECONDS, USUAL_INTERVAL
from benchmarks.manifests import NAMESPACE, Mode, held
from benchmarks.process import Cost, cost
from benchmarks.template import Templates
from benchmarks.waits import until_keeps_up
from serinus.core.model.identity import Key
from serinus.core.model.shards import shard_of

REDUCED, FULL = (100,), (100, 300)


async def measure(sizes: Sequence[int], templates: Templates, findings: Findings) -> None:
    """Measure some sizes, in the default mode; finds what each operator took, by size."""
    here = templates.here
    for size in sizes:
        template = await templates.live(held(Mode.DEFAULT, USUAL_INTERVAL))
        found = await _shared(here, await template.copy(here, size))
        here.tell(f"replicas: {size} are shared: {found}")
        findings.add({"replicas": {str(size): found}})
        await here.clear()


async def _shared(here: Ground, made: Sequence[str]) -> Numbers:
    replicas = Replicas(here)
    both = [replicas.operator(shards=SHARDS) for _ in range(2)]
    async with AsyncExitStack() as held_up:
        running = [await held_up.enter_async_context(at_work(one)) for one in both]
        shards = await until_lead(both, SHARDS)
        await until_keeps_up(here.prometheus, len(made), USUAL_INTERVAL)
        spent = await cost(STEADY_SECONDS, *(one.pid for one in running))
    by_shard = Counter(shard_of(Key(NAMESPACE, name), SHARDS) for name in made)
    return figures(spent, [sum(by_shard[shard] for shard in one) for one in shards])


def figures(spent: Sequence[Cost], rollouts: Sequence[int]) -> Numbers:
    """Give what each took, in the same order everywhere."""
    return {
        "rollouts": [*rollouts],
        "cpu_cores": [round(one.cpu_cores, 4) for one in spent],
        "rss_mb": [round(one.rss_mb, 1) for one in spent],
        "load": load(),
    }
