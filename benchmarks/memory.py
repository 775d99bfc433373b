"""`python -m benchmarks.memory [--hour]`: does the operator's memory grow while rollouts come and go?

Each round a new version is committed to every ModelDeployment, a third of the canaries turns bad, the others reach
100 % or are overtaken by the next version, and a tenth of the ModelDeployments is deleted and makes room for new ones.
The exit code is 1 when the operator holds over 10 % more at the end than after the first ten minutes, in which it
fills: a run that is no longer says nothing. What grows slowly shows only in the hour: that is the proof, and less than
it is a smoke test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comings import Comings
from benchmarks.figures import load
from benchmarks.ground import Ground, Tell, at_work, ground
from benchmarks.process import rss_mb
from serinus.adapters.clock import SystemClock
from serinus_local.process import end_on_sigterm

MOST_GROWTH = 0.10
FILLED_SECONDS = 600.0
"""In which memory may grow: a new operator keeps five minutes of samples, and more and more history."""
PROOF_SECONDS = 3600.0
SAMPLE_SECONDS = 1.0
DRAIN_SECONDS = 1
_CONSOLE = Console(stderr=True)


@dataclass(frozen=True)
class Plan:
    """How many rollouts begin in each round, how long a round is, and how many there are."""

    rollouts: int
    seconds: float
    rounds: int

    @property
    def lasts(self) -> float:
        return self.seconds * self.rounds

    @property
    def judges(self) -> bool:
        """Tell whether there is anything beyond the time in which memory may grow."""
        return self.lasts >= FILLED_SECONDS + self.seconds

    @property
    def proves(self) -> str:
        """Tell what a run of this length is worth."""
        if not self.judges:
            return f"no verdict: a run must last longer than {FILLED_SECONDS / 60:.0f} minutes"
        if self.lasts >= PROOF_SECONDS:
            return "the proof"
        return f"a smoke test of {self.lasts / 60:.0f} minutes; the proof is an hour (--hour)"


SHORT, HOUR = Plan(25, 15.0, 64), Plan(100, 60.0, 60)


@dataclass(frozen=True)
class Flat:
    """Resident memory over time: seconds since the beginning, and MiB."""

    plan: Plan
    samples: Sequence[tuple[float, float]]
    ended: Mapping[str, int]

    @property
    def early(self) -> float:
        """Give the MiB of the round that ends when memory may grow no more."""
        return self._mean(FILLED_SECONDS)

    @property
    def late(self) -> float:
        """Give the MiB of the last round."""
        return self._mean(self.plan.lasts)

    @property
    def growth(self) -> float | None:
        """Give the share by which it has grown since then; None where the run was too short."""
        return self.late / self.early - 1 if self.plan.judges else None

    @property
    def holds(self) -> bool:
        return self.growth is None or self.growth <= MOST_GROWTH

    @property
    def verdict(self) -> str:
        """Say whether memory is flat, and what that is worth."""
        if self.growth is None:
            return f"{self.late:.1f} MiB at the end; {self.plan.proves}"
        flat = f"{'flat' if self.holds else 'it grows'} ({self.growth:+.1%}, at most {MOST_GROWTH:.0%})"
        then = f"{self.early:.1f} MiB after {FILLED_SECONDS / 60:.0f} minutes"
        return f"{then}, {self.late:.1f} MiB at the end: {flat}; {self.plan.proves}"

    def _mean(self, until: float) -> float:
        inside = [mib for at, mib in self.samples if until - self.plan.seconds < at <= until]
        if not inside:
            raise ValueError(f"memory was not looked at before second {until:g}")
        return sum(inside) / len(inside)

    def numbers(self) -> dict[str, Any]:
        """Give the figures, with one sample a round."""
        rounds = [self._mean(self.plan.seconds * (number + 1)) for number in range(self.plan.rounds)]
        return {
            "minutes": round(self.plan.lasts / 60, 1),
            "rollouts_ended": dict(sorted(self.ended.items())),
            "rss_mb_after_ten_minutes": round(self.early, 1) if self.plan.judges else None,
            "rss_mb_at_end": round(self.late, 1),
            "growth": round(self.growth, 4) if self.growth is not None else None,
            "rss_mb_by_round": [round(each, 1) for each in rounds],
            "load": load(),
        }


async def soak(plan: Plan, tell: Tell) -> Flat:
    """Run a plan on an API server of its own."""
    async with ground(tell) as here, Comings.of(here, plan.rollouts) as comings:
        operator = here.operator(drainSeconds=DRAIN_SECONDS)
        async with at_work(operator) as process:
            await comings.begin()
            samples: list[tuple[float, float]] = []
            watching = asyncio.create_task(_watched(process.pid, samples))
            try:
                await _rounds(here, comings, plan, samples)
            finally:
                watching.cancel()
            return Flat(plan, samples, Counter(comings.ended()))


async def _rounds(here: Ground, comings: Comings, plan: Plan, samples: Sequence[tuple[float, float]]) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    for number in range(plan.rounds):
        await comings.round(number, plan.seconds)
        # What came late in one round takes nothing from the length of all.
        await asyncio.sleep(max(0.0, began + plan.seconds * (number + 1) - clock.monotonic()))
        here.tell(f"round {number + 1} of {plan.rounds}: {samples[-1][1]:.1f} MiB, {dict(comings.ended())}")


async def _watched(pid: int, samples: list[tuple[float, float]]) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    while True:
        samples.append((clock.monotonic() - began, rss_mb(pid)))
        await asyncio.sleep(SAMPLE_SECONDS)


def main() -> int:
    """Soak, and say whether memory is flat."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    arguments.add_argument("--hour", action="store_true", help="an hour of 100 rollouts a minute; else some minutes")
    for name, kind in (("rollouts", int), ("rounds", int), ("seconds", float)):
        arguments.add_argument(f"--{name}", type=kind, metavar="N", help=f"other {name} than the plan's")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    options = arguments.parse_args()
    wished = {name: getattr(options, name) for name in ("rollouts", "rounds", "seconds") if getattr(options, name)}
    end_on_sigterm()
    flat = asyncio.run(soak(replace(HOUR if options.hour else SHORT, **wished), _tell))
    _tell(flat.verdict)
    if options.json:
        options.json.write_text(json.dumps(flat.numbers(), indent=1) + "\n")
    return 0 if flat.holds else 1


def _tell(text: str) -> None:
    _CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
