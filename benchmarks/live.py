"""Live rollouts: what they cost while nothing happens, and how long it is from a bad sample to weight 0.

The clock starts when the metrics source can return a bad sample, and stops when a watch shows the route.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Findings, Numbers, load, pass_ms, passes, requests_by_verb, spread
from benchmarks.fleet import fleet_of
from benchmarks.ground import Ground, at_work
from benchmarks.manifests import Mode, held
from benchmarks.process import cost
from benchmarks.reverts import Reverts
from benchmarks.template import TRIED, Template, Templates
from benchmarks.waits import until_keeps_up, within
from serinus.api.durations import seconds
from tests.support.operator import OperatorProcess, samples

STEADY_SECONDS = 10.0
USUAL_INTERVAL = "1s"
LONGEST_SECONDS = 1200.0
"""For one load: the others have to be measured, too."""

Find = Callable[[Numbers], None]


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


REDUCED = (Load(1, victims=3, rounds=0, steady=5.0), Load(100, victims=4, rounds=1, steady=5.0))
REDUCED_THRESHOLD = (Load(100, victims=3, rounds=1, steady=5.0),)
FULL = (
    Load(1, victims=20, rounds=0),
    Load(100, victims=40, rounds=2),
    Load(300, victims=40, rounds=1),
    Load(1000, victims=40, rounds=1, interval="10s"),
    # More than one process keeps up with: a victim takes most of a minute.
    Load(1000, victims=8, rounds=1),
)
FULL_THRESHOLD = (
    Load(1, victims=10, rounds=0),
    Load(100, victims=20, rounds=1),
    Load(300, victims=20, rounds=1),
    Load(1000, victims=20, rounds=1),
)


async def measure(loads: Sequence[Load], mode: Mode, templates: Templates, findings: Findings) -> None:
    """Measure some loads; one that fails is said, and leaves the others and what it has found."""
    here = templates.here

    def find(numbers: Numbers) -> None:
        findings.add(numbers if mode is Mode.DEFAULT else {str(mode): numbers})

    for each in loads:
        try:
            async with within(LONGEST_SECONDS, f"all of {each.key} live rollouts is measured"):
                await _at(here, each, mode, await templates.live(held(mode, each.interval)), find)
        except Exception as error:
            part = f"live, {mode}: {each.key}"
            here.tell(f"{part} could not be measured: {findings.fail(part, error)}")
        await here.clear()


async def _at(here: Ground, asked: Load, mode: Mode, template: Template, find: Find) -> None:
    """Measure one load with an operator that is new; figures are told as they are found."""
    made, operator = await template.copy(here, asked.rollouts), here.operator()
    watched = fleet_of(here.api, held(mode, asked.interval), made, version=TRIED)
    async with watched as fleet, at_work(operator) as process:
        settled = await until_keeps_up(here.prometheus, asked.rollouts, asked.interval)
        here.tell(f"live, {mode}: {asked.key} {_told(settled)}; steady for {asked.steady_seconds:g} s")
        steady = await _steady(here, operator, process.pid, asked.steady_seconds)
        here.tell(f"live, {mode}: {asked.key} take {steady['cpu_cores']:.3f} cores, {steady['rss_mb']:.0f} MiB")
        find(by_load(asked.key, {**steady, "keeps_up_after_seconds": settled and round(settled, 1)}))
        reverts = Reverts(here, fleet, mode, apart=seconds(asked.interval))
        await _one_by_one(reverts, asked, find)
        await _at_once(reverts, asked, find)


async def _one_by_one(reverts: Reverts, asked: Load, find: Find) -> None:
    taken: list[float] = []
    try:
        await reverts.one_by_one(asked.victims, taken)
    finally:
        if taken:
            find({"revert_seconds": {asked.key: {**spread(taken), "load": load()}}})


async def _at_once(reverts: Reverts, asked: Load, find: Find) -> None:
    taken: list[float] = []
    for number in range(asked.rounds):
        if number:
            await reverts.come_back()
        taken += await reverts.at_once()
        find({"revert_seconds": {asked.key: {"all_at_once": all_at_once(taken, reverts.later)}}})


def all_at_once(taken: Sequence[float], later: int) -> Numbers:
    """Give seconds from the scrape that condemns, `later` ones after the first bad one, and from the first bad one."""
    after = [each - later for each in taken if each >= later]
    found: Numbers = {**spread(after), "from_first_bad_scrape": spread(taken), "condemned_by_scrape": later + 1}
    sooner = len(taken) - len(after)
    return {**found, **({"condemned_sooner": sooner} if sooner else {}), "load": load()}


async def _steady(here: Ground, operator: OperatorProcess, pid: int, lasts: float) -> Numbers:
    """Measure some seconds in which nothing happens to the rollouts."""
    before, asked = await samples(operator.url), await here.prometheus.asked()
    prometheus, own = await cost(lasts, here.prometheus.pid, pid)
    after, looks = await samples(operator.url), (await here.prometheus.asked()).since(asked).looks
    requests = sum(requests_by_verb(after).values()) - sum(requests_by_verb(before).values())
    return {
        "rss_mb": round(own.rss_mb, 1),
        "cpu_cores": round(own.cpu_cores, 4),
        "live_pass_ms": round(pass_ms(before, after), 3),
        "passes_a_second": round((passes(after) - passes(before)) / lasts, 1),
        "looks_a_second": round(looks / lasts, 1),
        "api_requests_a_second": round(requests / lasts, 1),
        "prometheus_cpu_cores": round(prometheus.cpu_cores, 4),
        "load": load(),
    }


def by_load(key: str, numbers: Numbers) -> Numbers:
    """Give figures by name and then by load."""
    return {name: {key: value} for name, value in numbers.items()}


def _told(settled: float | None) -> str:
    return "are not kept up with" if settled is None else f"are kept up with after {settled:.0f} s"
