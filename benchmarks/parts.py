"""The parts of the benchmark, each measured on its own; what they find is put under the keys of the JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks import creation, idle, in_process, kill, live, requests, sharing
from benchmarks.figures import Findings, load
from benchmarks.ground import Tell, ground
from benchmarks.live import USUAL_INTERVAL, Load
from benchmarks.manifests import Mode
from benchmarks.template import Templates

LOADS = {Mode.DEFAULT: (live.REDUCED, live.FULL), Mode.THRESHOLD: (live.REDUCED_THRESHOLD, live.FULL_THRESHOLD)}


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
        reduced, full = LOADS[mode]
        usual: Sequence[Load] = full if self.full else reduced
        if self.live:
            usual = [Load(count, 20, rounds=2 if count > 1 else 0, interval=self.interval) for count in self.live]
        return usual if self.victims is None else [replace(each, victims=self.victims) for each in usual]


async def passes(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure what single steps cost in process."""
    idle_ms, scrape = await in_process.idle_pass_ms(), in_process.scrape_ms()
    templates.here.tell(f"an idle pass takes {idle_ms:.3f} ms, a scrape of 200 metrics {scrape:.1f} ms")
    findings.add({"idle_pass_ms": round(idle_ms, 4), "scrape_of_200_metrics_ms": round(scrape, 3)})


async def default(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure live rollouts as teams have them that say nothing."""
    await live.measure(wish.loads(Mode.DEFAULT), Mode.DEFAULT, templates, findings)


async def threshold(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure live rollouts that are judged by limits alone."""
    await live.measure(wish.loads(Mode.THRESHOLD), Mode.THRESHOLD, templates, findings)


async def idle_and_restart(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure idle ModelDeployments."""
    sizes = wish.idle or (idle.FULL if wish.full else idle.REDUCED)
    lasts = idle.IDLE_SECONDS_IN_FULL if wish.full else idle.IDLE_SECONDS
    await idle.measure(sizes, templates, findings, lasts=lasts)


async def create(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure how many are created."""
    for size in wish.create or (creation.FULL if wish.full else creation.REDUCED):
        findings.add({"create": {str(size): await creation.measure(size, templates.here)}})


async def killed(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure the way back without an operator."""
    ways, rounds = (kill.FULL, kill.ROUNDS_IN_FULL) if wish.full else (kill.REDUCED, kill.ROUNDS)
    await kill.measure(ways, rounds, templates, findings)


async def replicas(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Measure two operators that share the work."""
    await sharing.measure(wish.live or (sharing.FULL if wish.full else sharing.REDUCED), templates, findings)


async def counted(wish: Wish, templates: Templates, findings: Findings) -> None:
    """Count requests."""
    findings.add({"requests": await requests.measure(templates.here)})


PARTS: dict[str, Callable[[Wish, Templates, Findings], Awaitable[None]]] = {
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


async def measured(names: Sequence[str], wish: Wish, tell: Tell, findings: Findings) -> None:
    """Measure some parts; the load that each began and ended with stands beside them.

    One that fails is said, and what it has found stays. The others go on with an API server of their own: nobody knows
    what it has left of the last one.
    """
    left = [*names]
    while left:
        async with ground(tell) as here:
            here.rest()
            templates = Templates(here)
            while left:
                if not await _is_measured(left.pop(0), wish, templates, findings):
                    break


async def _is_measured(name: str, wish: Wish, templates: Templates, findings: Findings) -> bool:
    before = load()
    try:
        await PARTS[name](wish, templates, findings)
    except Exception as error:
        templates.here.tell(f"{name} could not be measured: {findings.fail(name, error)}")
        return False
    finally:
        findings.add({"load_of_parts": {name: {"before": before, "after": load()}}})
    return True
