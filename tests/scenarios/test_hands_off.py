"""What somebody else made is never adopted, changed or deleted: it is reported."""

from __future__ import annotations

import copy

import pytest

from serinus.core.model.kinds import SERVICE, VIRTUAL_SERVICE, Json
from serinus.core.model.timestamps import to_rfc3339_seconds
from tests.support.world import START, Model, World, fraud, serving, trying


def their_route(*, created: float, host: str = "fraud.example.com", gateway: str = "public") -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "theirs", "namespace": "ml", "creationTimestamp": to_rfc3339_seconds(created)},
        "spec": {"hosts": [host], "gateways": [gateway], "http": []},
    }


def their_service(name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"selector": {"app": "theirs"}},
    }


async def test_an_older_route_on_our_host_keeps_us_from_starting() -> None:
    """Their rules would win; the condition names them."""
    world = World()
    theirs = world.api.put(their_route(created=START - 100))
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(20)
    assert world.routed == {}
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "HostConflict")
    assert "ml/theirs" in stalled["message"]
    assert world.api.find(VIRTUAL_SERVICE, "theirs") == theirs


async def test_we_start_once_the_older_route_is_gone() -> None:
    """All routes are watched."""
    world = World()
    world.api.put(their_route(created=START - 100))
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(5)
    world.api.remove(VIRTUAL_SERVICE, "ml", "theirs")
    await world.until(lambda w: w.phase == "Succeeded", limit=10)


async def test_a_younger_route_on_our_host_is_reported_and_stops_nothing() -> None:
    """A revert must not be blocked by whoever comes later."""
    world = await trying()
    world.api.put(their_route(created=world.clock.now() + 10))
    await world.run(2)
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "HostConflict")
    assert world.condition("Stalled")["status"] == "False"
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    assert world.routed == {"1": 100}
    world.api.remove(VIRTUAL_SERVICE, "ml", "theirs")
    await world.run(2)
    assert world.condition("Degraded")["status"] == "False"


@pytest.mark.parametrize(
    ("host", "gateway"),
    [
        pytest.param("other.example.com", "public", id="another host"),
        pytest.param("fraud.example.com", "private", id="another gateway"),
        pytest.param("*.example.com", "public", id="a wildcard around ours"),
    ],
)
async def test_routes_that_take_nothing_from_us_are_no_conflict(host: str, gateway: str) -> None:
    """Compared per host and gateway; the exact host wins over a wildcard."""
    world = World()
    world.api.put(their_route(created=START - 100, host=host, gateway=gateway))
    await serving(world=world)
    assert world.condition("Degraded")["status"] == "False"
    assert world.condition("Stalled")["status"] == "False"


async def test_a_service_with_our_name_is_left_alone() -> None:
    """The root Service is not ours to make; the model serves through its route."""
    world = World()
    theirs = copy.deepcopy(world.api.put(their_service("fraud")))
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(20)
    assert world.api.find(SERVICE, "fraud") == theirs
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "NameConflict")
    assert "Service fraud exists and is not ours" in stalled["message"]


async def test_a_name_conflict_ends_when_the_other_object_goes() -> None:
    """It carries no label of ours, so it is looked up again now and then."""
    world = World()
    world.api.put(their_service("fraud"))
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(20)
    world.api.remove(SERVICE, "ml", "fraud")
    await world.until(lambda w: w.condition("Stalled")["status"] == "False", limit=15)
    assert world.api.find(SERVICE, "fraud") is not None


async def test_a_conflict_over_one_revisions_name_does_not_block_the_next_revision() -> None:
    """What is wanted no more is in nobody's way."""
    world = await serving()
    world.models |= {"2": Model(), "3": Model()}
    probe = await serving()
    probe.models["2"] = Model()
    probe.commit(fraud("2"))
    await probe.tick()
    name = probe.revision("2")
    theirs = copy.deepcopy(world.api.put(their_service(name)))
    world.commit(fraud("2"))
    await world.run(20)
    assert world.routed.get("2", 0) == 0
    assert world.condition("Stalled")["reason"] == "NameConflict"
    world.commit(fraud("3"))
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "3", limit=90)
    assert world.api.find(SERVICE, name) == theirs


async def test_a_controller_revision_with_our_name_is_left_alone() -> None:
    """Of a ModelDeployment that was deleted and left it behind, for example."""
    from serinus.core.model.kinds import CONTROLLER_REVISION

    probe = await serving()
    orphan = copy.deepcopy(probe.api.all(CONTROLLER_REVISION)[0])
    orphan["metadata"] = {"name": orphan["metadata"]["name"], "namespace": "ml"}
    world = World()
    theirs = copy.deepcopy(world.api.put(orphan))
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(5)
    assert world.condition("Stalled")["reason"] == "NameConflict"
    assert world.api.find(CONTROLLER_REVISION, orphan["metadata"]["name"]) == theirs
