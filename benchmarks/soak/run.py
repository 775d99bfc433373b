"""Runs one soak: models that serve, requests to them, and rounds meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.soak.envoy import GatewayCounters
from benchmarks.soak.following import following
from benchmarks.soak.happenings import Happenings
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.load import Load
from benchmarks.soak.report import Soaked
from benchmarks.soak.rounds import Round, Rounds, dealt
from benchmarks.soak.streams import Streams
from serinus_local.demo.cluster import DemoCluster
from serinus_local.waiting import now
from tests.e2e.given import host

FIRST_ANSWER_SECONDS = 60.0
AFTERWARDS_SECONDS = 10.0
"""Requests go on this long after the last round: pods still go then."""
AHEAD = -10
"""A nice value."""
TOLD_EVERY = 20
"""Rounds."""


@dataclass(frozen=True)
class Plan:
    """What is done and asked: so many rounds in all, requests a second to all models together."""

    rounds: Counter[Round]
    models: int = 4
    rate: float = 200.0
    streams: int = 20


LONG = Plan(
    Counter({Round.PROMOTION: 80, Round.SUPERSESSION: 20, Round.REVERT: 100, Round.SCALE_DOWN: 50, Round.DELETION: 50})
)
SHORT = Plan(Counter(dict.fromkeys(Round, 2)), models=2)
"""Each model goes through each kind of round once."""


async def soak(
    cluster: DemoCluster, routing: str, plan: Plan, tell: Callable[[str], None] = lambda text: None
) -> Soaked:
    """Run a soak in the tests' namespace, on one routing API; `tell` how far it is, now and then."""
    hosts = {name: host(name) for name in (f"soak-{routing.lower()}-{number}" for number in range(plan.models))}
    soaked = Soaked(routing, Ledger(), Happenings())
    with _ahead_of_others():
        await _soak(cluster, plan, soaked, hosts, tell)
    return soaked


async def _soak(
    cluster: DemoCluster, plan: Plan, soaked: Soaked, hosts: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    names, routing = list(hosts), soaked.routing
    async with following(cluster, routing, soaked.happenings) as followed:
        rounds = Rounds(cluster, followed, soaked.happenings, routing=routing)
        soaked.done, soaked.surprises = rounds.done, rounds.surprises
        await rounds.begin(names)
        load = Load(cluster.gateway, hosts, soaked.ledger, rate=plan.rate)
        streams = Streams(cluster.gateway, hosts, soaked.ledger, number=plan.streams)
        async with load:
            await load.until_answered(FIRST_ANSWER_SECONDS)
            gateway = GatewayCounters(cluster)
            counting = asyncio.create_task(gateway.run())
            began, used = now(), time.process_time()
            sending = [asyncio.create_task(one.run()) for one in (load, streams)]
            try:
                rounds.after = lambda: _progress(soaked, plan, tell)
                hands = zip(names, dealt(plan.rounds, len(names)), strict=True)
                await asyncio.gather(*(rounds.play(name, hand) for name, hand in hands))
                await asyncio.sleep(AFTERWARDS_SECONDS)
            finally:
                load.stop()
                streams.stop()
                await asyncio.gather(*sending)
                counting.cancel()
            soaked.seconds, soaked.cpu_seconds = now() - began, time.process_time() - used
    soaked.streams, soaked.gateway = streams.began, gateway.total


@contextmanager
def _ahead_of_others() -> Iterator[None]:
    """Run before other work on a busy machine, where that is allowed: a caller without CPU learns of all too late."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(before, AHEAD))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _progress(soaked: Soaked, plan: Plan, tell: Callable[[str], None]) -> None:
    done = soaked.done.total()
    if done % TOLD_EVERY == 0:
        tell(f"{soaked.routing}: {done} of {plan.rounds.total()} rounds, {len(soaked.lost)} requests lost so far")
