"""The pod is the team's, too: what they add is rolled out as any change, and what would break ours never starts."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import DEPLOYMENT, Json
from tests.support.world import Model, World, fraud, serving

SIDECAR: Json = {"name": "features", "image": "features:3"}


def commit(world: World, version: str, **runtime: object) -> None:
    world.models.setdefault(version, Model())
    world.commit(fraud(version, runtime={"image": "triton:1", **runtime}))


async def test_a_new_sidecar_is_a_new_revision_that_goes_through_the_steps() -> None:
    """The pods of the old one stay as they are, and one step after the other moves the weight."""
    world = await serving()
    before = {one["metadata"]["name"]: one["spec"]["template"] for one in world.api.all(DEPLOYMENT)}
    commit(world, "1", podTemplate={"containers": [SIDECAR]})
    await world.until(lambda w: w.phase == "Progressing", limit=30)
    now = {one["metadata"]["name"]: one["spec"]["template"] for one in world.api.all(DEPLOYMENT)}
    (added,) = now.keys() - before.keys()
    assert now[added]["spec"]["containers"][1] == SIDECAR
    assert {name: now[name] for name in before} == before
    await world.until(lambda w: w.phase == "Succeeded", limit=120)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"args": ["--grpc-port=9"]}, "podTemplate.args"),
        ({"volumes": [{"name": "n", "hostPath": {"path": "/"}}]}, "podTemplate.volumes[n]"),
        ({"containers": [{"name": "s", "ports": [{"containerPort": 8000}]}]}, "podTemplate.containers[s].ports"),
    ],
    ids=["a port", "the node's files", "a sidecar's port"],
)
async def test_what_would_break_ours_is_said_and_the_old_version_serves_on(wish: Json, field: str) -> None:
    """Until it is corrected: then it is rolled out as if nothing had been."""
    world = await serving()
    commit(world, "2", podTemplate=wish)
    await world.until(lambda w: w.condition("Stalled").get("reason") == "InvalidSpec", limit=30)
    assert f"spec.runtime.{field}" in world.condition("Stalled")["message"]
    assert world.routed == {"1": 100}
    commit(world, "2", podTemplate={"args": ["--log-verbose=1"]})
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)


async def test_another_server_is_rolled_out_beside_the_old_one() -> None:
    """Both speak one protocol, so one route leads to both."""
    world = await serving()
    commit(world, "2", type="mlserver", image="mlserver:1")
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)
    called = {world.version(one["metadata"]["name"]): one for one in world.api.all(DEPLOYMENT)}
    servers = {version: one["spec"]["template"]["spec"]["containers"][0]["name"] for version, one in called.items()}
    assert servers == {"1": "triton", "2": "mlserver"}
    labels = {version: one["metadata"]["labels"]["app.kubernetes.io/name"] for version, one in called.items()}
    assert labels == servers
