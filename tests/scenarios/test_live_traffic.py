"""`spec.traffic` is live: edited in mid-rollout it must reach no host and no gateway that a start could not have."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.api.traffic import RoutingApi
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.model.timestamps import to_rfc3339_seconds
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.providers import TrafficProviders
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import START, Model, World, fraud, serving, trying
from tests.support.world.given import HALF, routed_by

OWN, OTHER = "fraud.example.com", "payments.example.com"


def restrict(world: World) -> None:
    """Let the namespace use one host, and the Gateways of its own."""
    grants = (Grant("ml", hosts=(OWN,), sources=("*",)),)
    for claims in world.engine._reconciler._observer.claims.claims:
        claims._tenancy = claims._permitted._tenancy = Tenancy(grants)


def leave_the_mesh(world: World) -> None:
    """Start a process with `meshGateway: false`."""
    world.providers = TrafficProviders((Istio(mesh=False), GatewayApi()))
    world.restart()


def traffic(*hosts: str, gateways: tuple[str, ...] = ("public",)) -> dict[str, Any]:
    return {"traffic": {"hosts": list(hosts), "istio": {"gateways": list(gateways)}}}


def claimed(world: World) -> tuple[list[str], list[str]]:
    route = world.api.find(VIRTUAL_SERVICE, "fraud")
    assert route is not None
    return route["spec"]["hosts"], route["spec"]["gateways"]


def older_route(host: str) -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "theirs", "namespace": "ml", "creationTimestamp": to_rfc3339_seconds(START - 100)},
        "spec": {"hosts": [host], "gateways": ["public", "private"], "http": []},
    }


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param(traffic(OWN, OTHER), "HostNotAllowed", id="a host"),
        pytest.param(traffic(OWN, gateways=("public", "infra/public")), "GatewayNotAllowed", id="a gateway"),
    ],
)
async def test_what_the_configuration_refuses_is_left_out_of_a_live_route(edit: dict[str, Any], reason: str) -> None:
    """What is allowed stays, and the condition says what is not."""
    world = await serving()
    restrict(world)
    world.commit(fraud("1", **edit))
    await world.run(2)
    assert claimed(world) == ([OWN], ["public"])
    assert world.condition("Stalled")["reason"] == reason


async def test_a_host_that_an_older_route_has_is_never_begun_with() -> None:
    """Where ours did not have it before: Istio would follow theirs, or merge the two."""
    world = World()
    world.api.put(older_route(OTHER))
    await serving(world=world)
    world.commit(fraud("1", **traffic(OWN, OTHER)))
    await world.run(2)
    assert claimed(world)[0] == [OWN]
    stalled = world.condition("Stalled")
    assert stalled["reason"] == "HostConflict"
    assert stalled["message"].endswith("; until then the route goes on serving without it")
    world.api.remove(VIRTUAL_SERVICE, "ml", "theirs")
    await world.run(2)
    assert claimed(world)[0] == [OWN, OTHER]


async def test_a_gateway_on_which_an_older_route_has_our_host_is_never_begun_with() -> None:
    """The host stays on the gateways on which it was."""
    world = await serving()
    theirs = older_route(OWN)
    world.api.put({**theirs, "spec": {**theirs["spec"], "gateways": ["private"]}})
    world.commit(fraud("1", **traffic(OWN, gateways=("public", "private"))))
    await world.run(2)
    assert claimed(world) == ([OWN], ["public"])


async def test_a_host_that_ours_had_before_is_kept_though_an_older_route_takes_it() -> None:
    """Somebody added it to an old route: a revert of ours must not be blocked."""
    world = await trying(model=Model(), at=50)
    world.api.put(older_route(OWN))
    await world.run(1)
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    await world.run(1)
    assert world.routed["1"] == 100
    assert claimed(world)[0] == [OWN]


async def test_a_route_that_loses_its_last_gateway_keeps_it_until_there_is_another() -> None:
    """Without one Istio would take the mesh; the revert reaches the route all the same."""
    world = World()
    leave_the_mesh(world)
    world.models |= {"1": Model(), "2": Model()}
    world.commit(fraud("1"))
    await world.until(lambda w: w.phase == "Succeeded")
    world.commit(fraud("2"))
    await world.until(lambda w: w.routed.get("2") == 50)
    world.commit(fraud("2", traffic={"hosts": [OWN]}))
    await world.run(2)
    assert claimed(world)[1] == ["public"]
    assert world.condition("Stalled")["reason"] == "NoGateway"
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    await world.run(1)
    assert world.routed["1"] == 100


async def test_nothing_starts_without_a_gateway() -> None:
    """The condition says so, and the rest of the pass goes on."""
    world = World()
    leave_the_mesh(world)
    world.models["1"] = Model()
    world.commit(fraud("1", traffic={"hosts": [OWN]}))
    await world.run(20)
    assert world.routed == {}
    assert world.condition("Stalled")["reason"] == "NoGateway"
    world.commit(fraud("1"))
    await world.until(lambda w: w.phase == "Succeeded")


async def test_a_route_lost_while_there_is_no_gateway_holds_up_no_other_child() -> None:
    """It comes back with the gateway."""
    world = World()
    leave_the_mesh(world)
    await serving(world=world)
    world.commit(fraud("1", traffic={"hosts": [OWN]}, scaling={"minReplicas": 6}))
    world.api.remove(VIRTUAL_SERVICE, "ml", "fraud")
    await world.run(5)
    assert world.api.find(VIRTUAL_SERVICE, "fraud") is None
    assert len(world.pods("1")) == 6
    world.commit(fraud("1"))
    await world.run(2)
    assert world.routed == {"1": 100}


def at(world: World, gateway: str) -> Json:
    """The traffic section that names a Gateway."""
    if world.routing is RoutingApi.ISTIO:
        return {**routed_by(world.routing), "istio": {"gateways": [gateway]}}
    return {**routed_by(world.routing), "gatewayAPI": {"parentRefs": [{"name": gateway}]}}


def bound_to(world: World) -> list[str]:
    """The Gateways of the live route."""
    assert world.route is not None
    spec = world.route["spec"]
    return list(spec.get("gateways") or [one["name"] for one in spec["parentRefs"]])


@WITH_EACH_API
async def test_a_route_stays_where_it_is_until_the_gateway_of_the_spec_is_there() -> None:
    """A misspelt name takes it from nobody, and a revert reaches it; once the Gateway comes the route moves."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    world.commit(fraud("2", steps=HALF, traffic=at(world, "pulbic")))
    await world.run(2)
    assert (bound_to(world), world.routed) == (["public"], {"1": 50, "2": 50})
    said = world.condition("Serving")
    assert (said["status"], said["reason"]) == ("True", "GatewayNotFound")
    assert said["message"].endswith("until then the route stays on ml/public")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    await world.run(1)
    assert (bound_to(world), world.routed["1"]) == (["public"], 100)
    world.listen("pulbic")
    await world.run(1)
    assert (bound_to(world), world.routed["1"]) == (["pulbic"], 100)


@WITH_EACH_API
async def test_a_gateway_that_comes_beside_the_live_one_waits_for_nothing_else() -> None:
    """The one that is there serves on; the other follows when it is there."""
    world = await trying(at=50, steps=HALF)
    both = at(world, "public")
    more = both.get("istio", {}).get("gateways")
    if more is not None:
        more.append("later")
    else:
        both["gatewayAPI"]["parentRefs"].append({"name": "later"})
    world.commit(fraud("2", steps=HALF, traffic=both))
    await world.run(2)
    assert bound_to(world) == ["public"]
    world.listen("later")
    await world.run(1)
    assert bound_to(world) == ["public", "later"]
    assert world.routed == {"1": 50, "2": 50}
