"""The Gateway API: what its controllers say is told, and a ModelDeployment may change from one API to the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.api.traffic import RoutingApi
from serinus.core.model.errors import Invalid
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


ELSEWHERE: Json = {"provider": "gatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "public", "namespace": "infra"}]}}


def commit_traffic(world: World, traffic: Json) -> None:
    world.commit({**world.deployment, "spec": {**world.deployment["spec"], "traffic": traffic}})


def taken(world: World) -> None:
    """Have an older route of somebody else's on our host, on the Gateway of the Gateway API."""
    world.api.put(
        {
            "apiVersion": HTTP_ROUTE.api_version,
            "kind": HTTP_ROUTE.name,
            "metadata": {"name": "theirs", "namespace": "ml", "creationTimestamp": "2020-01-01T00:00:00Z"},
            "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["fraud.example.com"], "rules": []},
        }
    )


def refuse_all(world: World) -> None:
    world.platform.refusal = refusal("NotAllowedByListeners", "")


@pytest.mark.parametrize(
    ("prepare", "traffic"),
    [
        pytest.param(lambda world: None, ELSEWHERE, id="a Gateway that is not granted"),
        pytest.param(
            lambda world: world.unlisten("public"), routed_by(RoutingApi.GATEWAY_API), id="none that is there"
        ),
        pytest.param(refuse_all, routed_by(RoutingApi.GATEWAY_API), id="one that refuses"),
        pytest.param(taken, routed_by(RoutingApi.GATEWAY_API), id="a host that is taken"),
    ],
)
async def test_what_serves_is_not_given_up_for_an_api_that_cannot_serve(
    prepare: Callable[[World], None], traffic: Json
) -> None:
    """The route that is left stays with its hosts, and follows a revert."""
    world = await trying(at=50, steps=HALF)
    world.platform.routing = RoutingApi.GATEWAY_API
    world.listen("public")
    prepare(world)
    commit_traffic(world, traffic)
    await world.run(5)
    route = world.api.find(VIRTUAL_SERVICE, "fraud")
    assert route is not None
    assert route["spec"]["hosts"] == ["fraud.example.com"]
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100


@BY_GATEWAY_API
async def test_a_route_of_the_mesh_is_not_what_replaces_a_route_of_the_users() -> None:
    """An Istio gateway that is not granted leaves the HTTPRoute in place."""
    world = await trying(at=50, steps=HALF)
    commit_traffic(world, {"hosts": ["fraud.example.com"], "istio": {"gateways": ["infra/public"]}})
    await world.run(5)
    assert world.routed == {"1": 50, "2": 50}
    world.lever(abort=True)
    await world.until(lambda w: w.phase == "Aborted", limit=10)
    assert world.routed["1"] == 100


async def test_a_left_route_that_cannot_be_deleted_follows_all_the_same() -> None:
    """Its callers may still come by it."""
    world = await trying(at=50, steps=HALF)
    world.api.forbidden = {VIRTUAL_SERVICE}
    change_the_api(world)
    await world.run(3)
    world.routing = RoutingApi.ISTIO
    assert world.routed == {"1": 50, "2": 50}
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100


@BY_GATEWAY_API
async def test_settings_that_the_api_server_refuses_do_not_hold_up_a_revert() -> None:
    """The split is written into the route as it is, and the condition has the API server's words."""
    world = await trying(at=50, steps=HALF)

    def admit(manifest: Json) -> None:
        if manifest["kind"] == "HTTPRoute" and "other.example.com" in manifest["spec"]["hostnames"]:
            raise Invalid("hostnames: no others here")

    world.api.admit = admit
    commit_traffic(world, routed_by(RoutingApi.GATEWAY_API, "fraud.example.com", "other.example.com"))
    await world.run(3)
    assert world.condition("Stalled")["reason"] == "RouteRefused"
    assert "no others here" in world.condition("Stalled")["message"]
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100


async def test_what_is_left_goes_once_the_gateway_that_was_missing_is_there() -> None:
    """Nothing of ours has changed then."""
    world = await serving()
    world.platform.routing = RoutingApi.GATEWAY_API
    commit_traffic(world, routed_by(RoutingApi.GATEWAY_API))
    await world.run(30)
    assert world.api.find(VIRTUAL_SERVICE, "fraud") is not None
    assert world.condition("Stalled")["reason"] == "GatewayNotFound"
    world.listen("public")
    await world.until(lambda w: not w.api.all(VIRTUAL_SERVICE), limit=10)
    assert world.api.all(DESTINATION_RULE) == []
