"""The lease, between processes whose clocks the test moves."""

from __future__ import annotations

import asyncio
import copy

import pytest

from serinus.adapters.kubernetes.lease import MARGIN_SECONDS, LeaderLease
from serinus.adapters.kubernetes.lease_record import LeaseName, shards_of
from serinus.core.model.errors import Conflict, Unavailable
from serinus.core.model.kinds import Json, Kind
from tests.support.hand_clock import HandClock
from tests.support.lease_store import acquired


class Store:
    """Holds one Lease as the API server would; `broken` makes it unreachable."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.version = 0
        self.broken = False

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._check()
        return copy.deepcopy(self.lease)

    async def create(self, manifest: Json) -> Json:
        self._check()
        if self.lease is not None:
            raise Conflict("it exists")
        self.lease = copy.deepcopy(manifest)
        return self._bump()

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._check()
        await asyncio.sleep(0)
        assert self.lease is not None
        if patch["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("it has changed")
        self.lease["spec"].update(patch["spec"])
        self.lease["metadata"].update(patch["metadata"])
        return self._bump()

    def _check(self) -> None:
        if self.broken:
            raise Unavailable("the API server is away")

    def _bump(self) -> Json:
        assert self.lease is not None
        self.version += 1
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    def edit(self, **spec: object) -> None:
        """Let somebody else write the record."""
        assert self.lease is not None
        self.lease["spec"].update(spec)
        self._bump()


@pytest.fixture
def store() -> Store:
    return Store()


def lease(store: Store, clock: HandClock, identity: str = "first") -> LeaderLease:
    return LeaderLease(store, clock, LeaseName("serinus", "operator", identity), seconds=15)


async def test_the_first_takes_a_lease_that_nobody_holds(store: Store, clock: HandClock) -> None:
    """And may write from then on, not before."""
    first = lease(store, clock)
    assert not first.writes_allowed()
    await acquired(first)
    assert first.writes_allowed()


async def test_writing_ends_before_the_lease_does(store: Store, clock: HandClock) -> None:
    """The margin is for a write that is under way when the time is over."""
    first = lease(store, clock)
    await acquired(first)
    clock.move(15 - MARGIN_SECONDS)
    assert not first.writes_allowed()


async def test_a_second_waits_until_the_record_has_stood_still_for_its_duration(store: Store, clock: HandClock) -> None:
    """By its own clock: that of the first may be wrong."""
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    await acquired(first)
    before = clock.monotonic()
    await asyncio.wait_for(acquired(second), 5)
    assert clock.monotonic() - before >= 15
    assert second.writes_allowed()
    assert not first.writes_allowed()
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] == 1


async def test_a_renewal_keeps_the_second_out(store: Store, clock: HandClock) -> None:
    """A record that moves is not taken, however long one waits."""
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    await acquired(first)
    for _ in range(5):
        assert not await second.try_once()
        clock.move(10)
        await acquired(first)
    assert first.writes_allowed()
    assert not second.writes_allowed()


async def test_a_released_lease_is_taken_at_once(store: Store, clock: HandClock) -> None:
    """A rolling update of the operator costs a second, not five."""
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    await acquired(first)
    await first.release()
    assert not first.writes_allowed()
    await acquired(second)
    assert clock.slept == []
    assert second.writes_allowed()


async def test_a_holder_that_comes_back_takes_its_own_lease_at_once(store: Store, clock: HandClock) -> None:
    """A container that was killed and started again in the same pod is the only one of its name."""
    await acquired(lease(store, clock, "pod-1"))
    again = lease(store, clock, "pod-1")
    await acquired(again)
    assert clock.slept == []


async def test_a_holder_that_cannot_renew_stops_writing_in_time(store: Store, clock: HandClock) -> None:
    """An API server that is away for it may be there for the other."""
    first = lease(store, clock)
    await acquired(first)
    store.broken = True
    started = clock.monotonic()
    await asyncio.wait_for(first.hold(), 5)
    assert not first.writes_allowed()
    assert clock.monotonic() - started <= 15


async def test_a_holder_that_finds_another_name_stops_at_once(store: Store, clock: HandClock) -> None:
    """Somebody edited the lease, or our clock stood still: the other is the writer now."""
    first = lease(store, clock)
    await acquired(first)
    store.edit(holderIdentity="second")
    await asyncio.wait_for(first.hold(), 5)
    assert not first.writes_allowed()
    assert len(clock.slept) == 1


async def test_two_that_come_at_once_are_told_apart(store: Store, clock: HandClock) -> None:
    """The resourceVersion decides; the loser waits."""
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    await asyncio.gather(first.try_once(), second.try_once())
    assert first.writes_allowed() != second.writes_allowed()


async def test_a_renewal_that_hangs_is_given_up_in_time_for_others(store: Store, clock: HandClock) -> None:
    """One request that is never answered must not cost the lease."""
    first = LeaderLease(store, clock, LeaseName("serinus", "operator", "first"), seconds=1)
    get, hung = store.get, asyncio.Event()

    async def hang(kind: Kind, namespace: str, name: str) -> Json | None:
        await hung.wait()
        return await get(kind, namespace, name)

    store.get = hang  # type: ignore[method-assign]
    assert not await asyncio.wait_for(first.try_once(), 5)
    store.get = get  # type: ignore[method-assign]
    assert await first.try_once()


async def test_the_record_says_what_is_watched_and_who_leads(store: Store, clock: HandClock) -> None:
    """For other installs; a new holder has still to say that it leads."""

    def said() -> tuple[str, str]:
        assert store.lease is not None
        annotations = store.lease["metadata"]["annotations"]
        return annotations["serinus.dev/namespaces"], annotations["serinus.dev/leads"]

    first = lease(store, clock)
    await acquired(first)
    assert said() == ("*", "false")
    await first.claim()
    await first.renew()
    assert said() == ("*", "true")
    await first.release()
    second = LeaderLease(store, clock, LeaseName("serinus", "operator", "second", ("ml", "web")), seconds=15)
    await acquired(second)
    assert said() == ("ml,web", "false")


async def test_a_renewal_is_one_request(store: Store, clock: HandClock) -> None:
    """While nobody else writes the record it need not be read."""
    first = lease(store, clock)
    await acquired(first)
    store.get = never_asked  # type: ignore[method-assign]
    clock.move(3)
    assert await first.renew()
    assert first.seconds_left() == 15 - MARGIN_SECONDS


async def never_asked(kind: Kind, namespace: str, name: str) -> Json | None:
    raise AssertionError("it was read")


async def test_an_edited_record_that_still_names_us_is_renewed(store: Store, clock: HandClock) -> None:
    """Somebody may annotate it; a renewal of our own may have gone unanswered."""
    first = lease(store, clock)
    await acquired(first)
    store.edit(renewTime="2024-01-01T00:00:00.000000Z")
    assert await first.renew()


@pytest.mark.parametrize("holder", ["second", ""], ids=["another's", "nobody's"])
async def test_what_was_lost_is_not_renewed(store: Store, clock: HandClock, holder: str) -> None:
    """Whoever had it meanwhile has written; to lead again is another tenure."""
    first = lease(store, clock)
    await acquired(first)
    store.edit(holderIdentity=holder)
    assert not await first.renew()
    assert not first.writes_allowed()


async def test_who_sleeps_through_its_lease_does_not_renew_it(store: Store, clock: HandClock) -> None:
    """A frozen process wakes up after its time, and another install may lead although the record is untouched."""
    first = lease(store, clock)
    await acquired(first)
    clock.move(15)
    assert not await first.renew()
    assert not first.writes_allowed()


async def test_what_was_given_up_is_not_taken_back_by_a_renewal_under_way(store: Store, clock: HandClock) -> None:
    """Both wait for one another; the release is the last word."""
    first = lease(store, clock)
    await acquired(first)
    await asyncio.gather(first.renew(), first.release(), first.renew())
    assert not first.writes_allowed()
    assert store.lease is not None
    assert store.lease["spec"]["holderIdentity"] == ""


async def test_an_older_version_divides_nothing(store: Store, clock: HandClock) -> None:
    """It takes the record over and leaves standing what the holder before it has written about itself."""
    name = LeaseName("serinus", "operator", "first", shards=4)
    first = LeaderLease(store, clock, name, seconds=15)
    await acquired(first)
    assert store.lease is not None
    assert shards_of(store.lease) == 4
    store.edit(holderIdentity="old")
    assert shards_of(store.lease) == 1


def test_the_first_shards_lease_is_the_only_one_of_older_versions() -> None:
    """So an upgrade never has two writers."""
    name = LeaseName("serinus", "operator", "first", shards=3)
    assert [name.of_shard(shard).name for shard in range(3)] == ["operator", "operator-shard-1", "operator-shard-2"]
    assert {name.of_shard(shard).of_install for shard in range(3)} == {"serinus/operator"}
