"""Many ModelDeployments that are committed at once: how long until all serve, and what that takes."""

from __future__ import annotations

from benchmarks.figures import Numbers, load, more_requests
from benchmarks.fleet import fleet_of
from benchmarks.ground import MODEL, Ground, at_work, names
from benchmarks.manifests import PLAIN
from benchmarks.process import cpu_seconds, rss_mb
from benchmarks.template import STABLE
from benchmarks.waits import until_quiet
from serinus.adapters.clock import SystemClock
from tests.support.operator import samples
from tests.support.pods import Kubelets

REDUCED, FULL = (50,), (1000,)


async def measure(size: int, here: Ground) -> Numbers:
    """Create so many, as a pipeline would that applies sixteen at a time."""
    clock, operator = SystemClock(), here.operator()
    here.work()
    async with at_work(operator) as process, Kubelets(here.api):
        async with fleet_of(here.api, PLAIN, names(MODEL, size)) as fleet:
            await until_quiet(operator)
            before, spent, began = await samples(operator.url), cpu_seconds(process.pid), clock.monotonic()
            here.tell(f"create: {size} are committed")
            await fleet.commit(STABLE)
            await fleet.until_phase("Succeeded")
            lasted = clock.monotonic() - began
        await until_quiet(operator)
        made = more_requests(before, await samples(operator.url))
        cpu, rss = cpu_seconds(process.pid) - spent, rss_mb(process.pid)
    await here.clear()
    here.tell(f"create: {size} served after {lasted:.0f} s, {sum(made.values()) / size:.1f} requests each")
    return {
        "seconds": round(lasted, 1),
        "cpu_seconds": round(cpu, 1),
        "rss_mb": round(rss, 1),
        "requests_an_object": round(sum(made.values()) / size, 2),
        "by_verb": {verb: round(count / size, 2) for verb, count in made.items()},
        "load": load(),
    }
