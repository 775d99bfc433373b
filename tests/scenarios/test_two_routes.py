"""The mesh has a route of its own: both follow the split, and each goes when it is wanted no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.core.model.kinds import DEPLOYMENT, VIRTUAL_SERVICE, Json
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.istio.routes import read_split
from serinus.core.traffic.providers import TrafficProviders
from tests.support.world import World, fraud, serving, trying
from tests.support.world.world import DRAIN_SECONDS

GATEWAYS, MESH = "fraud", "fraud.mesh"
ROOT = "fraud.ml.svc.cluster.local"


def bound(world: World) -> dict[str, list[str]]:
    """The hosts that each gateway has."""
    routes = world.api.all(VIRTUAL_SERVICE)
    return {gateway: route["spec"]["hosts"] for route in routes for gateway in route["spec"]["gateways"]}


def weight(world: World, route: str, version: str) -> int:
    manifest = world.api.find(VIRTUAL_SERVICE, route)
    split = read_split(manifest) if manifest else None
    return split.exposure_of(world.revision(version)).weight if split else 0


def leave_the_mesh(world: World) -> None:
    """Start a process with `meshGateway: false`."""
    world.providers = TrafficProviders((Istio(mesh=False), GatewayApi()))
    world.restart()


def refuse(world: World, route: str) -> Callable[[], None]:
    """Let the writes of one of the two routes fail; give what ends it."""
    count = world.api._count

    def failing(verb: str, kind: object, name: str) -> None:
        if kind == VIRTUAL_SERVICE and name == route:
            world.api.refuse = {VIRTUAL_SERVICE}
        try:
            count(verb, kind, name)  # type: ignore[arg-type]
        finally:
            world.api.refuse = set()

    world.api._count = failing  # type: ignore[method-assign]

    def end() -> None:
        world.api._count = count  # type: ignore[method-assign]

    return end


async def test_the_users_hosts_are_on_the_users_gateways_alone() -> None:
    """On the mesh every pod of the cluster would hear them."""
    world = await serving()
    assert bound(world) == {"public": ["fraud.example.com"], "mesh": [ROOT]}


async def test_both_routes_follow_the_split() -> None:
    """Up and down."""
    world = await trying(at=50)
    await world.run(1)
    assert weight(world, MESH, "2") == 50
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    assert (weight(world, GATEWAYS, "2"), weight(world, MESH, "2")) == (0, 0)


@pytest.mark.parametrize("route", [GATEWAYS, MESH])
async def test_a_write_of_one_route_that_fails_keeps_the_other_from_nothing(route: str) -> None:
    """Weight is taken where it can be, and the pods stay for the rest."""
    world = await trying(at=50)
    await world.run(1)
    end = refuse(world, route)
    other = MESH if route == GATEWAYS else GATEWAYS
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(3 * DRAIN_SECONDS)
    assert (weight(world, route, "2"), weight(world, other, "2")) == (50, 0)
    assert world.api.find(DEPLOYMENT, world.revision("2")) is not None
    end()
    await world.until(lambda w: weight(w, route, "2") == 0, limit=15)
    await world.until(lambda w: w.api.find(DEPLOYMENT, w.revision("2")) is None, limit=15)


async def test_both_routes_go_first_when_weight_is_taken() -> None:
    """Whatever else is there to be written."""
    world = await trying(at=50)
    await world.run(1)
    world.models["2"].error_rate = 0.5
    world.api.writes.clear()
    await world.until(lambda w: w.phase == "Reverted")
    await world.run(1)
    applied = [one for one in world.api.writes if one.startswith("apply")]
    assert applied[:2] == ["apply VirtualService fraud", "apply VirtualService fraud.mesh"]


@pytest.mark.parametrize("route", [GATEWAYS, MESH])
async def test_a_hand_on_either_route_is_corrected(route: str) -> None:
    """And said."""
    world = await trying(at=10)
    await world.run(1)

    def turn(manifest: Json) -> None:
        for rule in manifest["spec"]["http"]:
            rule["route"][0]["weight"], rule["route"][1]["weight"] = 1, 99

    world.api.edit(VIRTUAL_SERVICE, route, turn)
    await world.run(1)
    assert weight(world, route, "2") == 10
    assert any(reason == "DriftCorrected" and route in text for _, reason, text in world.events)


async def test_without_hosts_and_gateways_the_mesh_has_the_only_route() -> None:
    """The split is read from it: a canary's pods stay while it has weight there."""
    world = await serving(traffic={})
    assert bound(world) == {"mesh": [ROOT]}
    world.restart()
    await world.run(5)
    assert world.condition("Ready")["status"] == "True"


async def test_a_route_of_gateways_that_are_named_no_more_goes() -> None:
    """Callers in the mesh notice nothing."""
    world = await serving()
    world.commit(fraud("1", traffic={}))
    await world.run(2)
    assert bound(world) == {"mesh": [ROOT]}
    world.commit(fraud("1"))
    await world.run(2)
    assert bound(world) == {"public": ["fraud.example.com"], "mesh": [ROOT]}


async def test_the_meshs_route_goes_when_the_mesh_is_turned_off() -> None:
    """It would bind callers to a split that nobody writes."""
    world = await serving()
    leave_the_mesh(world)
    await world.run(2)
    assert bound(world) == {"public": ["fraud.example.com"]}


async def test_a_route_of_somebody_elses_under_the_meshs_name_is_left_alone() -> None:
    """It is a name conflict, as with every other child."""
    world = World()
    theirs = world.api.put(
        {
            "apiVersion": VIRTUAL_SERVICE.api_version,
            "kind": VIRTUAL_SERVICE.name,
            "metadata": {"name": MESH, "namespace": "ml"},
            "spec": {"hosts": ["elsewhere.example.com"], "gateways": ["public"], "http": []},
        }
    )
    await serving(world=world)
    assert world.api.find(VIRTUAL_SERVICE, MESH) == theirs
    assert world.condition("Stalled")["reason"] == "NameConflict"


def combine(world: World) -> None:
    """Put back what one route for both was, its rules of then included, as an upgrade finds it."""
    mesh = world.api.find(VIRTUAL_SERVICE, MESH)
    assert mesh is not None
    world.api.remove(VIRTUAL_SERVICE, "ml", MESH)

    def widen(manifest: Json) -> None:
        manifest["spec"] |= {"hosts": ["fraud.example.com", ROOT], "gateways": ["public", "mesh"]}
        grpc, http = manifest["spec"]["http"]
        prefixes = ("/inference.GRPCInferenceService/", "/grpc.health.v1.Health/")
        grpc["match"] = [{"uri": {"prefix": prefix}} for prefix in prefixes]
        del http["match"]
        manifest["metadata"]["annotations"] = {"serinus.dev/intent": "of the version before"}

    world.api.edit(VIRTUAL_SERVICE, GATEWAYS, widen)


async def test_one_route_for_both_is_taken_apart_without_a_gap() -> None:
    """An upgrade in mid-rollout: the mesh's stands before the other ceases to name the mesh, and the weight holds."""
    world = await trying(at=50)
    await world.run(1)
    combine(world)
    world.events.clear()
    world.api.writes.clear()
    world.restart()
    await world.run(2)
    routes = [one for one in world.api.writes if "VirtualService" in one]
    assert routes[:2] == ["apply VirtualService fraud.mesh", "apply VirtualService fraud"]
    assert bound(world) == {"public": ["fraud.example.com"], "mesh": [ROOT]}
    assert (weight(world, GATEWAYS, "2"), weight(world, MESH, "2")) == (50, 50)
    assert not [one for one in world.events if one[1] == "DriftCorrected"]


async def test_one_route_for_the_mesh_alone_gives_way_to_the_meshs_own() -> None:
    """The old one goes once the new one stands."""
    world = await serving()
    combine(world)
    world.commit(fraud("1", traffic={}))
    world.restart()
    world.api.writes.clear()
    await world.run(2)
    routes = [one for one in world.api.writes if "VirtualService" in one]
    assert routes == ["apply VirtualService fraud.mesh", "delete VirtualService fraud"]
    assert bound(world) == {"mesh": [ROOT]}
