"""Two installs whose namespaces overlap: one leads, the other says why it does not."""

from __future__ import annotations

import asyncio
import copy

import pytest

from serinus.adapters.kubernetes.installs import NamespaceLeases, OtherInstalls, Turn, take_turn
from serinus.adapters.kubernetes.lease import LeaderLease, LeaseName
from serinus.core.model.errors import Conflict, Forbidden
from serinus.core.model.kinds import Json, Kind
from tests.support.hand_clock import HandClock


class Leases:
    """All Leases of a cluster."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Json] = {}
        self.forbidden = False
        self.unpatched = False
        self._version = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self.stored.get((namespace, name)))

    async def create(self, manifest: Json) -> Json:
        place = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if place in self.stored:
            raise Conflict("it exists")
        return self._store(place, copy.deepcopy(manifest))

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        if self.unpatched:
            raise Forbidden("leases")
        live = self.stored[namespace, name]
        if live["metadata"]["resourceVersion"] != patch["metadata"]["resourceVersion"]:
            raise Conflict("it has changed")
        metadata, spec = {**live["metadata"], **patch["metadata"]}, {**live["spec"], **patch["spec"]}
        return self._store((namespace, name), {**live, "metadata": metadata, "spec": spec})

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        if self.forbidden:
            raise Forbidden("leases")
        return [copy.deepcopy(one) for one in self.stored.values() if label_selector in one["metadata"]["labels"]]

    def _store(self, place: tuple[str, str], lease: Json) -> Json:
        self._version += 1
        lease["metadata"]["resourceVersion"] = str(self._version)
        self.stored[place] = lease
        return lease


class Install:
    """One install with its Lease, in a namespace of its own."""

    def __init__(self, leases: Leases, clock: HandClock, namespace: str, *watched: str) -> None:
        name = LeaseName(namespace, "serinus", f"pod-of-{namespace}", watched)
        self.lease = LeaderLease(leases, clock, name)
        self.others = OtherInstalls(leases, clock, name)

    async def begin(self) -> Turn:
        await self.lease.acquire()
        turn = await self.others.turn()
        if turn is Turn.LEAD:
            await self.lease.claim()
        elif turn is Turn.GIVE_WAY:
            await self.lease.release()
        return turn


@pytest.fixture
def leases() -> Leases:
    return Leases()


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
    leases: Leases,
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


async def test_of_two_that_begin_at_once_one_leads(leases: Leases, clock: HandClock) -> None:
    """Both have claimed before either looks: the first by name waits until the other has given way."""
    one, other = Install(leases, clock, "a"), Install(leases, clock, "b")
    await one.lease.acquire()
    await other.lease.acquire()
    assert (await one.others.turn(), await other.others.turn()) == (Turn.WAIT, Turn.GIVE_WAY)
    await other.lease.release()
    assert await one.others.may_lead()


async def test_never_do_two_lead_whatever_the_order(leases: Leases, clock: HandClock) -> None:
    """Claim, then look: whoever looks second sees the first."""
    for order in ("aabb", "abab", "abba", "baab", "baba", "bbaa"):
        leases.stored.clear()
        installs, turns = {name: Install(leases, clock, name) for name in "ab"}, {}
        for step, name in enumerate(order):
            if name not in order[:step]:
                await installs[name].lease.acquire()
            else:
                turns[name] = await installs[name].others.turn()
        assert list(turns.values()).count(Turn.LEAD) <= 1, order


async def test_the_second_leads_once_the_first_has_gone(leases: Leases, clock: HandClock) -> None:
    """Removed in good order, or killed: then its record stands still for its duration."""
    first, second = Install(leases, clock, "a"), Install(leases, clock, "b")
    await first.begin()
    assert await second.begin() is Turn.GIVE_WAY
    clock.move(16)
    assert await second.begin() is Turn.LEAD
    assert second.others.said == ""


async def test_a_leader_that_renews_is_never_taken_for_dead(leases: Leases, clock: HandClock) -> None:
    """However long the second waits."""
    first, second = Install(leases, clock, "a"), Install(leases, clock, "b")
    await first.begin()
    for _ in range(5):
        assert await second.begin() is Turn.GIVE_WAY
        clock.move(10)
        await first.lease._try("renewed")


async def test_who_may_not_list_leases_leads_without_having_looked(leases: Leases, clock: HandClock) -> None:
    """An administrator has decided so; it is logged."""
    await Install(leases, clock, "a").begin()
    leases.forbidden = True
    assert await asyncio.wait_for(Install(leases, clock, "b").others.may_lead(), 5)


def within(leases: Leases, clock: HandClock, place: str, *watched: str) -> NamespaceLeases:
    """An install that watches some namespaces only."""
    return NamespaceLeases(leases, clock, LeaseName(place, "serinus", "pod", watched), seconds=15)


@pytest.mark.parametrize(
    ("second", "leads"),
    [(("web", "shop"), False), (("shop", "web"), False), (("shop",), True)],
    ids=["the first in common", "the last in common", "nothing in common"],
)
async def test_two_that_watch_some_namespaces_exclude_each_other(
    leases: Leases, clock: HandClock, second: tuple[str, ...], leads: bool
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


async def test_another_pod_of_the_same_install_takes_over_at_once(leases: Leases, clock: HandClock) -> None:
    """The Leases of the namespaces are the install's; which pod leads is for its own Lease to say."""
    assert await within(leases, clock, "a", "ml").may_lead()
    assert await within(leases, clock, "a", "ml").may_lead()


async def test_one_that_watches_all_sees_those_that_watch_some(leases: Leases, clock: HandClock) -> None:
    """Their Leases carry the label, too."""
    assert await within(leases, clock, "z", "ml").may_lead()
    assert await Install(leases, clock, "zz").begin() is Turn.GIVE_WAY


@pytest.mark.parametrize("there_before", [False, True], ids=["a new Lease", "a Lease that is free"])
async def test_one_that_watches_some_gives_way_to_one_that_watches_all(
    leases: Leases, clock: HandClock, there_before: bool
) -> None:
    """It cannot see that one, and is seen by it: the Lease of its namespace is taken before it leads."""
    if there_before:
        gone = within(leases, clock, "gone", "ml")
        await gone.may_lead()
        await gone.release()
    everywhere, some = Install(leases, clock, "a"), within(leases, clock, "b", "ml")
    holding = await take_turn(everywhere.lease, everywhere.others)
    assert holding is not None
    assert not await some.may_lead()
    assert "the Lease ml/serinus-install (a/serinus)" in some.said
    assert not holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await everywhere.others.release()
    assert await some.may_lead()


async def test_one_that_watches_some_and_led_first_is_left_alone(leases: Leases, clock: HandClock) -> None:
    """Its Lease is not taken; one that watches all and leads at the same time stops."""
    some, everywhere = within(leases, clock, "b", "ml"), Install(leases, clock, "a")
    assert await some.may_lead()
    assert await take_turn(everywhere.lease, everywhere.others) is None
    assert not await everywhere.others.keep_away()
    assert leases.stored["ml", "serinus-install"]["spec"]["holderIdentity"] == "b/serinus"
    assert "ml/serinus-install (b/serinus)" in everywhere.others.said


async def test_a_standby_of_the_same_install_is_not_kept_away(leases: Leases, clock: HandClock) -> None:
    """The Leases that its leader took are those of the install."""
    gone = within(leases, clock, "gone", "ml")
    await gone.may_lead()
    await gone.release()
    assert await Install(leases, clock, "a").others.may_lead()
    assert leases.stored["ml", "serinus-install"]["spec"]["holderIdentity"] == "a/serinus"
    assert await Install(leases, clock, "a").others.may_lead()
    assert not await Install(leases, clock, "b").others.may_lead()


async def test_a_namespaces_lease_that_cannot_be_taken_is_said_once(
    leases: Leases, clock: HandClock, caplog: pytest.LogCaptureFixture
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


async def test_writes_end_with_the_first_of_the_leases(leases: Leases, clock: HandClock) -> None:
    """One namespace that somebody else may have by then is one too many."""
    some = within(leases, clock, "a", "ml", "web")
    assert some.seconds_left() < 0
    await some.may_lead()
    left = some.seconds_left()
    assert 0 < left <= 15
    clock.move(left)
    assert some.seconds_left() <= 0


async def test_a_turn_holds_both_or_neither(leases: Leases, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given back is free for others at once."""
    first, late = Install(leases, clock, "a"), Install(leases, clock, "b")
    # Who sleeps on this clock moves it for all.
    monkeypatch.setattr(first.others, "hold", asyncio.Event().wait)
    holding = await take_turn(first.lease, first.others)
    assert holding is not None
    assert await take_turn(late.lease, late.others) is None
    assert leases.stored["b", "serinus"]["spec"]["holderIdentity"] == ""
    assert not late.lease.writes_allowed()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_who_is_stopped_while_it_waits_its_turn_holds_nothing(leases: Leases, clock: HandClock) -> None:
    """A successor need not wait for a Lease to run out."""
    install, asked = Install(leases, clock, "a"), asyncio.Event()

    class Slow(OtherInstalls):
        async def may_lead(self) -> bool:
            asked.set()
            await asyncio.Event().wait()
            return True

    turn = asyncio.create_task(take_turn(install.lease, Slow(leases, clock, install.lease.name)))
    await asyncio.wait_for(asked.wait(), 5)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert leases.stored["a", "serinus"]["spec"]["holderIdentity"] == ""
