"""Who leads which shard, between replicas whose clocks the test moves; no two may ever write in one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.kubernetes import shards as module
from serinus.core.model.errors import Forbidden
from serinus.core.model.kinds import LEASE, Json, Kind
from tests.support.lease_store import LeaseStore
from tests.support.replicas import Replica, Replicas

TAKEN_OVER_SECONDS = 7
"""A lease, a look, and one more for the list of replicas."""


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    made = Replicas()
    yield made
    await made.close()


async def test_one_replica_leads_all_shards_at_once(replicas: Replicas) -> None:
    """It waits for nobody."""
    replicas.start("a")
    await replicas.seconds()
    assert replicas.shares == {"a": 4}


@pytest.mark.parametrize("watched", [(), ("ml",)], ids=["all namespaces", "one namespace"])
async def test_a_second_one_gets_half_of_them_one_at_a_time(replicas: Replicas, watched: tuple[str, ...]) -> None:
    """So that no more than one shard is between two leaders."""
    replicas.start("a", watched=watched)
    await replicas.seconds(12)
    replicas.start("b", watched=watched)
    fewest = 4
    for _ in range(12):
        await replicas.seconds()
        fewest = min(fewest, sum(replicas.shares.values()))
    assert replicas.shares == {"a": 2, "b": 2}
    assert fewest >= 3


async def test_two_that_begin_together_share(replicas: Replicas) -> None:
    """Whoever finds a lease taken takes another."""
    replicas.start("a")
    replicas.start("b")
    await replicas.seconds(8)
    assert replicas.shares == {"a": 2, "b": 2}


async def test_three_share_four_evenly(replicas: Replicas) -> None:
    """None is idle."""
    for name in "abc":
        replicas.start(name)
    await replicas.seconds(12)
    assert sorted(replicas.shares.values()) == [1, 1, 2]


async def shared(replicas: Replicas) -> tuple[Replica, Replica]:
    one, other = replicas.start("a"), replicas.start("b")
    await replicas.seconds(8)
    assert replicas.shares == {"a": 2, "b": 2}
    return one, other


async def test_the_shards_of_a_killed_replica_are_led_again_in_seconds(replicas: Replicas) -> None:
    """Nobody has to notice but the others, and nothing of the dead one's is written by then."""
    await shared(replicas)
    replicas.kill("b")
    await replicas.seconds(TAKEN_OVER_SECONDS)
    assert replicas.shares == {"a": 4}


async def test_the_list_of_replicas_keeps_nobody_who_is_gone(replicas: Replicas) -> None:
    """Each pod has a name of its own: it would grow with every upgrade."""
    await shared(replicas)
    replicas.kill("b")
    await replicas.seconds(15)
    lines = replicas.store.stored["ops", "serinus-replicas"]["metadata"]["annotations"]
    assert len(lines) == 1


async def test_a_replica_that_ends_in_good_order_is_replaced_at_once(replicas: Replicas) -> None:
    """It takes itself off the list and releases what it led."""
    await shared(replicas)
    await replicas.stop("b")
    await replicas.seconds(2)
    assert replicas.shares == {"a": 4}


async def test_a_frozen_replica_writes_nothing_when_it_wakes_up(replicas: Replicas) -> None:
    """By its own clock its time is over before it can have heard of anything; later it has a share again."""
    _, frozen = await shared(replicas)
    frozen.frozen = True
    before = dict(frozen.decided.tenures)
    await replicas.seconds(TAKEN_OVER_SECONDS)
    assert replicas.shares["a"] == 4
    frozen.frozen = False
    assert frozen.may_write == set()
    await replicas.seconds(12)
    assert replicas.shares == {"a": 2, "b": 2}
    assert all(tenure.seconds_left() < 0 for tenure in before.values()), "what was begun then is over for good"


async def test_a_replica_that_was_cut_off_stops_in_time_and_stands_by(replicas: Replicas) -> None:
    """It goes on running, and shares the work again when it is back."""
    _, lost = await shared(replicas)
    lost.way.cut = True
    await replicas.seconds(3)
    assert lost.may_write == set()
    assert lost.decided.ended == [], "nobody else can have it yet: what is remembered may still be of use"
    await replicas.seconds(2)
    assert sorted(lost.decided.ended) == sorted(lost.decided.tenures)
    await replicas.seconds(TAKEN_OVER_SECONDS)
    assert replicas.shares == {"a": 4, "b": 0}
    lost.way.cut = False
    await replicas.seconds(12)
    assert replicas.shares == {"a": 2, "b": 2}


async def test_an_api_server_that_was_away_for_all_finds_them_as_they_were(replicas: Replicas) -> None:
    """Each takes its own again, in another tenure."""
    one, other = await shared(replicas)
    replicas.store.away = True
    await replicas.seconds(10)
    assert one.may_write == other.may_write == set()
    replicas.store.away = False
    await replicas.seconds(8)
    assert replicas.shares == {"a": 2, "b": 2}


async def test_a_shard_is_given_up_once_it_is_at_rest(replicas: Replicas) -> None:
    """Never while a write is under way."""
    busy = replicas.start("a")
    await replicas.seconds(2)
    busy.decided.at_rest.clear()
    replicas.start("b")
    await replicas.seconds(4)
    assert replicas.shares == {"a": 4, "b": 0}
    busy.decided.at_rest.set()
    await replicas.seconds(12)
    assert replicas.shares == {"a": 2, "b": 2}
    left = [shard for shard, tenure in busy.decided.tenures.items() if tenure.left]
    assert sorted(left) == sorted(busy.decided.ended)


async def test_what_never_comes_to_rest_runs_out(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is not released: what hangs might be sent after all."""
    monkeypatch.setattr(module, "FINISH_SECONDS", 0.01)
    busy = replicas.start("a", shards=2)
    await replicas.seconds(2)
    busy.decided.at_rest.clear()
    replicas.start("b", shards=2)
    await replicas.seconds(2)
    await asyncio.wait_for(busy.leases.settled(), 5)
    assert replicas.store.holder("ops", "serinus-shard-1") == "a"
    assert busy.may_write == {0}
    assert not busy.decided.tenures[1].left
    await replicas.seconds(TAKEN_OVER_SECONDS)
    assert replicas.shares == {"a": 1, "b": 1}


async def test_a_shard_with_a_write_that_was_given_up_on_its_way_runs_out(replicas: Replicas) -> None:
    """It may still arrive; one of long ago no more."""
    unsure = replicas.start("a", shards=2)
    await replicas.seconds(2)
    unsure.decided.tenures[0].unsettle()
    await replicas.seconds(5)
    unsure.decided.tenures[1].unsettle()
    await replicas.stop("a")
    holders = [replicas.store.holder("ops", name) for name in ("serinus", "serinus-shard-1")]
    assert holders == ["", "a"]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (2, 4)], ids=str)
@pytest.mark.parametrize("watched", [(), ("ml",)], ids=["all namespaces", "one namespace"])
async def test_another_number_of_shards_waits_until_the_last_of_the_old_is_gone(
    replicas: Replicas, before: int, after: int, watched: tuple[str, ...]
) -> None:
    """As in an upgrade of a Deployment with two replicas: new pods are ready, and lead nothing before."""
    for name in "ab":
        replicas.start(name, shards=before, watched=watched)
    await replicas.seconds(12)
    new = replicas.start("c", shards=after, watched=watched)
    await replicas.seconds(12)
    assert replicas.shares["c"] == 0
    assert new.leases.said == "", "a pod that says what is in its way is not ready, and the upgrade would hang"
    await replicas.stop("a")
    await replicas.seconds(12)
    assert (replicas.shares["b"], replicas.shares["c"]) == (before, 0)
    await replicas.stop("b")
    await replicas.seconds(14)
    assert replicas.shares["c"] == after


async def test_the_standby_of_a_single_shard_keeps_no_list(replicas: Replicas) -> None:
    """It looks at the one lease, as ever, and takes it over."""
    replicas.start("a", shards=1)
    await replicas.seconds()
    replicas.start("b", shards=1)
    await replicas.seconds(3)
    assert replicas.shares == {"a": 1, "b": 0}
    assert list(replicas.store.stored) == [("ops", "serinus")]
    replicas.kill("a")
    await replicas.seconds(TAKEN_OVER_SECONDS)
    assert replicas.shares == {"b": 1}


async def test_another_install_leads_nothing_until_the_last_shard_is_released(replicas: Replicas) -> None:
    """Every lease of ours is one that it sees; it says which."""
    await shared(replicas)
    other = replicas.start("x", install="other", shards=4)
    await replicas.seconds(8)
    assert replicas.shares["x"] == 0
    assert "the Lease ops/serinus" in other.leases.said
    await replicas.stop("a")
    await replicas.seconds(8)
    assert replicas.shares["x"] == 0
    await replicas.stop("b")
    await replicas.seconds(12)
    assert replicas.shares == {"x": 4}
    assert other.leases.said == ""


async def test_an_older_version_that_is_there_keeps_the_new_one_out(replicas: Replicas) -> None:
    """It holds the only lease that it knows, for fifteen seconds at a time, and says nothing of shards."""
    await replicas.store.create(
        {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {
                "name": "serinus",
                "namespace": "ops",
                "labels": {"serinus.dev/lease": "operator"},
                "annotations": {"serinus.dev/namespaces": "*", "serinus.dev/leads": "true"},
            },
            "spec": {"holderIdentity": "old", "leaseDurationSeconds": 15, "leaseTransitions": 0},
        }
    )
    replicas.start("new")
    for beat in range(20):
        await replicas.store.merge(LEASE, "ops", "serinus", {"metadata": {}, "spec": {"renewTime": str(beat)}})
        await replicas.seconds()
    assert replicas.shares == {"new": 0}
    await replicas.seconds(14)
    assert replicas.shares == {"new": 0}
    await replicas.seconds(8)
    assert replicas.shares == {"new": 4}


class NamedOnly(LeaseStore):
    """Rights of a Role that was written by hand, and names the first Lease alone; `patched` once it names all."""

    def __init__(self, *, readable: bool) -> None:
        super().__init__()
        self.readable, self.patched = readable, False

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        if not self.readable:
            self._permit(name)
        return await super().get(kind, namespace, name)

    async def create(self, manifest: Json) -> Json:
        self._permit(manifest["metadata"]["name"])
        return await super().create(manifest)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._permit(name)
        return await super().merge(kind, namespace, name, patch)

    def _permit(self, name: str) -> None:
        if name != "serinus" and not self.patched:
            raise Forbidden(f'leases "{name}" is forbidden')


@pytest.mark.parametrize("readable", [False, True], ids=["neither read nor written", "not written"])
async def test_a_lease_that_the_role_does_not_name_is_said(
    replicas: Replicas, caplog: pytest.LogCaptureFixture, readable: bool
) -> None:
    """Nobody leads those shards, so the pod is not ready; each is logged once."""
    store = replicas.store = NamedOnly(readable=readable)
    one = replicas.start("a")
    await replicas.seconds(20)
    assert one.leases.led() == {0}
    assert "the lease ops/serinus-shard-1" in one.leases.said
    warned = [line for line in caplog.messages if "forbidden" in line]
    assert len(warned) == len(set(warned)) == 4
    store.patched = True
    await replicas.seconds(2)
    assert (one.leases.led(), one.leases.said) == ({0, 1, 2, 3}, "")


class Unhurried(LeaseStore):
    """Answers whoever writes one Lease when it is told to; it is written by then."""

    def __init__(self, late: str) -> None:
        super().__init__()
        self.late, self.answer = late, asyncio.Event()

    async def create(self, manifest: Json) -> Json:
        created = await super().create(manifest)
        if manifest["metadata"]["name"] == self.late:
            await self.answer.wait()
        return created


async def test_a_lease_that_is_being_taken_when_the_process_ends_is_released(replicas: Replicas) -> None:
    """What was sent may be carried out: the release waits for the answer."""
    store = replicas.store = Unhurried("serinus-shard-1")
    one = replicas.start("a", shards=2)
    await replicas.seconds()
    assert store.holder("ops", "serinus-shard-1") == "a"
    leaving = asyncio.create_task(one.leases.leave())
    await replicas.seconds()
    assert not leaving.done()
    store.answer.set()
    await asyncio.wait_for(leaving, 5)
    assert [store.holder("ops", name) for name in ("serinus", "serinus-shard-1")] == ["", ""]


async def test_a_lease_that_is_deleted_by_hand_has_no_two_writers(replicas: Replicas) -> None:
    """Its holder hears of that when it renews it; nobody else makes it anew before it would have run out."""
    one, other = replicas.start("a", shards=1), replicas.start("b", shards=1)
    await replicas.seconds(3)
    assert replicas.shares == {"a": 1, "b": 0}
    del replicas.store.stored["ops", "serinus"]
    for _ in range(20):
        for replica in (other, one):
            replica.age(0.5)
            await replica.leases.look()
            for _ in range(20):
                await asyncio.sleep(0)
            replicas.check()
    assert sum(replicas.shares.values()) == 1


async def test_the_shard_that_is_given_up_is_one_that_shows_no_canary(replicas: Replicas) -> None:
    """Until it is led again nothing in it is decided; of several without the last is given up."""
    busy = replicas.start("a")
    await replicas.seconds(2)
    busy.decided.live = {1: 1, 3: 2}
    replicas.start("b")
    await replicas.seconds(12)
    assert busy.decided.ended == [2, 0]


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_no_two_write_in_one_shard_and_in_the_end_all_are_led(
    replicas: Replicas, seed: int
) -> None:
    """Processes start, end, die, freeze and are cut off at random; `Replicas.check` looks after each step."""
    chance = random.Random(seed)
    started = 0
    for _ in range(60):
        names = sorted(replicas.there)
        act = chance.choice(["start", "stop", "kill", "freeze", "cut", "away", "", "", "", ""])
        if act == "start" and len(names) < 4:
            started += 1
            replicas.start(f"pod-{started}", shards=chance.choice([4, 4, 4, 1]))
        elif act in {"stop", "kill"} and names:
            name = chance.choice(names)
            if act == "stop" and not replicas.there[name].frozen:
                await replicas.stop(name)
            else:
                replicas.kill(name)
        elif act in {"freeze", "cut"} and names:
            one = replicas.there[chance.choice(names)]
            one.frozen ^= act == "freeze"
            one.way.cut ^= act == "cut"
        elif act == "away":
            replicas.store.away = not replicas.store.away
        await replicas.seconds(chance.choice([1, 1, 2, 5]))
    replicas.store.away = False
    for replica in replicas.there.values():
        replica.frozen = replica.way.cut = False
    for name in [name for name, one in replicas.there.items() if one.name.shards == 1]:
        replicas.kill(name)
    replicas.start("last")
    await replicas.seconds(40)
    assert sum(replicas.shares.values()) == 4
    assert max(replicas.shares.values()) - min(replicas.shares.values()) <= 1
