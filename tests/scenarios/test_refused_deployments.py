"""A Deployment that the API server does not take: its words reach people, and it is tried again."""

from __future__ import annotations

import pytest

from serinus.core.model.errors import ClusterError, Forbidden, Invalid
from serinus.core.model.kinds import Json
from tests.support.world import Model, fraud, serving


@pytest.mark.parametrize(
    "error",
    [
        Invalid(
            'Deployment.apps "fraud" is invalid: spec.template.spec.containers[0].resources.requests: Invalid value'
        ),
        Forbidden('admission webhook "images.example.com" denied the request: image is not signed'),
    ],
    ids=["422", "a webhook"],
)
async def test_the_words_of_a_refusal_are_told_until_it_is_taken(error: ClusterError) -> None:
    """In the Rollout's status, and in the record of the deadline."""
    world = await serving()
    write = world.api.apply

    async def refuse(manifest: Json, *, force: bool) -> Json:
        if manifest["kind"] == "Deployment" and world.version(manifest["metadata"]["name"]) == "2":
            raise error
        return await write(manifest, force=force)

    world.api.apply = refuse  # type: ignore[method-assign]
    world.models["2"] = Model()
    world.commit(fraud("2"))
    await world.until(lambda w: w.reason == "DeploymentRefused", limit=30)
    assert str(error)[-20:] in world.state["message"]
    world.api.apply = write  # type: ignore[method-assign]
    await world.until(lambda w: w.routed.get("2") == 10, limit=30)
