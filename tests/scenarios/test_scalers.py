"""Who decides the number of pods: a controller that names the Deployment, and no hand."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT, Json, Kind
from tests.support.world import World, serving

SCALE = {"fieldsV1": {"f:spec": {"f:replicas": {}}}, "operation": "Update", "subresource": "scale"}


def scaler(of: Kind, deployment: str, **target: str) -> Json:
    return {
        "apiVersion": of.api_version,
        "kind": of.name,
        "metadata": {"name": "theirs", "namespace": "ml"},
        "spec": {"scaleTargetRef": {"name": deployment, **target}},
    }


def scale(world: World, replicas: int, *, manager: str | None) -> None:
    """Set stable's number of pods as somebody does; without a manager nothing shows who it was."""

    def change(deployment: Json) -> None:
        deployment["spec"]["replicas"] = replicas
        deployment["metadata"]["managedFields"] = [{"manager": manager, **SCALE}] if manager else []

    world.api.edit(DEPLOYMENT, world.revision("1"), change)


def replicas(world: World) -> int:
    deployment = world.api.find(DEPLOYMENT, world.revision("1"))
    assert deployment is not None
    return int(deployment["spec"]["replicas"])


HPA_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment"}
NAMING = [
    pytest.param(HORIZONTAL_POD_AUTOSCALER, HPA_TARGET, id="HorizontalPodAutoscaler"),
    pytest.param(SCALED_OBJECT, {}, id="ScaledObject"),
    pytest.param(SCALED_OBJECT, HPA_TARGET, id="ScaledObject in full"),
]


@pytest.mark.parametrize(
    "manager", ["k9s", "node-fetch", "argocd-server", "Lens", "kubectl", "rancher", "kube-controller-manager"]
)
async def test_a_hand_is_put_right(manager: str) -> None:
    """Whatever it calls itself, while no controller names the Deployment."""
    world = await serving()
    scale(world, 1, manager=manager)
    await world.run(3)
    assert replicas(world) == 4
    await world.run(5)
    assert len(world.ready("1")) == 4


@pytest.mark.parametrize(("kind", "target"), NAMING)
@pytest.mark.parametrize("manager", ["kube-controller-manager", "k9s", None])
async def test_who_is_named_by_a_scaler_is_left_to_it(kind: Kind, target: dict[str, str], manager: str | None) -> None:
    """Also through a write of our own for another reason, and whoever wrote the number last."""
    world = await serving()
    world.api.put(scaler(kind, world.revision("1"), **target))
    scale(world, 9, manager=manager)
    await world.run(3)
    world.api.edit(
        DEPLOYMENT, world.revision("1"), lambda one: one["spec"]["template"]["spec"].update(enableServiceLinks=True)
    )
    await world.run(3)
    deployment = world.api.find(DEPLOYMENT, world.revision("1"))
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 9
    assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False


async def test_a_number_that_nobody_else_owns_is_written_as_it_is() -> None:
    """The autoscaler has come and not written yet: left out, the API server would make it 1."""
    world = await serving()
    world.api.put(scaler(HORIZONTAL_POD_AUTOSCALER, world.revision("1"), **HPA_TARGET))
    applied: list[Json] = []
    apply = world.api.apply

    async def keep(manifest: Json, *, force: bool) -> Json:
        applied.append(manifest)
        return await apply(manifest, force=force)

    world.api.apply = keep  # type: ignore[method-assign]
    world.api.edit(
        DEPLOYMENT, world.revision("1"), lambda one: one["spec"]["template"]["spec"].update(enableServiceLinks=True)
    )
    await world.run(3)
    written = [one for one in applied if one["kind"] == "Deployment"]
    assert [one["spec"].get("replicas") for one in written] == [4]
    assert written[0]["metadata"]["resourceVersion"]


@pytest.mark.parametrize(("kind", "target"), NAMING)
async def test_ownership_comes_back_with_the_end_of_the_scaler(kind: Kind, target: dict[str, str]) -> None:
    """Its entry in managedFields outlives it, and owns nothing."""
    world = await serving()
    world.api.put(scaler(kind, world.revision("1"), **target))
    scale(world, 1, manager="kube-controller-manager")
    await world.run(5)
    assert replicas(world) == 1
    world.api.remove(kind, "ml", "theirs")
    await world.run(2)
    assert replicas(world) == 4


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        pytest.param(HORIZONTAL_POD_AUTOSCALER, {"apiVersion": "apps/v1", "kind": "StatefulSet"}, id="another kind"),
        pytest.param(SCALED_OBJECT, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Deployment"}, id="another group"),
    ],
)
async def test_a_scaler_of_something_else_is_none_of_ours(kind: Kind, target: dict[str, str]) -> None:
    """The name alone is no target."""
    world = await serving()
    world.api.put(scaler(kind, world.revision("1"), **target))
    scale(world, 1, manager="kube-controller-manager")
    await world.run(3)
    assert replicas(world) == 4


async def test_a_scaler_of_a_deployment_that_is_gone_does_not_size_the_next_one() -> None:
    """Made again, it begins with our number: left out, it would be 1."""
    world = await serving()
    world.api.put(scaler(HORIZONTAL_POD_AUTOSCALER, world.revision("1"), **HPA_TARGET))
    scale(world, 9, manager="kube-controller-manager")
    await world.run(2)
    world.api.remove(DEPLOYMENT, "ml", world.revision("1"))
    await world.run(2)
    assert replicas(world) == 4
