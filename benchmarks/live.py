"""Live rollouts: what they cost while nothing happens, and how long it is from a bad sample to weight 0.

The clock starts when the metrics source can return the sample that condemns, and stops when a watch shows the route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.figures import Numbers, load, pass_ms, passes, requests_by_verb, spread
from benchmarks.fleet import fleet_of
from benchmarks.ground import Ground, at_work
from benchmarks.manifests import Mode, held
from benchmarks.process import Cost, cost
from benchmarks.reverts import Reverts
from benchmarks.template import TRIED, Template, Templates, until_looked_at
from serinus.api.durations import seconds
from serinus.runtime.sampler import CALM_PASSES_A_SECOND
from tests.support.operator import OperatorProcess, samples

STEADY_SECONDS = 10.0
LOOKS_TOGETHER = 3
KEEPS_UP = 0.8
"""Of the passes that so many looks should have."""
SETTLE_SECONDS = 60.0
USUAL_INTERVAL = "1s"


@dataclass(frozen=True)
class Load:
    """How many rollouts are live at once, how many are reverted one by one, and how often all of them."""

    rollouts: int
    victims: int
    rounds: int
    interval: str = USUAL_INTERVAL
    steady: float = STEADY_SECONDS

    @property
    def key(self) -> str:
        """Name it among the figures."""
        return str(self.rollouts) if self.interval == USUAL_INTERVAL else f"{self.rollouts} at {self.interval}"

    @property
    def steady_seconds(self) -> float:
        """Two looks at least."""
        return max(self.steady, 2 * seconds(self.interval))


REDUCED = (Load(1, victims=5, rounds=0), Load(100, victims=5, rounds=1))
SHORTENED = (Load(1, victims=3, rounds=0, steady=5.0), Load(100, victims=3, rounds=1, steady=5.0))
FULL = (
    Load(1, victims=20, rounds=0),
    Load(100, victims=50, rounds=2),
    Load(300, victims=50, rounds=2),
    Load(1000, victims=50, rounds=1),
    Load(1000, victims=50, rounds=1, interval="10s"),
)


@dataclass(frozen=True)
class Steady:
    """What live rollouts cost in some seconds in which nothing happens to them."""

    operator: Cost
    prometheus: Cost
    pass_ms: float
    passes_a_second: float
    requests_a_second: float
    load: float


@dataclass(frozen=True)
class Measured:
    """All that was seen at one load."""

    load: Load
    steady: Steady
    one_by_one: Sequence[float]
    at_once: Sequence[float]
    load_then: float

    def reverts(self) -> Numbers:
        """Give the figures of the seconds from sample to weight 0."""
        told = spread(self.one_by_one)
        at_once = {"all_at_once": spread(self.at_once)} if self.at_once else {}
        return {**told, **at_once, "load": self.load_then}


async def measure(loads: Sequence[Load], mode: Mode, templates: Templates) -> Numbers:
    """Measure some loads; one that cannot be measured to its end is said and leaves the others."""
    here, found, failed = templates.here, list[Measured](), dict[str, str]()
    for each in loads:
        template = await templates.live(held(mode, each.interval))
        try:
            found.append(await _at(here, each, mode, template))
        except (AssertionError, TimeoutError) as error:
            failed[each.key] = f"{type(error).__name__}: {error}"[:300]
            here.tell(f"live, {mode}: {each.key} could not be measured: {failed[each.key]}")
        await here.clear()
    return {**figures(found), **({"failed": failed} if failed else {})}


async def _at(here: Ground, asked: Load, mode: Mode, template: Template) -> Measured:
    """Measure one load with an operator that is new."""
    made, operator = await template.copy(here, asked.rollouts), here.operator()
    watched = fleet_of(here.api, held(mode, asked.interval), made, version=TRIED)
    async with watched as fleet, at_work(operator) as process:
        await settled([operator], asked.rollouts, asked.interval)
        here.tell(f"live, {mode}: {asked.key} steady for {asked.steady_seconds:g} s")
        steady = await _steady(here, operator, process.pid, asked.steady_seconds)
        here.tell(f"live, {mode}: {asked.key} take {steady.operator.cpu_cores:.3f} cores")
        reverts = Reverts(here, fleet, mode, apart=seconds(asked.interval))
        at_once = [each for _ in range(asked.rounds) for each in await reverts.at_once()]
        one_by_one = await reverts.one_by_one(asked.victims)
        return Measured(asked, steady, one_by_one, at_once, load())


async def settled(operators: Sequence[OperatorProcess], rollouts: int, interval: str) -> None:
    """Wait until new operators have seen all live rollouts, and keep up with them, or for a minute where they do not.

    At its start an operator reads minutes of samples again.
    """
    await until_looked_at(operators, rollouts, all_done=False)
    apart = LOOKS_TOGETHER * seconds(interval)
    wanted = KEEPS_UP * apart * min(rollouts / seconds(interval), CALM_PASSES_A_SECOND)
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            while await _passes_within(operators, apart) < wanted:
                continue


async def _passes_within(operators: Sequence[OperatorProcess], lasts: float) -> float:
    before = [passes(await samples(one.url)) for one in operators]
    await asyncio.sleep(lasts)
    return sum([passes(await samples(one.url)) for one in operators]) - sum(before)


async def _steady(here: Ground, operator: OperatorProcess, pid: int, lasts: float) -> Steady:
    before = await samples(operator.url)
    prometheus, own = await cost(lasts, here.prometheus.pid, pid)
    after = await samples(operator.url)
    requests = sum(requests_by_verb(after).values()) - sum(requests_by_verb(before).values())
    ran = passes(after) - passes(before)
    return Steady(own, prometheus, pass_ms(before, after), ran / lasts, requests / lasts, load())


def figures(found: Sequence[Measured]) -> Numbers:
    """Give all figures, by load."""
    return {
        "revert_seconds": {one.load.key: one.reverts() for one in found},
        "rss_mb": {one.load.key: round(one.steady.operator.rss_mb, 1) for one in found},
        "cpu_cores": {one.load.key: round(one.steady.operator.cpu_cores, 4) for one in found},
        "live_pass_ms": {one.load.key: round(one.steady.pass_ms, 3) for one in found},
        "passes_a_second": {one.load.key: round(one.steady.passes_a_second, 1) for one in found},
        "api_requests_a_second": {one.load.key: round(one.steady.requests_a_second, 1) for one in found},
        "prometheus_cpu_cores": {one.load.key: round(one.steady.prometheus.cpu_cores, 4) for one in found},
        "load": {one.load.key: one.steady.load for one in found},
    }
