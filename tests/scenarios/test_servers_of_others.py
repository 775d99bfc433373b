"""Servers of the OpenAI protocol that count nothing as vLLM does: no weight is held for a wrong reason."""

from __future__ import annotations

from serinus.core.model.kinds import Json
from tests.support.world import Model, World, fraud

ANOTHER: Json = {"command": ["python", "-m", "sglang.launch_server"]}


def commit(world: World, version: str, **runtime: object) -> None:
    """A version of type openai, with what is watched left to the operator."""
    world.models[version] = Model()
    manifest = fraud(version, runtime={"image": f"server:{version}", "type": "openai", **runtime})
    manifest["spec"].pop("analysis", None)
    world.commit(manifest)


async def test_one_that_the_team_starts_is_judged_by_what_the_gateway_counts() -> None:
    """Its errors, which any server has; vLLM's series it may not have."""
    world = World()
    commit(world, "1", podTemplate=ANOTHER)
    await world.until(lambda w: w.phase == "Succeeded")
    commit(world, "2", podTemplate=ANOTHER)
    await world.until(lambda w: w.tried == "2" and w.weight == 100, limit=900)
    assert world.rollout["status"]["verdict"] == "Safe"


async def test_one_in_the_place_of_vllm_is_said_to_count_nothing() -> None:
    """Requests do come, so want of traffic would be an untrue reason."""
    world = World()
    commit(world, "1")
    await world.until(lambda w: w.phase == "Succeeded")
    commit(world, "2")
    await world.until(lambda w: w.tried == "2" and w.rollout["status"].get("reason") == "NoSeries", limit=300)
    said = world.rollout["status"]["message"]
    assert "vLLM's counters show nothing, although" in said
    assert "write a spec.analysis without them" in said
    assert "no request" not in said
