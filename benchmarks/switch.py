"""`python -m benchmarks.switch`: how long a blue-green switch takes, as callers see it, and the way back.

From the start of the `kubectl patch` that sets the lever to the last answer of the version that is left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks.on_stack import add_arguments, running_stack
from benchmarks.soak.following import Followed, following
from benchmarks.soak.happenings import Happenings, of_model
from benchmarks.soak.ledger import Kind, Ledger, Outcome
from benchmarks.soak.load import Load
from serinus_local.demo.answers import wall
from serinus_local.demo.cluster import DemoCluster, local
from serinus_local.demo.watching import Manifest
from tests.e2e import given
from tests.e2e.cluster import newest
from tests.e2e.namespaces import namespace

RATE = 100.0
ROUNDS = 10
REPLICAS = 2
PATIENCE_SECONDS = 120.0
SETTLED_SECONDS = 3.0
"""A late answer of the version that is left would come within this time; it is seen, then, and counts."""
STRATEGY: Manifest = {"blueGreen": {}}
LAST_PAUSE = 2
"""The step after which everybody is switched: the size, the pause, the switch."""
_CONSOLE = Console()


@dataclass
class Answers(Ledger):
    """A ledger that remembers when each revision answered last."""

    last: dict[str | None, float] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one request."""
        super().add(outcome)
        self.last[outcome.revision] = outcome.at


@dataclass
class Switches:
    """Seconds until the last answer of the version that was left, by the lever that was set."""

    promote: list[float] = field(default_factory=list)
    abort: list[float] = field(default_factory=list)
    requests: int = 0
    failed: list[str] = field(default_factory=list)

    def numbers(self) -> dict[str, Any]:
        """Give the figures."""
        levers = {"promote": self.promote, "abort": self.abort}
        shown = {
            name: {"median": round(median(took), 2), "worst": round(max(took), 2), "rounds": len(took)}
            for name, took in levers.items()
        }
        return {**shown, "requests": self.requests, "failed": self.failed}


class Bench:
    """A model that is switched to and fro under steady requests."""

    def __init__(self, cluster: DemoCluster, followed: Followed, answers: Answers, *, routing: str) -> None:
        self.name = f"switch-{routing.lower()}"
        self._cluster = cluster
        self._followed = followed
        self._answers = answers
        self._routing = routing

    async def begin(self) -> str:
        """Have the first version serve; give its revision."""
        await self._apply(1)
        await self._until(1, lambda rollout: rollout["status"].get("phase") == "Succeeded", "the first version")
        return self._revision(1)

    async def measure(self, stable: str, rounds: int) -> Switches:
        """Switch and switch back, so many times."""
        took = Switches()
        await self._apply(2)
        for number in range(rounds):
            if number:
                await self._pull({"retry": f"round {number}"})
            await self._until(
                2, lambda rollout: rollout["status"].get("phase") == "Paused", "the pause before the switch"
            )
            switched = self._until(2, lambda rollout: rollout["status"].get("weight") == 100, "the switch")
            took.promote.append(await self._left(stable, {"promote": {"throughStep": LAST_PAUSE}}, switched))
            back = self._until(2, lambda rollout: rollout["status"].get("phase") == "Aborted", "the way back")
            took.abort.append(await self._left(self._revision(2), {"abort": True}, back))
        return took

    async def _left(self, revision: str, lever: Manifest, followed: Any) -> float:
        """Pull a lever; give the seconds until a revision has answered for the last time."""
        began = wall()
        await self._pull(lever)
        await followed
        await asyncio.sleep(SETTLED_SECONDS)
        return max(0.0, self._answers.last[revision] - began)

    async def _apply(self, number: int) -> None:
        version = given.version(
            self.name, number, strategy=STRATEGY, guard="10m", replicas=REPLICAS, routing=self._routing
        )
        await self._cluster.run("apply", "-f", "-", stdin=version)

    async def _pull(self, lever: Manifest) -> None:
        rollout, patch = self._tried(2)["metadata"]["name"], json.dumps({"spec": lever})
        place = f"--namespace={given.NAMESPACE}"
        await self._cluster.run("patch", "mro", rollout, place, "--type=merge", f"--patch={patch}")

    async def _until(self, number: int, check: Callable[[Manifest], bool], what: str) -> None:
        def holds() -> bool:
            tried = self._tried(number)
            return "status" in tried and check(tried)

        if not await self._followed.rollouts.until(holds, PATIENCE_SECONDS):
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s for {what}")

    def _tried(self, number: int) -> Manifest:
        return newest(of_model(self.name, self._followed.rollouts.objects), number) or {}

    def _revision(self, number: int) -> str:
        return str(self._tried(number)["spec"]["to"]["revision"])


async def switches(cluster: DemoCluster, routing: str, rounds: int) -> Switches:
    """Measure on one routing API, in the tests' namespace."""
    answers = Answers()
    async with following(cluster, routing, Happenings()) as followed:
        bench = Bench(cluster, followed, answers, routing=routing)
        stable = await bench.begin()
        hosts = {bench.name: given.host(bench.name)}
        async with Load(cluster.gateway, hosts, answers, rate=RATE, pattern=(Kind.KEPT,)) as load:
            await load.until_answered(PATIENCE_SECONDS)
            sending = asyncio.create_task(load.run())
            try:
                took = await bench.measure(stable, rounds)
            finally:
                load.stop()
                await sending
    took.requests, took.failed = answers.total, [str(one.error) for one in answers.failed]
    return took


def main() -> int:
    """Measure on both routing APIs."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.switch", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="switches and ways back")
    add_arguments(arguments)
    options = arguments.parse_args()
    measured: dict[str, Any] = {}
    with running_stack(options.state) as running:
        for routing in given.ROUTED:
            with namespace(running, given.NAMESPACE):
                measured[routing] = asyncio.run(switches(local(running), routing, options.rounds)).numbers()
            _CONSOLE.print(routing, measured[routing])
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n")
    return 1 if any(one["failed"] for one in measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
