"""Two installs whose namespaces overlap: one leads, the other says why it does not."""

from __future__ import annotations

import asyncio

import pytest

from serinus.adapters.kubernetes.installs import OtherInstalls, Turn
from serinus.adapters.kubernetes.lease import LeaderLease
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.namespace_leases import NamespaceLeases
from tests.support.hand_clock import HandClock
from tests.support.lease_store import LeaseStore, acquired


class Install:
    """One install with its Lease, in a namespace of its own."""

    def __init__(
        self, leases: LeaseStore, clock: HandClock, namespace: str, *watched: str, shards: int = 1, shard: int = 0
    ) -> None:
        name = LeaseName(namespace, "serinus", f"pod-of-{namespace}-by-{shards}", watched, shards)
        self.lease = LeaderLease(leases, clock, name.of_shard(shard))
        self.others = OtherInstalls(leases, clock, name)

    async def begin(self) -> Turn:
        await acquired(self.lease)
        turn = await self.others.turn()
        if turn is Turn.LEAD:
            await self.lease.claim()
        elif turn is Turn.GIVE_WAY:
            await self.lease.release()
        return turn


@pytest.fixture
def leases() -> LeaseStore:
    return LeaseStore()


@pytest.mark.parametrize(
    ("first", "second", "turn"),
    [
        pytest.param((), (), Turn.GIVE_WAY, id="both watch all"),
        pytest.param((), ("ml",), Turn.GIVE_WAY, id="all and one"),
        pytest.param(("ml",), (), Turn.GIVE_WAY, id="one and all"),
        pytest.param(("ml", "web"), ("web", "shop"), Turn.GIVE_WAY, id="one in common"),
        pytest.param(("ml",), ("web",), Turn.LEAD, id="nothing in common"),
    ],
)
@pytest.mark.parametrize("places", [("a", "b"), ("b", "a")], ids=["", "the second sorts first"])
async def test_the_second_gives_way_where_namespaces_overlap(
    leases: LeaseStore,
    clock: HandClock,
    first: tuple[str, ...],
    *,
    second: tuple[str, ...],
    turn: Turn,
    places: tuple[str, str],
) -> None:
    """Whatever it is called; it names the Lease of the one that leads, and holds none itself."""
    leading, late = Install(leases, clock, places[0], *first), Install(leases, clock, places[1], *second)
    assert await leading.begin() is Turn.LEAD
    assert await late.begin() is turn
    assert (f"{places[0]}/serinus" in late.others.said) == (turn is Turn.GIVE_WAY)
    assert late.lease.writes_allowed() == (turn is Turn.LEAD)


async def test_of_two_that_begin_at_once_one_leads(leases: LeaseStore, clock: HandClock) -> None:
    """Both have claimed before either looks: the first by name waits until the other has given way."""
    one, other = Install(leases, clock, "a"), Install(leases, clock, "b")
    await acquired(one.lease)
    await acquired(other.lease)
    assert (await one.others.turn(), await other.others.turn()) == (Turn.WAIT, Turn.GIVE_WAY)
    await other.lease.release()
    assert await one.others.may_lead()


async def test_never_do_two_lead_whatever_the_order(leases: LeaseStore, clock: HandClock) -> None:
    """Claim, then look: whoever looks second sees the first."""
    for order in ("aabb", "abab", "abba", "baab", "baba", "bbaa"):
        leases.stored.clear()
        installs, turns = {name: Install(leases, clock, name) for name in "ab"}, {}
        for step, name in enumerate(order):
            if name not in order[:step]:
                await acquired(installs[name].lease)
            else:
                turns[name] = await installs[name].others.turn()
        assert list(turns.values()).count(Turn.LEAD) <= 1, order


async def test_the_second_leads_once_the_first_has_gone(leases: LeaseStore, clock: HandClock) -> None:
    """Removed in good order, or killed: then its record stands still for its duration."""
    first, second = Install(leases, clock, "a"), Install(leases, clock, "b")
    await first.begin()
    assert await second.begin() is Turn.GIVE_WAY
    clock.move(16)
    assert await second.begin() is Turn.LEAD
    assert second.others.said == ""


async def test_a_leader_that_renews_is_never_taken_for_dead(leases: LeaseStore, clock: HandClock) -> None:
    """However long the second waits."""
    first, second = Install(leases, clock, "a"), Install(leases, clock, "b")
    await first.begin()
    for _ in range(5):
        assert await second.begin() is Turn.GIVE_WAY
        clock.move(2)
        await first.lease.renew()


async def test_who_may_not_list_leases_leads_without_having_looked(leases: LeaseStore, clock: HandClock) -> None:
    """An administrator has decided so; it is logged."""
    await Install(leases, clock, "a").begin()
    leases.forbidden = True
    assert await asyncio.wait_for(Install(leases, clock, "b").others.may_lead(), 5)


def within(leases: LeaseStore, clock: HandClock, place: str, *watched: str) -> NamespaceLeases:
    """An install that watches some namespaces only."""
    return NamespaceLeases(leases, clock, LeaseName(place, "serinus", "pod", watched), seconds=15)


@pytest.mark.parametrize(
    ("second", "leads"),
    [(("web", "shop"), False), (("shop", "web"), False), (("shop",), True)],
    ids=["the first in common", "the last in common", "nothing in common"],
)
async def test_two_that_watch_some_namespaces_exclude_each_other(
    leases: LeaseStore, clock: HandClock, second: tuple[str, ...], leads: bool
) -> None:
    """By a Lease in each of them; who cannot have all holds none."""
    first, late = within(leases, clock, "a", "ml", "web"), within(leases, clock, "b", *second)
    assert await first.may_lead()
    assert await late.may_lead() is leads
    assert ("the Lease web/serinus-install (a/serinus)" in late.said) is not leads
    held = {place[0] for place, one in leases.stored.items() if one["spec"]["holderIdentity"] == "b/serinus"}
    assert held == (set(second) if leads else set())
    await first.release()
    assert await late.may_lead()
    assert late.said == ""


async def test_another_pod_of_the_same_install_takes_over_at_once(leases: LeaseStore, clock: HandClock) -> None:
    """The Leases of the namespaces are the install's; which pod leads is for its own Lease to say."""
    assert await within(leases, clock, "a", "ml").may_lead()
    assert await within(leases, clock, "a", "ml").may_lead()


async def test_one_that_watches_all_sees_those_that_watch_some(leases: LeaseStore, clock: HandClock) -> None:
    """Their Leases carry the label, too."""
    assert await within(leases, clock, "z", "ml").may_lead()
    assert await Install(leases, clock, "zz").begin() is Turn.GIVE_WAY


@pytest.mark.parametrize("there_before", [False, True], ids=["a new Lease", "a Lease that is free"])
async def test_one_that_watches_some_gives_way_to_one_that_watches_all(
    leases: LeaseStore, clock: HandClock, there_before: bool
) -> None:
    """It cannot see that one, and is seen by it: the Lease of its namespace is taken before it leads."""
    if there_before:
        gone = within(leases, clock, "gone", "ml")
        await gone.may_lead()
        await gone.release()
    everywhere, some = Install(leases, clock, "a"), within(leases, clock, "b", "ml")
    assert await everywhere.others.may_lead()
    holding = asyncio.create_task(everywhere.others.hold())
    assert not await some.may_lead()
    assert "the Lease ml/serinus-install (a/serinus)" in some.said
    assert not holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await everywhere.others.release()
    assert await some.may_lead()


async def test_one_that_watches_some_and_led_first_is_left_alone(leases: LeaseStore, clock: HandClock) -> None:
    """Its Lease is not taken; one that watches all and leads at the same time stops."""
    some, everywhere = within(leases, clock, "b", "ml"), Install(leases, clock, "a")
    assert await some.may_lead()
    assert not await everywhere.others.may_lead()
    assert not await everywhere.others.keep_away()
    assert leases.stored["ml", "serinus-install"]["spec"]["holderIdentity"] == "b/serinus"
    assert "ml/serinus-install (b/serinus)" in everywhere.others.said


async def test_a_standby_of_the_same_install_is_not_kept_away(leases: LeaseStore, clock: HandClock) -> None:
    """The Leases that its leader took are those of the install."""
    gone = within(leases, clock, "gone", "ml")
    await gone.may_lead()
    await gone.release()
    assert await Install(leases, clock, "a").others.may_lead()
    assert leases.stored["ml", "serinus-install"]["spec"]["holderIdentity"] == "a/serinus"
    assert await Install(leases, clock, "a").others.may_lead()
    assert not await Install(leases, clock, "b").others.may_lead()


async def test_a_namespaces_lease_that_cannot_be_taken_is_said_once(
    leases: LeaseStore, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Rights of an older chart: it leads as it did, and the log is not filled."""
    gone = within(leases, clock, "gone", "ml")
    await gone.may_lead()
    await gone.release()
    leases.unpatched = True
    everywhere = Install(leases, clock, "a")
    for _ in range(3):
        assert await everywhere.others.keep_away()
    assert len([line for line in caplog.messages if "namespace ml alone" in line]) == 1


async def test_writes_end_with_the_first_of_the_leases(leases: LeaseStore, clock: HandClock) -> None:
    """One namespace that somebody else may have by then is one too many."""
    some = within(leases, clock, "a", "ml", "web")
    assert some.seconds_left() < 0
    await some.may_lead()
    left = some.seconds_left()
    assert 0 < left <= 15
    clock.move(left)
    assert some.seconds_left() <= 0


@pytest.mark.parametrize(
    ("first", "second", "turn"),
    [
        pytest.param(1, 4, Turn.GIVE_WAY, id="more shards than before"),
        pytest.param(4, 1, Turn.GIVE_WAY, id="fewer shards than before"),
        pytest.param(4, 4, Turn.LEAD, id="as many as before"),
    ],
)
async def test_pods_that_divide_one_install_otherwise_do_not_lead_together(
    leases: LeaseStore, clock: HandClock, first: int, second: int, turn: Turn
) -> None:
    """The one that comes later is a standby until the other has gone, and is as ready as a standby is."""
    leading = Install(leases, clock, "a", shards=first, shard=first - 1)
    late = Install(leases, clock, "a", shards=second, shard=0 if first > 1 else 1)
    assert await leading.begin() is Turn.LEAD
    assert await late.begin() is turn
    assert late.others.said == ""
    await leading.lease.release()
    assert await late.begin() is Turn.LEAD


async def test_of_two_divisions_that_begin_at_once_the_smaller_leads(leases: LeaseStore, clock: HandClock) -> None:
    """An older version waits for whoever sorts behind it, and is not divided."""
    one, four = Install(leases, clock, "a"), Install(leases, clock, "a", shards=4, shard=2)
    await acquired(four.lease)
    await acquired(one.lease)
    assert (await one.others.turn(), await four.others.turn()) == (Turn.WAIT, Turn.GIVE_WAY)
    await four.lease.release()
    assert await one.others.may_lead()


@pytest.mark.parametrize(("first", "second"), [(1, 4), (4, 1), (2, 4)])
async def test_divisions_exclude_each_other_where_some_namespaces_are_watched(
    leases: LeaseStore, clock: HandClock, first: int, second: int
) -> None:
    """By the Lease of the namespace, which is held by the install as it is divided; what is shared runs out."""
    leading, late = (
        NamespaceLeases(leases, clock, LeaseName("a", "serinus", f"pod-{number}", ("ml",), number), seconds=5)
        for number in (first, second)
    )
    assert await leading.may_lead()
    assert not await late.may_lead()
    assert late.said == ""
    await leading.release()
    assert leading.seconds_left() < 0
    assert await late.may_lead() is (first == 1), "another pod may still count on what is shared"
    clock.move(5)
    assert await late.may_lead()
