"""The Gateway API: what its controllers say is told, and a ModelDeployment may change from one API to the other."""

from __future__ import annotations

import pytest

from serinus.api.traffic import RoutingApi
from serinus.core.model.kinds import DESTINATION_RULE, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Json
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.given import HALF, routed_by

BY_GATEWAY_API = pytest.mark.parametrize("routing", [RoutingApi.GATEWAY_API], indirect=True)
KINDS = {RoutingApi.ISTIO: VIRTUAL_SERVICE, RoutingApi.GATEWAY_API: HTTP_ROUTE}


def refusal(reason: str, message: str) -> Json:
    return {"type": "Accepted", "status": "False", "reason": reason, "message": message}


@BY_GATEWAY_API
async def test_a_refused_route_is_told_in_the_gateways_words_and_nothing_new_starts() -> None:
    """Requests do not arrive: a version that nobody asks would be judged by nothing."""
    world = await serving()
    world.platform.refusal = refusal("NotAllowedByListeners", "routes of ml are not allowed")
    await world.run(2)
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.run(30)
    said = "Gateway ml/public refuses HTTPRoute fraud: NotAllowedByListeners: routes of ml are not allowed"
    serving_now, stalled = world.condition("Serving"), world.condition("Stalled")
    assert (serving_now["status"], serving_now["reason"]) == ("False", "RouteNotAccepted")
    assert said in serving_now["message"]
    assert (stalled["reason"], stalled["message"]) == ("RouteNotAccepted", said)
    assert len(world.rollouts) == 1
    world.platform.refusal = None
    await world.until(lambda w: w.routed == {"2": 100})


@BY_GATEWAY_API
async def test_a_refusal_does_not_hold_up_a_revert() -> None:
    """What runs goes on: only something new has to wait."""
    world = await trying(at=50, steps=HALF)
    world.platform.refusal = refusal("NotAllowedByListeners", "")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100


@BY_GATEWAY_API
async def test_people_are_told_that_retries_cannot_be_turned_off() -> None:
    """It is no fault of the ModelDeployment's, so it degrades nothing."""
    world = await serving()
    await world.run(1)
    told = world.condition("Degraded")
    assert (told["status"], told["reason"]) == ("False", "RetriesNotControlled")
    assert "defaultHttpRetryPolicy" in told["message"]


def grpc_protocols(world: World) -> set[str]:
    ports = [port for service in world.api.all(SERVICE) for port in service["spec"]["ports"]]
    return {port["appProtocol"] for port in ports if port["name"] == "grpc"}


@pytest.mark.parametrize(
    ("routing", "protocol"),
    [
        pytest.param(RoutingApi.ISTIO, "grpc", id="Istio"),
        pytest.param(RoutingApi.GATEWAY_API, "kubernetes.io/h2c", id="the Gateway API"),
    ],
    indirect=["routing"],
)
async def test_services_say_how_gateways_speak_to_them(protocol: str) -> None:
    """HTTP/2 without TLS, in the routing API's own word."""
    assert grpc_protocols(await serving()) == {protocol}


def change_the_api(world: World) -> RoutingApi:
    """Commit the same version with the other API; the platform has a Gateway of that kind, too."""
    (other,) = {*RoutingApi} - {world.routing}
    world.routing = world.platform.routing = other
    world.listen("public")
    world.commit({**world.deployment, "spec": {**world.deployment["spec"], "traffic": routed_by(other)}})
    return other


@pytest.mark.parametrize("routing", list(RoutingApi), indirect=True)
async def test_a_change_of_the_api_in_mid_rollout_keeps_the_split(routing: RoutingApi) -> None:
    """The routes of the API that is left go once the chosen one's stand, and its policies with them."""
    world = await trying(at=50, steps=HALF)
    Watchdog(world)
    other = change_the_api(world)
    world.api.writes.clear()
    await world.until(lambda w: w.api.all(KINDS[routing]) == [], limit=10)
    assert world.routed == {"1": 50, "2": 50}
    assert bool(world.api.all(DESTINATION_RULE)) == (other is RoutingApi.ISTIO)
    kinds = [one for one in world.api.writes if KINDS[other].name in one or KINDS[routing].name in one]
    assert kinds[0] == f"apply {KINDS[other].name} fraud"
    await world.run(3)
    assert world.phase == "Paused"


@pytest.mark.parametrize("routing", list(RoutingApi), indirect=True)
async def test_a_revert_reaches_the_route_that_serves_while_the_chosen_api_cannot_be_written(
    routing: RoutingApi,
) -> None:
    """The CRDs of the chosen one may be missing: until it stands, the one that is left follows."""
    world = await trying(at=50, steps=HALF)
    other = change_the_api(world)
    world.api.refuse = {KINDS[other]}
    await world.run(3)
    world.models["2"].error_rate = 0.5
    world.routing = routing
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100
    world.routing, world.api.refuse = other, set()
    await world.until(lambda w: w.api.all(KINDS[routing]) == [], limit=30)
    assert world.routed["1"] == 100
