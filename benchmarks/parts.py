"""The parts of the benchmark, each measured on its own; what they find is put under the keys of the JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import aiohttp

from benchmarks import creation, idle, in_process, kill, live, requests, sharing
from benchmarks.figures import Numbers, load
from benchmarks.ground import Tell, ground
from benchmarks.live import USUAL_INTERVAL, Load
from benchmarks.manifests import Mode
from benchmarks.template import Templates

LONGEST_TOLD = 500


@dataclass(frozen=True)
class Wish:
    """What was asked for; an empty list stands for the part's own sizes."""

    full: bool = False
    live: Sequence[int] = ()
    interval: str = USUAL_INTERVAL
    victims: int | None = None
    idle: Sequence[int] = ()
    create: Sequence[int] = ()

    def loads(self, mode: Mode) -> Sequence[Load]:
        """Give the loads of live rollouts."""
        usual: Sequence[Load] = live.FULL if self.full else live.REDUCED if mode is Mode.DEFAULT else live.SHORTENED
        if self.live:
            usual = [Load(count, 20, rounds=2 if count > 1 else 0, interval=self.interval) for count in self.live]
        return usual if self.victims is None else [replace(each, victims=self.victims) for each in usual]


async def passes(wish: Wish, templates: Templates) -> Numbers:
    """Measure what single steps cost in process."""
    idle_ms, scrape = await in_process.idle_pass_ms(), in_process.scrape_ms()
    templates.here.tell(f"an idle pass takes {idle_ms:.3f} ms, a scrape of 200 metrics {scrape:.1f} ms")
    return {"idle_pass_ms": round(idle_ms, 4), "scrape_of_200_metrics_ms": round(scrape, 3)}


async def default(wish: Wish, templates: Templates) -> Numbers:
    """Measure live rollouts as teams have them that say nothing."""
    return await live.measure(wish.loads(Mode.DEFAULT), Mode.DEFAULT, templates)


async def threshold(wish: Wish, templates: Templates) -> Numbers:
    """Measure live rollouts that are judged by limits alone."""
    return {"threshold": await live.measure(wish.loads(Mode.THRESHOLD), Mode.THRESHOLD, templates)}


async def idle_and_restart(wish: Wish, templates: Templates) -> Numbers:
    """Measure idle ModelDeployments."""
    sizes = wish.idle or (idle.FULL if wish.full else idle.REDUCED)
    return await idle.measure(sizes, templates, lasts=idle.IDLE_SECONDS_IN_FULL if wish.full else idle.IDLE_SECONDS)


async def create(wish: Wish, templates: Templates) -> Numbers:
    """Measure how many are created."""
    sizes = wish.create or (creation.FULL if wish.full else creation.REDUCED)
    return {"create": {str(size): await creation.measure(size, templates.here) for size in sizes}}


async def killed(wish: Wish, templates: Templates) -> Numbers:
    """Measure the way back without an operator."""
    ways, rounds = (kill.FULL, kill.ROUNDS_IN_FULL) if wish.full else (kill.REDUCED, kill.ROUNDS)
    return {"kill": await kill.measure(ways, rounds, templates)}


async def replicas(wish: Wish, templates: Templates) -> Numbers:
    """Measure two operators that share the work."""
    return {"replicas": await sharing.measure(sharing.FULL if wish.full else sharing.REDUCED, templates)}


async def counted(wish: Wish, templates: Templates) -> Numbers:
    """Count requests."""
    return {"requests": await requests.measure(templates.here)}


PARTS: dict[str, Callable[[Wish, Templates], Awaitable[Numbers]]] = {
    "passes": passes,
    "requests": counted,
    "kill": killed,
    "live": default,
    "threshold": threshold,
    "replicas": replicas,
    "idle": idle_and_restart,
    "create": create,
}
IN_FULL_ALONE = frozenset({"replicas"})


def usual(*, full: bool) -> list[str]:
    """Name the parts that are measured where none is named."""
    return [name for name in PARTS if full or name not in IN_FULL_ALONE]


async def measured(names: Sequence[str], wish: Wish, tell: Tell) -> AsyncIterator[Numbers]:
    """Measure some parts; gives all that is known after each.

    The load that each began and ended with stands beside them. One that fails is said, and leaves the others.
    """
    found: Numbers = {}
    loads: Numbers = {}
    failed: Numbers = {}
    async with ground(tell) as here:
        here.rest()
        templates = Templates(here)
        for name in names:
            before = load()
            try:
                found |= await PARTS[name](wish, templates)
            except (AssertionError, OSError, RuntimeError, TimeoutError, aiohttp.ClientError) as error:
                failed[name] = f"{type(error).__name__}: {error}"[:LONGEST_TOLD]
                tell(f"{name} could not be measured: {failed[name]}")
                await here.clear()
            loads[name] = {"before": before, "after": load()}
            yield {**found, "load_of_parts": loads, **({"failed_parts": failed} if failed else {})}
