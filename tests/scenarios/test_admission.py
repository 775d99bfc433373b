"""An admission policy changes what we apply: applied once and left, named once, and told apart from a hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.core.model.kinds import DEPLOYMENT, VIRTUAL_SERVICE, Json
from tests.support.world import Model, World, fraud, serving

MIRRORED = "mirror.example.com/triton:1"


def container(manifest: Json) -> Json:
    found: Json = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def mirror_images(manifest: Json) -> None:
    if manifest["kind"] == "Deployment":
        container(manifest)["image"] = MIRRORED


def raise_requests(manifest: Json) -> None:
    if manifest["kind"] == "Deployment":
        container(manifest).setdefault("resources", {}).setdefault("requests", {})["cpu"] = "50m"


def export_to_us(manifest: Json) -> None:
    if manifest["kind"] == "VirtualService":
        manifest["spec"]["hosts"] = [*manifest["spec"]["hosts"], "also.example.com"]


POLICIES = [
    pytest.param(mirror_images, "Deployment", "containers[triton].image", id="image mirror"),
    pytest.param(
        raise_requests,
        "Deployment",
        "containers[triton].resources.requests.cpu",
        id="a floor of cpu",
    ),
    pytest.param(export_to_us, "VirtualService", "spec.hosts", id="a host more"),
]
RUNTIME = {"image": "triton:1", "resources": {"requests": {"cpu": "20m"}}}


async def admitted(policy: Callable[[Json], None]) -> World:
    world = World()
    world.api.admit = policy
    return await serving(world=world, runtime=RUNTIME)


def applied(world: World) -> list[str]:
    return [one for one in world.api.writes if one.startswith("apply")]


def drift(world: World) -> list[str]:
    return [message for _, reason, message in world.events if reason == "DriftCorrected"]


@pytest.mark.parametrize(("policy", "kind", "field"), POLICIES)
async def test_what_admission_changes_is_left(policy: Callable[[Json], None], kind: str, field: str) -> None:
    """No write in vain, no Event that blames somebody, and one condition that names the field."""
    world = await admitted(policy)
    await world.run(5)
    world.api.writes.clear()
    await world.run(75)
    assert applied(world) == []
    assert drift(world) == []
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("False", "ChangedByAdmission")
    assert f"{kind} " in degraded["message"]
    assert field in degraded["message"]


async def test_a_restart_applies_once_more_and_says_nothing() -> None:
    """Nobody else was at it: the answer to our own apply is what was there."""
    world = await admitted(mirror_images)
    await world.run(5)
    for _ in range(3):
        world.restart()
        world.api.writes.clear()
        await world.run(20)
        assert len(applied(world)) <= 1
    assert drift(world) == []
    assert world.condition("Degraded")["reason"] == "ChangedByAdmission"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda one: container(one).update(image="evil:1"), id="the field that admission changes"),
        pytest.param(lambda one: one["spec"]["template"]["spec"].update(enableServiceLinks=True), id="another field"),
    ],
)
async def test_a_hand_beside_admission_is_put_right(edit: Callable[[Json], None]) -> None:
    """As far as admission lets it; and that is somebody else's change, said once."""
    world = await admitted(mirror_images)
    await world.run(5)
    world.api.edit(DEPLOYMENT, world.revision("1"), edit)
    await world.run(20)
    deployment = world.api.find(DEPLOYMENT, world.revision("1"))
    assert deployment is not None
    assert container(deployment)["image"] == MIRRORED
    assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False
    assert len(drift(world)) == 1


async def test_a_policy_that_goes_is_forgotten() -> None:
    """The next write brings our own value, and the condition says no more of it."""
    world = await admitted(mirror_images)
    await world.run(5)
    world.api.admit = lambda manifest: None
    world.commit(fraud("1", runtime=RUNTIME, scaling={"minReplicas": 5}))
    await world.run(5)
    deployment = world.api.find(DEPLOYMENT, world.revision("1"))
    assert deployment is not None
    assert container(deployment)["image"] == "triton:1"
    assert world.condition("Degraded")["reason"] == "AllReady"


async def test_a_revert_passes_a_policy_that_changes_the_route() -> None:
    """Weights are ours; what admission adds beside them is its own."""
    world = await admitted(export_to_us)
    world.models["2"] = Model()
    world.commit(fraud("2", runtime=RUNTIME))
    await world.until(lambda w: w.routed.get("2") == 10)
    world.models["2"].error_rate = 1.0
    await world.until(lambda w: w.phase == "Reverted", limit=10)
    assert world.routed["1"] == 100
    assert "also.example.com" in world.api.find(VIRTUAL_SERVICE, "fraud")["spec"]["hosts"]  # type: ignore[index]
