"""A Gateway that is not there, or has no server for our host, is said; it stops what is new and nothing that runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import Model, World, fraud, serving, trying

OWN = "fraud.example.com"


def traffic(*gateways: str, hosts: tuple[str, ...] = (OWN,)) -> dict[str, Any]:
    return {"traffic": {"hosts": list(hosts), "istio": {"gateways": list(gateways)}}}


def said(world: World, kind: str) -> tuple[str, str]:
    condition = world.condition(kind)
    return condition["status"], condition["reason"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(traffic("pulbic"), "Gateway ml/pulbic", id="a name misspelt"),
        pytest.param(
            traffic("public", hosts=("fraud.other.com",)), "host fraud.other.com", id="a host not listened for"
        ),
        pytest.param(traffic("public", "pulbic"), "Gateway ml/pulbic", id="one of two"),
    ],
)
async def test_nothing_starts_on_a_gateway_that_would_answer_404(edit: dict[str, Any], words: str) -> None:
    """Ready would say that it serves."""
    world = World()
    world.listen("public", "*.example.com")
    world.models["1"] = Model()
    world.commit(fraud("1", **edit))
    await world.run(20)
    assert world.rollouts == []
    assert said(world, "Stalled") == ("True", "GatewayNotFound")
    assert said(world, "Ready") == ("False", "GatewayNotFound")
    assert words in world.condition("Stalled")["message"]


async def test_it_starts_when_the_gateway_comes() -> None:
    """In one apply it may come after the ModelDeployment."""
    world = World()
    world.unlisten("public")
    world.models["1"] = Model()
    world.commit(fraud("1"))
    await world.run(5)
    assert said(world, "Stalled") == ("True", "GatewayNotFound")
    world.listen("public")
    await world.until(lambda w: w.phase == "Succeeded")
    assert said(world, "Stalled")[0] == "False"
    assert said(world, "Serving") == ("True", "Stable")


async def test_a_gateway_deleted_while_a_model_serves_is_said() -> None:
    """The pods are ready, and every request is answered 404."""
    world = await serving()
    world.unlisten("public")
    await world.run(1)
    assert said(world, "Serving") == ("False", "GatewayNotFound")
    assert said(world, "Stalled") == ("True", "GatewayNotFound")
    assert said(world, "Ready") == ("True", "StableServing")


async def test_what_another_gateway_still_serves_is_served() -> None:
    """And what is missing is said."""
    world = World()
    world.listen("private")
    await serving(world=world, **traffic("public", "private"))
    world.unlisten("private")
    await world.run(1)
    assert said(world, "Serving") == ("True", "GatewayNotFound")
    assert "100% to version 1; there is no Istio Gateway ml/private" in world.condition("Serving")["message"]


async def test_a_gateway_deleted_in_mid_rollout_is_said_not_acted_upon() -> None:
    """The rollout goes on by what it sees."""
    world = await trying(at=10)
    world.unlisten("public")
    await world.until(lambda w: w.routed.get("2") == 50)
    assert said(world, "Serving") == ("False", "GatewayNotFound")
    await world.until(lambda w: w.phase == "Succeeded")
    world.models["3"] = Model()
    world.commit(fraud("3"))
    await world.run(30)
    assert world.tried == "2"
    world.listen("public")
    await world.until(lambda w: w.tried == "3" and w.phase == "Succeeded")


async def test_a_revert_reaches_its_routes_without_the_gateway() -> None:
    """It stops no write."""
    world = await trying(at=50)
    world.unlisten("public")
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    await world.run(1)
    assert world.routed["1"] == 100


async def test_callers_in_the_mesh_need_no_gateway() -> None:
    """Where Istio's Gateways are not even installed."""
    world = World()
    world.unlisten("public")
    await serving(world=world, traffic={})
    assert said(world, "Serving") == ("True", "Stable")
