"""Several models on one host: each below a prefix, or left to Serinus by a route of the user's own."""

from __future__ import annotations

from typing import Any

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json
from serinus.core.model.split import Split
from serinus.core.model.timestamps import to_rfc3339_seconds
from serinus.core.traffic.provider import RoutePlan
from serinus.runtime.fresh_claims import AT_ONCE_SECONDS
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog, healthy
from tests.support.world import Model, World, fraud, serving, trying
from tests.support.world.clock import START
from tests.support.world.given import HALF, HOST, routed_by

DELEGATE: Json = {"pathPrefix": "/models/fraud", "istio": {"delegate": True}}


def below(prefix: str | None, **settings: Any) -> Json:
    """The traffic section of a model below a prefix; of a delegate by itself."""
    return {**routed_by(World().routing), **({"pathPrefix": prefix} if prefix else {}), **settings}


def commit(world: World, version: str, prefix: str | None) -> None:
    world.commit(fraud(version, steps=HALF, traffic=below(prefix)))


async def halfway(world: World, traffic: Json) -> None:
    """Have version 1 serve in a world, and version 2 at half."""
    await serving(world=world, steps=HALF, traffic=traffic)
    world.models["2"] = Model()
    world.commit(fraud("2", steps=HALF, traffic=traffic))
    await world.until(lambda w: w.routed.get("2") == 50)


def prefix_of(world: World) -> str:
    """By which prefix the live route is found."""
    assert world.route is not None
    return world.provider.read_settings(world.route).prefix


def neighbour(world: World, prefix: str, *, older_by: float = 1000.0) -> None:
    """Have another ModelDeployment on the host, below a prefix."""
    owner = Owner("ml", "neighbour", "uid-neighbour")
    traffic = Traffic.parse(below(prefix))
    plan = RoutePlan(owner, traffic, Split((("neighbour-aaaaaaaaaa", 100),)))
    route = world.provider.render_routes(plan, {})[0]
    route["metadata"]["creationTimestamp"] = to_rfc3339_seconds(world.clock.now() - older_by)
    world.api.put(route)


def their_route(world: World, *, backend: str, prefix: str = "/", **claims: Any) -> str:
    """Have a route of the user's own for another host, to one of our Services; give its kind."""
    kind = world.provider.route
    metadata = {"name": "theirs", "namespace": "ml", "creationTimestamp": to_rfc3339_seconds(START)}
    if kind == VIRTUAL_SERVICE:
        rule: Json = {"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": backend}}]}
        spec: Json = {"hosts": ["shop.example.com"], "gateways": ["public"], "http": [rule]}
    else:
        matches = [{"path": {"type": "PathPrefix", "value": prefix}}]
        rule = {"matches": matches, "backendRefs": [{"name": backend, "port": 8000}]}
        spec = {"hostnames": ["shop.example.com"], "parentRefs": [{"name": "public"}], "rules": [rule]}
    world.api.put({"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {**spec, **claims}})
    return kind.name


def root_for(name: str, prefix: str) -> Json:
    """A VirtualService of the user's own that delegates."""
    rule = {"match": [{"uri": {"prefix": prefix}}], "delegate": {"name": name, "namespace": "ml"}}
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.name,
        "metadata": {"name": "root", "namespace": "web", "creationTimestamp": to_rfc3339_seconds(START)},
        "spec": {"hosts": [HOST], "gateways": ["ml/public"], "http": [rule]},
    }


@WITH_EACH_API
async def test_a_model_walks_beside_another_on_its_host() -> None:
    """Neither is in the other's way."""
    world = World()
    neighbour(world, "/neighbour")
    await halfway(world, below("/fraud"))
    Watchdog(world)
    assert (prefix_of(world), world.routed) == ("/fraud", {"1": 50, "2": 50})
    assert world.condition("Degraded")["reason"] == "GrpcNotRouted"
    await world.run(3)
    world.lever(promote={"full": True})
    await world.until(lambda w: w.phase == "Succeeded")
    healthy(world)


@WITH_EACH_API
async def test_an_older_model_keeps_its_prefix() -> None:
    """Another with the same one does not start, until it asks for another."""
    world = World()
    neighbour(world, "/fraud")
    world.models["1"] = Model()
    commit(world, "1", "/fraud")
    await world.run(5)
    stalled = world.condition("Stalled")
    assert (world.route, stalled["reason"]) == (None, "HostConflict")
    assert "goes on serving" not in stalled["message"]
    assert f"claims host {HOST} below /fraud on gateway ml/public: use another pathPrefix" in stalled["message"]
    commit(world, "1", "/fraud-2")
    await world.until(lambda w: w.phase == "Succeeded")
    assert prefix_of(world) == "/fraud-2"


@WITH_EACH_API
async def test_a_younger_model_on_our_prefix_is_said_and_stops_nothing() -> None:
    """Ours goes on writing: a revert must not be blocked."""
    world = await trying(at=50, steps=HALF, traffic=below("/fraud"))
    Watchdog(world)
    neighbour(world, "/fraud", older_by=0)
    await world.run(2)
    assert world.condition("Degraded")["reason"] == "HostConflict"
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    await world.run(1)
    assert (world.routed["1"], prefix_of(world)) == (100, "/fraud")


@WITH_EACH_API
async def test_the_prefix_changes_in_mid_rollout_with_the_split_as_it_is() -> None:
    """It comes, it moves, it goes; the rollout stays where it is."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    for wanted in ("/fraud", "/models/fraud", None):
        commit(world, "2", wanted)
        await world.run(1)
        assert prefix_of(world) == (wanted or "")
        assert (world.routed, world.phase, len(world.rollouts)) == ({"1": 50, "2": 50}, "Paused", 2)


@WITH_EACH_API
async def test_a_prefix_that_an_older_model_has_is_not_begun_with() -> None:
    """The live route keeps the one that it has, and a revert reaches it."""
    world = await trying(at=50, steps=HALF, traffic=below("/fraud"))
    await world.run(3)
    Watchdog(world)
    neighbour(world, "/taken")
    commit(world, "2", "/taken")
    await world.run(2)
    assert (prefix_of(world), world.routed) == ("/fraud", {"1": 50, "2": 50})
    assert world.condition("Stalled")["reason"] == "HostConflict"
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    await world.run(1)
    assert (prefix_of(world), world.routed["1"]) == ("/fraud", 100)


@WITH_EACH_API
async def test_a_prefix_that_a_younger_model_serves_is_not_taken_from_it() -> None:
    """It is said, and begun with once the other has gone; what both have is another matter."""
    world = await trying(at=50, steps=HALF, traffic=below("/fraud"))
    await world.run(3)
    Watchdog(world)
    neighbour(world, "/taken", older_by=0)
    commit(world, "2", "/taken")
    await world.run(2)
    assert (prefix_of(world), world.routed) == ("/fraud", {"1": 50, "2": 50})
    assert world.condition("Degraded")["reason"] == "HostConflict"
    world.api.remove(world.provider.route, "ml", "neighbour")
    await world.run(2)
    assert (prefix_of(world), world.routed) == ("/taken", {"1": 50, "2": 50})


def claimed(world: World) -> frozenset[str]:
    """The hosts of the live route."""
    return frozenset() if world.route is None else world.provider.read_claims(world.route).hosts


@WITH_EACH_API
async def test_a_host_that_two_begin_to_claim_at_once_goes_to_the_older() -> None:
    """Another process decides the other, and neither had heard of the other's route: the younger gives it back."""
    world = World()
    world.models["1"] = Model()
    commit(world, "1", "/fraud")
    await world.until(lambda w: HOST in claimed(w))
    neighbour(world, "/fraud", older_by=1)
    await world.run(2)
    assert HOST not in claimed(world)
    assert world.condition("Stalled")["reason"] == "HostConflict"
    world.api.remove(world.provider.route, "ml", "neighbour")
    await world.run(2)
    assert HOST in claimed(world)


@WITH_EACH_API
async def test_a_host_that_was_begun_long_ago_is_not_given_back() -> None:
    """An older route that is led to it by an edit came later all the same."""
    world = World()
    neighbour(world, "/elsewhere")
    world.models["1"] = Model()
    commit(world, "1", "/fraud")
    await world.until(lambda w: HOST in claimed(w))
    await world.run(round(AT_ONCE_SECONDS) + 1)
    neighbour(world, "/fraud")
    await world.run(2)
    assert HOST in claimed(world)


@WITH_EACH_API
async def test_a_host_is_given_back_though_the_older_route_is_heard_of_late() -> None:
    """Its watch was dead; by then it is told when both were created."""
    world = World()
    world.models["1"] = Model()
    commit(world, "1", "/fraud")
    await world.until(lambda w: HOST in claimed(w))
    await world.run(round(AT_ONCE_SECONDS) + 60)
    neighbour(world, "/fraud", older_by=AT_ONCE_SECONDS + 100)
    await world.run(2)
    assert HOST not in claimed(world)


@WITH_EACH_API
async def test_a_host_is_given_back_by_a_process_that_has_seen_neither_begin() -> None:
    """It was started between the two writes, or has taken a shard over since."""
    world = World()
    world.models["1"] = Model()
    commit(world, "1", "/fraud")
    await world.until(lambda w: HOST in claimed(w))
    world.api.unwatched.add(world.provider.route)
    neighbour(world, "/fraud", older_by=1)
    world.restart()
    world.api.unwatched.clear()
    await world.run(60)
    stalled = world.condition("Stalled")
    assert HOST not in claimed(world)
    assert stalled["message"].endswith("until then the route goes on serving without it")


@WITH_EACH_API
async def test_a_restarted_operator_reads_the_split_below_a_prefix() -> None:
    """By the route alone."""
    world = await trying(at=50, steps=HALF, traffic=below("/fraud"))
    await world.run(3)
    Watchdog(world)
    world.restart()
    await world.run(3)
    assert (prefix_of(world), world.routed, world.phase) == ("/fraud", {"1": 50, "2": 50}, "Paused")


async def test_a_delegate_walks_and_reverts() -> None:
    """With neither hosts nor gateways; a canary's share is in it like in any other route."""
    world = World()
    world.api.put(root_for("fraud", "/models/fraud"))
    await halfway(world, DELEGATE)
    Watchdog(world)
    assert world.route is not None
    assert (world.route["spec"]["hosts"], world.route["spec"]["gateways"]) == ([], [])
    assert world.condition("Degraded")["reason"] == "GrpcNotRouted"
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    await world.run(1)
    assert world.routed["1"] == 100
    assert (world.route["spec"]["hosts"], world.route["spec"]["gateways"]) == ([], [])


async def test_a_delegate_is_told_until_somebody_delegates_to_it() -> None:
    """At once, when the route comes; and again when it goes, or leaves it other paths."""
    world = await serving(traffic=DELEGATE)
    for root, reason in (
        (None, "NotDelegated"),
        (root_for("fraud", "/models"), "GrpcNotRouted"),
        (root_for("fraud", "/others"), "NotDelegated"),
        (root_for("other", "/models"), "NotDelegated"),
    ):
        if root is not None:
            world.api.put(root)
        await world.settle()
        assert world.condition("Degraded")["reason"] == reason
        assert world.condition("Ready")["status"] == "True"


async def test_a_model_becomes_a_delegate_in_mid_rollout_and_comes_back() -> None:
    """The split is as it is."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    for traffic, bound in ((DELEGATE, False), (below("/fraud"), True)):
        world.commit(fraud("2", steps=HALF, traffic=traffic))
        await world.run(1)
        assert world.route is not None
        assert (bool(world.route["spec"]["hosts"]), bool(world.route["spec"]["gateways"])) == (bound, bound)
        assert (world.routed, world.phase) == ({"1": 50, "2": 50}, "Paused")


@WITH_EACH_API
async def test_a_route_past_ours_is_named_when_nobody_reaches_the_canary() -> None:
    """While requests reach it, that is nobody's business."""
    world = await trying(at=50, steps=HALF)
    kind = their_route(world, backend="fraud")
    await world.run(3)
    assert "past the split" not in world.state["message"]
    world.data_plane.keep_to({world.revision("1"): 100.0})
    await world.until(lambda w: "past the split" in w.state["message"], limit=120)
    assert f"{kind} ml/theirs sends requests to fraud.ml.svc.cluster.local itself" in world.state["message"]
    assert world.routed == {"1": 50, "2": 50}


@WITH_EACH_API
async def test_a_route_to_somebody_elses_service_is_not_named() -> None:
    """Nor is our own, which names our Services, too."""
    world = await trying(at=50, steps=HALF)
    their_route(world, backend="shop")
    world.data_plane.keep_to({world.revision("1"): 100.0})
    await world.run(30)
    assert "no request" in world.state["message"]
    assert "past the split" not in world.state["message"]
