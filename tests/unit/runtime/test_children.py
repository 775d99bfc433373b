"""Derived objects are made what they should be; what somebody else made is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.core.model.errors import Conflict, Gone, Unavailable
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import SERVICE, VIRTUAL_SERVICE, Json, Kind, kind_of
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.wanted import Workload
from serinus.runtime.carried import digest_of
from serinus.runtime.children import Children, first_error, forget_unwanted
from serinus.runtime.memory import Memory, Readings
from serinus.runtime.rereading import TRIES
from tests.support.world.api import InMemoryApi
from tests.support.world.clock import VirtualClock
from tests.support.world.platform import PROVIDERS

OWNER = Owner("ml", "fraud", "uid-md")
REVISION = Revision("fraud-1", "1", 1, "v1", "fraud", {"spec": {}}, uid="uid-revision")


class Desk:
    def __init__(self) -> None:
        self.api = InMemoryApi(VirtualClock())
        self.memory = Memory()
        self.children = Children(self.api, self.api.cache, PROVIDERS)

    async def ensure(self, manifest: Json) -> bool:
        return await self.children.ensure(OWNER, manifest, self.memory) is not None


def service(port: int = 8000, name: str = "fraud") -> Json:
    metadata = OWNER.metadata(name)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": port}]}}


def route(weight: int) -> Json:
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": "VirtualService",
        "metadata": OWNER.metadata("fraud"),
        "spec": {"http": [{"route": [{"weight": weight}]}]},
    }


async def test_what_is_missing_is_made_in_one_request() -> None:
    """Once, and never again while it is there."""
    desk = Desk()
    assert await desk.ensure(service())
    assert not await desk.ensure(service())
    assert (desk.api.writes, desk.api.reads) == (["apply Service fraud"], [])


async def test_what_differs_is_applied() -> None:
    """An edit by hand, or another wish."""
    desk = Desk()
    await desk.ensure(service())
    assert await desk.ensure(service(9000))
    desk.api.edit(SERVICE, "fraud", lambda one: one["spec"].update(ports=[]))
    assert await desk.ensure(service(9000))


async def test_a_name_that_somebody_else_holds_is_a_conflict() -> None:
    """Nothing is written; it ends when the name is free."""
    desk = Desk()
    theirs = desk.api.put({**service(), "metadata": {"name": "fraud", "namespace": "ml"}})
    assert not await desk.ensure(service(9000))
    assert desk.memory.conflicts["Service/fraud"].reason == "NameConflict"
    assert desk.api.find(SERVICE, "fraud") == theirs
    desk.api.remove(SERVICE, "ml", "fraud")
    assert await desk.ensure(service(9000))
    assert desk.memory.conflicts == {}


async def test_a_name_that_no_watch_tells_of_is_a_conflict_too() -> None:
    """Somebody else's object has no label of ours: the write finds it, and from then on it is looked at first."""
    desk = Desk()
    desk.api.unwatched = {SERVICE}
    theirs = desk.api.put({**service(), "metadata": {"name": "fraud", "namespace": "ml"}})
    for _ in range(3):
        assert not await desk.ensure(service(9000))
    assert desk.memory.conflicts["Service/fraud"].reason == "NameConflict"
    assert desk.api.find(SERVICE, "fraud") == theirs
    assert desk.api.writes == ["apply Service fraud"]


async def test_an_object_of_ours_that_no_watch_tells_of_is_taken_up() -> None:
    """A process was killed between the write and its answer, or the watch is dead: the controller's uid says so."""
    desk = Desk()
    desk.api.unwatched = {SERVICE}
    desk.api.put(service(8000))
    applied = await desk.children.ensure(OWNER, service(9000), desk.memory)
    assert applied is not None
    assert not applied.created
    assert desk.api.find(SERVICE, "fraud")["spec"] == service(9000)["spec"]  # type: ignore[index]


async def test_our_label_on_somebody_elses_object_makes_it_no_child_of_ours() -> None:
    """The controller's uid decides."""
    desk = Desk()
    stolen = service()
    stolen["metadata"] = {**stolen["metadata"], "ownerReferences": [{"uid": "uid-other", "controller": True}]}
    desk.api.put(stolen)
    assert not await desk.ensure(service(9000))
    assert desk.api.writes == []


@pytest.mark.parametrize("live", [service(), route(100)], ids=["a Service", "a route"])
async def test_what_our_copy_was_too_old_for_is_read_and_written_again(live: Json) -> None:
    """409 says that the watch is late or dead: the write does not wait for it."""
    desk = Desk()
    await desk.ensure(live)
    kind = kind_of(live)
    desk.api.unwatched = {kind}
    desk.api.edit(kind, "fraud", lambda one: one["metadata"].update(annotations={}))
    wanted = service(9000) if kind is SERVICE else route(50)
    assert await desk.ensure(wanted)
    assert desk.api.find(kind, "fraud")["spec"] == wanted["spec"]  # type: ignore[index]


async def test_a_route_that_gives_weight_is_decided_on_again() -> None:
    """409, and the record that allows it may be old as well; the cache knows the object by then."""
    desk = Desk()
    await desk.ensure(route(100))
    desk.api.unwatched = {VIRTUAL_SERVICE}
    edited = desk.api.edit(VIRTUAL_SERVICE, "fraud", lambda one: one["spec"].update(http=[]))
    with pytest.raises(Conflict):
        await desk.children.ensure(OWNER, route(50), desk.memory, insist=False)
    assert desk.api.cache.get(VIRTUAL_SERVICE, "ml", "fraud")["spec"] == edited["spec"]  # type: ignore[index]


async def test_who_writes_all_the_time_is_not_fought_for_ever() -> None:
    """A bounded number of tries; then the pass goes on with the rest."""
    desk = Desk()
    await desk.ensure(service())
    desk.api.unwatched = {SERVICE}
    get = desk.api.get

    async def get_and_edit(kind: Kind, namespace: str, name: str) -> Json | None:
        found = await get(kind, namespace, name)
        desk.api.edit(SERVICE, "fraud", lambda one: one["metadata"].update(annotations={}))
        return found

    desk.api.get = get_and_edit  # type: ignore[method-assign]
    desk.api.edit(SERVICE, "fraud", lambda one: one["metadata"].update(annotations={}))
    with pytest.raises(Conflict):
        await desk.ensure(service(9000))
    assert desk.api.reads.count("get Service fraud") <= 1 + TRIES


async def test_an_object_that_is_somebody_elses_by_now_is_left_alone() -> None:
    """Deleted and made again by another one, while nobody told us: 409, and then a NameConflict."""
    desk = Desk()
    await desk.ensure(service())
    desk.api.unwatched = {SERVICE}
    desk.api.remove(SERVICE, "ml", "fraud")
    theirs = desk.api.put({**service(), "metadata": {"name": "fraud", "namespace": "ml"}})
    assert not await desk.ensure(service(9000))
    assert desk.memory.conflicts["Service/fraud"].reason == "NameConflict"
    assert desk.api.find(SERVICE, "fraud") == theirs


async def test_an_object_that_went_unheard_is_made_again() -> None:
    """Its uid is the precondition of the write; after the 409 it is known to be gone."""
    desk = Desk()
    await desk.ensure(service())
    desk.api.unwatched = {SERVICE}
    desk.api.remove(SERVICE, "ml", "fraud")
    assert await desk.ensure(service(9000))
    assert desk.api.find(SERVICE, "fraud") is not None


async def test_a_single_pod_needs_no_disruption_budget_unless_it_has_one() -> None:
    """What is there is kept as it should be; where a scaler decides, there may be more of them."""
    desk = Desk()
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": OWNER.metadata("had-two")}
    await desk.ensure({**budget, "spec": {"maxUnavailable": 1}})
    pods = {"had-two": 1, "one": 1, "none": 0, "two": 2, "scaled": None}
    assert desk.children.alone(OWNER, pods) == {"one", "none"}


async def test_children_that_carry_a_wish_are_not_looked_at_again() -> None:
    """Until one of them is another object, or the wish another."""
    desk = Desk()
    await desk.ensure(service())
    wish: tuple[object, ...] = ("traffic", 1)
    desk.children.remember(OWNER, wish, desk.memory, [(SERVICE, "fraud")])
    assert desk.children.carry(OWNER, wish, desk.memory)
    assert not desk.children.carry(OWNER, ("traffic", 2), desk.memory)
    desk.api.edit(SERVICE, "fraud", lambda one: one["spec"].update(ports=[]))
    assert not desk.children.carry(OWNER, wish, desk.memory)


async def test_a_wish_is_known_by_its_digest_while_nobody_looks() -> None:
    """So a pass over a ModelDeployment that has rested renders nothing either."""
    desk = Desk()
    await desk.ensure(service())
    wish = ((Workload(REVISION, 2),), None)
    desk.children.remember(OWNER, wish, desk.memory, [(SERVICE, "fraud")])
    assert desk.memory.carried is not None
    resting = desk.memory.carried = desk.memory.carried.in_brief()
    assert resting.wish is None
    assert not desk.children.carry(OWNER, ((Workload(REVISION, 3),), None), desk.memory)
    assert desk.children.carry(OWNER, wish, desk.memory)
    desk.api.edit(SERVICE, "fraud", lambda one: one["spec"].update(ports=[]))
    desk.memory.carried = resting
    assert not desk.children.carry(OWNER, wish, desk.memory)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(replace(REVISION, template={"read": "again"}), True, id="what is immutable goes by the uid"),
        pytest.param(replace(REVISION, uid="another"), False, id="another object of its name"),
        pytest.param(replace(REVISION, succeeded_at=1.0), False, id="a mark"),
    ],
)
def test_of_a_revision_on_record_only_what_may_change_is_digested(other: Revision, same: bool) -> None:
    """Its template is larger than all the rest."""
    assert (digest_of((Workload(REVISION, 1), other)) == digest_of((Workload(REVISION, 1), REVISION))) is same


def test_of_a_revision_that_is_on_no_record_the_template_is_digested() -> None:
    """It was made anew, and nothing says that it is what it was."""
    first, second = (replace(REVISION, uid="", template={"made": made}) for made in ("once", "twice"))
    assert digest_of([first]) != digest_of([second])


async def test_a_missing_child_is_never_remembered_as_carried() -> None:
    """It has still to be made."""
    desk = Desk()
    desk.children.remember(OWNER, ("a",), desk.memory, [(SERVICE, "fraud")])
    assert not desk.children.carry(OWNER, ("a",), desk.memory)


def test_conflicts_over_names_that_are_wanted_no_more_are_forgotten() -> None:
    """They are in nobody's way."""
    memory = Memory()
    memory.conflicts = {"Service/fraud": Obstacle("NameConflict", ""), "Service/old": Obstacle("NameConflict", "")}
    forget_unwanted(memory, [service()])
    assert set(memory.conflicts) == {"Service/fraud"}


def test_the_error_that_asks_for_another_look_goes_first() -> None:
    """Patience can wait."""
    patience, again = Unavailable("down"), Gone("not there")
    assert first_error([patience, again]) is again
    assert first_error([patience]) is patience
    assert first_error([]) is None


def test_a_manifest_is_read_once() -> None:
    """And anew when the cache holds another version, equal or not."""
    readings: Readings[int] = Readings()
    calls: list[Json] = []

    def read(manifest: Json) -> int:
        calls.append(manifest)
        return len(calls)

    first, second = service(), service()
    second["metadata"]["resourceVersion"] = "another"
    assert [readings.of(one, read) for one in (first, first, second, second)] == [1, 1, 2, 2]
    readings.keep({})
    assert readings.of(second, read) == 3
