"""A revert by errors says which answers, and in whose words, to everybody who asks."""

from __future__ import annotations

import pytest

from serinus.api.served_model import Probe
from serinus.core.model.kinds import Json
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import ERROR_RATE

LONG: list[Json] = [{"setWeight": 20}, {"pause": {"duration": "10m"}}]
WORDS = "unexpected inference input 'features'"


def model(version: str, tensor: str) -> Json:
    """A model whose sample request has one input of this name."""
    inputs = [{"name": tensor, "datatype": "FP32", "shape": [1, 1], "data": [1]}]
    return {"version": version, "storageUri": f"pvc://models/fraud/{version}", "probe": {"inputs": inputs}}


def only_takes(tensor: str) -> Model:
    """A model of another schema: what callers send is a 400 in its words."""

    def refuses(probe: Probe) -> str:
        names = {one.name for one in probe.inputs}
        return "" if names == {tensor} else f"[request id: 7] unexpected inference input '{min(names)}'"

    return Model(error_rate=0.6, error_code="400", refuses=refuses)


async def reverted(tried: Model, *, mode: str, tensor: str = "inputs") -> World:
    """Commit version 2 with a sample request of its own, and wait for its end."""
    analysis: Json = {"mode": mode, "metrics": [ERROR_RATE]}
    world = await serving(steps=LONG, analysis=analysis, model=model("1", "features"))
    world.models["2"] = tried
    world.commit(fraud("2", steps=LONG, analysis=analysis, model=model("2", tensor)))
    await world.until(lambda w: w.tried == "2" and w.phase == "Reverted", limit=200)
    return world


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_a_new_schema_is_told_in_the_models_own_words(mode: str) -> None:
    """The canary was asked stable's sample request before its first weight: callers still send that."""
    world = await reverted(only_takes("inputs"), mode=mode)
    message = world.state["message"]
    assert message.endswith(f" x HTTP 400: {WORDS}"), message
    (taken,) = [one for one in world.state["decisions"] if one["action"] == "Taken"]
    assert taken["message"] == message
    assert any(reason == "RolloutReverted" and message in text for _, reason, text in world.events)
    stalled = next(one for one in world.status["conditions"] if one["type"] == "Stalled")
    assert message in stalled["message"]


async def test_words_about_another_fault_are_left_out() -> None:
    """It refuses stable's sample request as the caller's fault, and is reverted for faults of its own."""
    tried = only_takes("inputs")
    tried.error_code = "500"
    message = (await reverted(tried, mode="Threshold")).state["message"]
    assert message.endswith(" x HTTP 500"), message


async def test_the_same_sample_request_is_not_asked_again_of_a_canary_that_is_well() -> None:
    """It has answered it: there is nothing to ask."""
    tried = only_takes("features")
    message = (await reverted(tried, mode="Threshold", tensor="features")).state["message"]
    assert message.endswith(" x HTTP 400"), message


async def test_words_are_bounded_and_hold_no_secrets() -> None:
    """Whatever the server repeats in them."""
    tried = only_takes("inputs")
    said = f"bad header Authorization: Bearer s3cretT0ken\n{'x ' * 5000}"
    accepts = tried.refuses
    tried.refuses = lambda probe: said if accepts(probe) else ""
    world = await reverted(tried, mode="Threshold")
    message = world.state["message"]
    assert ": bad header Authorization: …" in message
    assert "s3cret" not in str((world.state, world.status, world.events))
    assert len(message) < 400
    assert message.isprintable()
