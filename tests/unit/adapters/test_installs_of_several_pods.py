"""Installs that keep each other out though each has several pods: no memory of a single one of them decides it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.kubernetes.installs import OtherInstalls
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.namespace_leases import NamespaceLeases
from serinus.core.model.kinds import Json, Kind
from tests.support.hand_clock import HandClock
from tests.support.lease_store import LeaseStore
from tests.support.replicas import Replicas


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    made = Replicas()
    yield made
    await made.close()


def named(install: str, *watched: str, shards: int = 1) -> LeaseName:
    return LeaseName("ops", install, f"pod-of-{install}", watched, shards)


@pytest.mark.parametrize(("shards", "pods"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 3)])
async def test_a_newcomer_to_one_namespace_never_leads_beside_the_install_of_all(
    replicas: Replicas, shards: int, pods: int
) -> None:
    """Its second pod finds the Lease of the namespace held by the install, and that it does not say that it leads."""
    replicas.start("big", shards=1, install="big")
    await replicas.seconds(4)
    for number in range(pods):
        replicas.start(f"small-{number}", shards=shards, install="small", watched=("ml",))
    for _ in range(30):
        await replicas.seconds()
        assert replicas.there["big"].may_write == {0}
        assert sum(replicas.shares.values()) == 1


async def test_a_lease_that_was_given_back_before_anybody_led_from_it_is_held_for_a_while_again() -> None:
    """The install of all namespaces need not have seen it in between."""
    leases, clock = LeaseStore(), HandClock()
    unlucky = NamespaceLeases(leases, clock, named("small", "ml", "web"), seconds=5)
    other = NamespaceLeases(leases, clock, named("other", "web"), seconds=5)
    assert await other.may_lead()
    assert not await unlucky.may_lead()
    assert leases.holder("ml", "serinus-install") == ""
    clock.slept.clear()
    assert await NamespaceLeases(leases, clock, named("next", "ml"), seconds=5).may_lead()
    assert sum(clock.slept) >= 6


async def test_a_lease_that_an_install_led_from_is_taken_over_without_waiting() -> None:
    """Who could object had it, or has had the time to."""
    leases, clock = LeaseStore(), HandClock()
    first = NamespaceLeases(leases, clock, named("first", "ml"), seconds=5)
    await first.may_lead()
    await first.release()
    clock.slept.clear()
    assert await NamespaceLeases(leases, clock, named("second", "ml"), seconds=5).may_lead()
    assert clock.slept == []


class Hasty(LeaseStore):
    """Has somebody else claim what was listed, before the answer is read."""

    def __init__(self) -> None:
        super().__init__()
        self.between: NamespaceLeases | None = None

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        listed = await super().list(kind, namespace, label_selector=label_selector)
        hasty, self.between = self.between, None
        if hasty is not None and listed:
            assert await hasty.may_lead()
        return listed


async def test_who_was_faster_with_the_lease_of_a_namespace_is_found_before_anybody_leads() -> None:
    """A refused write says that the list is old: it is read again, and not taken for a look."""
    leases, clock = Hasty(), HandClock()
    gone = NamespaceLeases(leases, clock, named("gone", "ml"), seconds=5)
    await gone.may_lead()
    await gone.release()
    leases.between = NamespaceLeases(leases, clock, named("small", "ml"), seconds=5)
    assert not await OtherInstalls(leases, clock, named("big"), seconds=5).keep_away()


async def test_standbys_are_ready_again_when_the_other_install_is_gone(replicas: Replicas) -> None:
    """One of them leads; the other one is its standby, and nothing is in its way."""
    replicas.start("x", shards=1, install="other")
    await replicas.seconds(4)
    ours = [replicas.start(each, shards=1) for each in "ab"]
    await replicas.seconds(30)
    assert all("the Lease ops/other" in one.leases.said for one in ours)
    await replicas.stop("x")
    await replicas.seconds(60)
    assert sum(replicas.shares.values()) == 1
    assert [one.leases.said for one in ours] == ["", ""]


class Counting(LeaseStore):
    """Counts what it is asked, and what it refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.refused = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self.asked += 1
        return await super().get(kind, namespace, name)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self.asked += 1
        self.refused += 1
        merged = await super().merge(kind, namespace, name, patch)
        self.refused -= 1
        return merged


@pytest.mark.parametrize("pods", [1, 2, 4])
async def test_the_leases_of_namespaces_cost_each_pod_one_request_a_second(replicas: Replicas, pods: int) -> None:
    """What another pod of the install has renewed need not be renewed."""
    store = replicas.store = Counting()
    for number in range(pods):
        replicas.start(f"pod-{number}", shards=4, watched=tuple(f"ns-{each}" for each in range(20)))
    await replicas.seconds(40)
    store.asked = store.refused = 0
    await replicas.seconds(20)
    assert sum(replicas.shares.values()) == 4
    assert store.asked / 20 <= 26 * pods
    assert store.refused <= 20


async def test_what_keeps_newcomers_away_is_renewed_by_one_pod_at_a_time() -> None:
    """What another pod of the install has renewed since the last look is as good."""
    leases, clock = Counting(), HandClock()
    gone = NamespaceLeases(leases, clock, named("gone", "ml"), seconds=5)
    await gone.may_lead()
    await gone.release()
    pods = [OtherInstalls(leases, clock, named("big", shards=2), seconds=5) for _ in range(2)]
    for each in pods:
        assert await each.keep_away()
    leases.asked = 0
    for _ in range(4):
        for each in pods:
            assert await each.keep_away()
    assert (leases.asked, leases.refused) == (4, 0)


async def test_one_pod_that_dies_costs_the_others_no_lease_of_a_namespace(replicas: Replicas) -> None:
    """Whichever of them has renewed it until then."""
    for each in "abc":
        replicas.start(each, shards=3, watched=("ml", "web"))
    await replicas.seconds(30)
    assert replicas.shares == {"a": 1, "b": 1, "c": 1}
    for dead in "ab":
        replicas.kill(dead)
        kept = {each: dict(one.decided.tenures) for each, one in replicas.there.items()}
        await replicas.seconds(12)
        assert sum(replicas.shares.values()) == 3
        for each, tenures in kept.items():
            assert not [shard for shard, tenure in tenures.items() if tenure.ended and not tenure.left], each


@pytest.mark.parametrize("watched", [(), ("ml",)], ids=["all namespaces", "one namespace"])
@pytest.mark.parametrize("unsettled", [True, False], ids=["a write under way", "at rest"])
async def test_the_lease_of_a_namespace_is_not_released_while_a_write_may_still_arrive(
    replicas: Replicas, watched: tuple[str, ...], unsettled: bool
) -> None:
    """Another install goes by it alone, and would lead at once."""
    replicas.start("other", install="other", shards=1, watched=("ml",))
    await replicas.seconds(8)
    await replicas.stop("other")
    one = replicas.start("one", shards=1, watched=watched)
    await replicas.seconds(8)
    assert one.may_write == {0}
    if unsettled:
        one.decided.tenures[0].unsettle()
    await replicas.stop("one")
    replicas.start("next", install="other", shards=1, watched=("ml",))
    await replicas.seconds(3)
    assert replicas.shares == {"next": 0 if unsettled else 1}
    await replicas.seconds(8)
    assert replicas.shares == {"next": 1}


@pytest.mark.parametrize("offset", range(4))
async def test_an_install_that_lost_the_lease_of_one_namespace_releases_no_other(
    replicas: Replicas, offset: int
) -> None:
    """What it sent before may still arrive; it takes both again while they are its own."""
    wide = replicas.start("wide", install="wide", shards=1, watched=("ml", "web"))
    await replicas.seconds(12)
    waits = replicas.start("waits", install="other", shards=1, watched=("web",))
    await replicas.seconds(6 + offset)
    assert (wide.may_write, waits.may_write) == ({0}, set())
    until = wide.decided.tenures[0].seconds_left()
    del replicas.store.stored["ml", "serinus-install"]
    for _ in range(math.ceil(until)):
        assert waits.may_write == set()
        await replicas.seconds()
    await replicas.seconds(12)
    assert (wide.may_write, waits.may_write) == ({0}, set())
