"""Two operators over four shards on a real API server: who decides what, and what becomes of it when one is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import CONTROLLER_REVISION, LEASE, MODEL_DEPLOYMENT, ROLLOUT, VIRTUAL_SERVICE, Json
from serinus.core.model.shards import shard_of
from serinus.core.traffic.istio.routes import read_split
from serinus_local.process import Running
from tests.support.operator import OperatorProcess, samples
from tests.support.real_world import LASTING, RealWorld
from tests.support.request_log import PROGRAM, logged_in
from tests.support.world import fraud

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SHARDS = 4
LEASE_SECONDS = 10
"""Twice as long as by default: beside two other parts of the tests a process may have to wait for its turn."""
DECIDED = "serinus.decision"
"""The logger of what is decided."""


@dataclass
class Pod:
    """One operator of the two."""

    process: OperatorProcess
    running: Running

    @property
    def identity(self) -> str:
        return f"{socket.gethostname()}-{self.running.pid}"

    async def led(self) -> set[int]:
        """Which shards it leads at one moment."""
        page = await samples(self.process.url)
        return {int(dict(labels)["shard"]) for (name, labels), on in page.items() if name == "serinus_leader" and on}

    def send(self, number: signal.Signals) -> None:
        os.kill(self.running.pid, number)

    def decided(self) -> set[str]:
        """The ModelDeployments that it has decided anything about."""
        return {name for name, _ in decided_in(self.process.lines())}


def decided_in(lines: Iterable[Json]) -> set[tuple[str, str]]:
    """What a log says was decided: of which ModelDeployment, and what."""
    said = [one for one in lines if one.get("logger") == DECIDED and "name" in one]
    return {(str(one["name"]), str(one["event"])) for one in said}


async def until_leading(*pods: Pod, each: int, limit: float = 60) -> None:
    """Wait until they lead so many shards each, and none two."""
    async with asyncio.timeout(limit):
        while True:
            if all([len(await pod.led()) == each for pod in pods]):
                return
            await asyncio.sleep(0.2)


@pytest.fixture
async def pods(world: RealWorld) -> AsyncIterator[tuple[Pod, Pod]]:
    """Two that share the work."""
    election = {"enabled": True, "namespace": world.namespace, "leaseSeconds": LEASE_SECONDS}
    made = [
        OperatorProcess(
            world.plane,
            f"{world.namespace}-{place}",
            world.prometheus.url,
            program=PROGRAM,
            leaderElection=election,
            shards=SHARDS,
        )
        for place in ("first", "second")
    ]
    try:
        first, second = [Pod(process, await process.start()) for process in made]
        await until_leading(first, second, each=2)
        yield first, second
    finally:
        for process in made:
            await process.stop()
    assert not [process.log for process in made if "Traceback" in process.log.read_text()]


def names_of(world: RealWorld, shards: Iterable[int]) -> list[str]:
    """Find a name in each of these shards."""
    free = (f"model-{number}" for number in range(200))
    by_shard = {shard_of(Key(world.namespace, name), SHARDS): name for name in free}
    return [by_shard[shard] for shard in sorted(shards)]


def weights(world: RealWorld, name: str) -> dict[str, int]:
    """Weights by version in a live route."""
    route = world.mirror.get(VIRTUAL_SERVICE, name)
    split = read_split(route) if route is not None else None
    return {world.version(revision): weight for revision, weight in split.weights} if split else {}


async def until_weights(world: RealWorld, name: str, wanted: dict[str, int]) -> None:
    """Wait until a live route has these weights, others not told."""

    def there() -> bool:
        return wanted.items() <= weights(world, name).items()

    await world.until(there, f"{name} at {wanted}", limit=60)


def history(world: RealWorld, name: str) -> list[int]:
    """The weights that version 2 of one had, one after the other."""
    written = (one for one in world.mirror.history if (one.kind, one.name) == (VIRTUAL_SERVICE, name))
    splits = (read_split(one.manifest) for one in written)
    shown = [sum(at for revision, at in split.weights if world.version(revision) == "2") for split in splits if split]
    return [weight for at, weight in enumerate(shown) if at == 0 or shown[at - 1] != weight]


def spoil(world: RealWorld, names: Iterable[str], version: str) -> None:
    """Let a version fail everywhere."""
    for one in world.mirror.all(CONTROLLER_REVISION):
        owner = one["metadata"]["ownerReferences"][0]["name"]
        if owner in names and one["data"]["version"] == version:
            world.prometheus.spoil(one["metadata"]["name"])


async def try_in(world: RealWorld, names: list[str], *, group: str = "") -> None:
    """Let version 1 of each serve, and version 2 stay at ten per cent."""
    for version, weight in (("1", 100), ("2", 10)):
        grouped = {"group": {"name": group, "release": f"r{version}"}} if group else {}
        for name in names:
            await world.commit(version, name=name, steps=LASTING, **grouped)
        for name in names:
            await until_weights(world, name, {version: weight})


async def at_rest(world: RealWorld) -> None:
    """Wait until nothing more is written."""
    while await world.mirror.written_within(1.5):
        continue


async def test_what_a_killed_operator_led_is_led_again_in_seconds(world: RealWorld, pods: tuple[Pod, Pod]) -> None:
    """The other reverts what has turned bad; nothing was decided by both, and no weight comes back."""
    first, second = pods
    names = names_of(world, range(SHARDS))
    dead = set(names_of(world, await first.led()))
    await try_in(world, names)
    assert first.decided() == dead
    assert second.decided() == set(names) - dead
    await first.process.kill()
    spoil(world, names, "2")
    await until_leading(second, each=SHARDS, limit=LEASE_SECONDS + 15)
    for name in names:
        await until_weights(world, name, {"1": 100})
    await at_rest(world)
    assert second.decided() == set(names)
    assert {name: history(world, name) for name in names} == {name: [0, 10, 0] for name in names}
    holders = [await world.api.get(LEASE, world.namespace, one) for one in ("serinus", "serinus-shard-3")]
    assert [one["spec"]["holderIdentity"] for one in holders if one] == [second.identity] * 2


async def test_a_frozen_operator_that_wakes_up_writes_nothing(world: RealWorld, pods: tuple[Pod, Pod]) -> None:
    """It would take back a canary that another has promoted meanwhile; it loses its leases, and shares again later."""
    first, second = pods
    frozen = names_of(world, await first.led())
    await try_in(world, frozen)
    first.send(signal.SIGSTOP)
    await until_leading(second, each=SHARDS)
    spoil(world, frozen, "2")
    for name in frozen:
        await until_weights(world, name, {"1": 100})
    # What was on its way when it was frozen was sent before; Events, too, are not to be sent afterwards.
    before = len(first.process.lines())
    first.send(signal.SIGCONT)
    await until_leading(first, second, each=2)
    woken = first.process.lines()[before:]
    asleep = woken[: [one["event"] for one in woken].index("leads")]
    assert [one for one in asleep if " was lost" in str(one["event"])]
    assert logged_in(asleep) == []
    assert decided_in(woken).isdisjoint(decided_in(second.process.lines()))
    assert second.decided() == set(frozen)
    assert {name: history(world, name) for name in frozen} == {name: [0, 10, 0] for name in frozen}


async def test_a_host_that_two_operators_claim_at_once_goes_to_one(world: RealWorld, pods: tuple[Pod, Pod]) -> None:
    """Each decides one of two ModelDeployments, and neither has heard of the other's route."""
    names = [names_of(world, [min(await pod.led())])[0] for pod in pods]
    host = f"shared.{world.namespace}.example.com"
    wanted = [fraud("1", traffic={"hosts": [host], "istio": {"gateways": ["public"]}}) for _ in names]
    for name, manifest in zip(names, wanted, strict=True):
        manifest["metadata"] = {"name": name, "namespace": world.namespace}
    await asyncio.gather(*(world.api.apply(manifest) for manifest in wanted))

    def conflicted() -> list[str]:
        return [name for name in names if stalled(world.mirror.get(MODEL_DEPLOYMENT, name)) == "HostConflict"]

    def having() -> list[str]:
        routes = {name: world.mirror.get(VIRTUAL_SERVICE, name) for name in names}
        return [name for name, route in routes.items() if route is not None and host in route["spec"]["hosts"]]

    await world.until(lambda: len(conflicted()) == 1 and len(having()) == 1, "one has the host", limit=60)
    await at_rest(world)
    assert sorted((*conflicted(), *having())) == sorted(names)


async def test_members_of_a_group_go_back_together_though_two_operators_decide_them(
    world: RealWorld, pods: tuple[Pod, Pod]
) -> None:
    """Each reads of the others what is stored, whoever stored it."""
    names = [names_of(world, [min(await pod.led())])[0] for pod in pods]
    await try_in(world, names, group="shop")
    spoil(world, names[:1], "2")
    for name in names:
        await until_weights(world, name, {"1": 100})
    await at_rest(world)
    assert [pod.decided() for pod in pods] == [{name} for name in names]
    assert "GroupReverted" in {one["status"]["reason"] for one in world.mirror.all(ROLLOUT)}


def stalled(deployment: Json | None) -> str:
    conditions = ((deployment or {}).get("status") or {}).get("conditions") or ()
    return next((str(one["reason"]) for one in conditions if one["type"] == "Stalled" and one["status"] == "True"), "")
