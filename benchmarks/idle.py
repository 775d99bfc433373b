"""Thousands of ModelDeployments at which nothing happens: memory, CPU, and how soon a restarted operator has seen all.

Some more are live, and while the operator is away they have answered badly since they got their weight: its first look
condemns them, and must not wait for the idle ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Findings, Numbers, load, requests_by_verb
from benchmarks.fleet import fleet_of
from benchmarks.ground import TRIAL, Ground, at_work
from benchmarks.manifests import PLAIN, Mode, held
from benchmarks.process import cost, rss_mb
from benchmarks.template import TRIED, Template, Templates
from benchmarks.waits import until_looked_at, until_quiet
from serinus.adapters.clock import SystemClock
from tests.support.operator import samples

REDUCED, FULL = (1000,), (1000, 10_000)
IDLE_SECONDS, IDLE_SECONDS_IN_FULL = 10.0, 70.0
"""For which CPU is counted: once a minute the operator lists what it watches."""
LIVE = 10
LIVE_POLICY = held(Mode.DEFAULT, "1s")


async def measure(sizes: Sequence[int], templates: Templates, findings: Findings, *, lasts: float) -> None:
    """Measure some sizes, with CPU over so many seconds; finds figures of `idle` and of `restart`, by size."""
    here = templates.here
    template, trial = await templates.serving(PLAIN), await templates.live(LIVE_POLICY)
    alone = await _alone(here, template)
    for size in sizes:
        here.tell(f"idle: {size} are put there")
        await template.copy(here, size)
        numbers, last = await _idle(here, size, alone, lasts)
        here.tell(f"idle: {size} take {numbers['rss_mb']} MiB, all were looked at after {last} s")
        findings.add({"idle": {str(size): numbers}, "restart": {str(size): {"last_look_seconds": last}}})
        findings.add({"restart": {str(size): await _restart(here, trial)}})
        await here.clear()


async def _alone(here: Ground, template: Template) -> float:
    """Give the MiB of a new operator that has one, and nothing else."""
    await template.copy(here, 1)
    operator = here.operator()
    async with at_work(operator) as process:
        await until_looked_at(operator, 1)
        await until_quiet(operator)
        return rss_mb(process.pid)


async def _idle(here: Ground, size: int, alone: float, lasts: float) -> tuple[Numbers, float]:
    """Start an operator and leave it alone; gives its figures, and the seconds until all had been looked at."""
    clock, operator = SystemClock(), here.operator()
    began = clock.monotonic()
    async with at_work(operator) as process:
        await until_looked_at(operator, size)
        looked_at = round(clock.monotonic() - began, 2)
        await until_quiet(operator)
        before = requests_by_verb(await samples(operator.url))
        (spent,) = await cost(lasts, process.pid)
        requests = sum(requests_by_verb(await samples(operator.url)).values()) - sum(before.values())
    numbers = {
        "rss_mb": round(spent.rss_mb, 1),
        "kib_an_object": round((spent.rss_mb - alone) * 1024 / size, 1),
        "cpu_cores": round(spent.cpu_cores, 4),
        "api_requests_a_second": round(requests / lasts, 2),
        "api_requests_at_start": before,
        "load": load(),
    }
    return numbers, looked_at


async def _restart(here: Ground, trial: Template) -> Numbers:
    """Let live canaries be bad while no operator runs, and start one; seconds until their weights are 0."""
    trials = await trial.copy(here, LIVE, TRIAL)
    clock, operator = SystemClock(), here.operator()
    async with fleet_of(here.api, LIVE_POLICY, trials, version=TRIED, alone=True) as fleet:
        await fleet.until_live()
        since = min(fleet.stage_started(name) for name in trials)
        await here.prometheus.spoil([fleet.canary(name) for name in trials], since)
        began = clock.monotonic()
        async with at_work(operator):
            taken = (await fleet.until_taken(trials)).values()
    return {
        "first_live_seconds": round(min(taken) - began, 2),
        "last_live_seconds": round(max(taken) - began, 2),
        "load": load(),
    }
