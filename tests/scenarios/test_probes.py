"""The sample request: what its answer, or the lack of a way to the pods, means for a rollout."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serinus.api.served_model import Probe
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome
from serinus.core.model.kinds import Json
from tests.support.world import Model, World, fraud, serving

INPUT: Json = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}
ANSWERED = ProbeAnswer(ProbeOutcome.ANSWERED)
AWAY = ProbeAnswer(ProbeOutcome.UNREACHABLE, "no connection within 5 s")
WRONG = ProbeAnswer(ProbeOutcome.FAILED, "bad input")


def model(version: str) -> Json:
    """A model with a sample request."""
    return {"version": version, "storageUri": f"pvc://models/fraud/{version}", "probe": {"inputs": [INPUT]}}


def answering(world: World, answer: Callable[[int, float], ProbeAnswer]) -> list[float]:
    """Let `answer` decide by the number of the request and the seconds since the first; give when each was sent."""
    sent: list[float] = []

    async def infer(address: str, model: str, probe: Probe) -> ProbeAnswer:
        sent.append(world.clock.now())
        return answer(len(sent), sent[-1] - sent[0])

    world.infer = infer  # type: ignore[method-assign]
    return sent


async def committed(
    answer: Callable[[int, float], ProbeAnswer], *, steps: list[Json] | None = None
) -> tuple[World, list[float]]:
    """A world in which version 1 serves, and version 2, with a sample request, has just been committed."""
    world = await serving()
    sent = answering(world, answer)
    world.models["2"] = Model()
    world.commit(fraud("2", model=model("2"), steps=steps))
    return world, sent


async def test_pods_out_of_reach_are_the_kubelets_to_judge() -> None:
    """Readiness is enough, it is said, and nothing is rejected for it."""
    world, _ = await committed(lambda number, age: AWAY)
    await world.until(lambda w: w.routed.get("2") == 10, limit=40)
    assert world.condition("Degraded")["reason"] == "ProbeUnreachable"
    assert "no connection within 5 s" in world.condition("Degraded")["message"]
    await world.until(lambda w: w.phase == "Succeeded", limit=120)
    assert not world.status.get("rejected")
    assert world.condition("Degraded")["reason"] == "AllReady"


async def test_a_first_revision_out_of_reach_serves() -> None:
    """Nothing else could."""
    world = World()
    world.models["1"] = Model()
    answering(world, lambda number, age: AWAY)
    world.commit(fraud("1", model=model("1")))
    await world.until(lambda w: w.phase == "Succeeded", limit=40)


async def test_a_network_that_is_slow_to_know_a_pod_is_waited_for() -> None:
    """Its answer counts when it comes: this one is wrong."""
    world, _ = await committed(lambda number, age: AWAY if age < 8 else WRONG)
    await world.until(lambda w: w.reason == "ProbeFailed", limit=30)
    await world.run(15)
    assert world.routed["1"] == 100


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda number, age: WRONG, id="all wrong"),
        pytest.param(lambda number, age: WRONG if number % 2 else AWAY, id="wrong, where it can be reached"),
    ],
)
async def test_a_wrong_answer_keeps_the_canary_out(answer: Callable[[int, float], ProbeAnswer]) -> None:
    """To the deadline, which rejects it in the words of the answer."""
    world, _ = await committed(answer)
    await world.until(lambda w: w.phase == "Aborted", limit=90)
    assert "bad input" in world.state["message"]
    assert world.status["rejected"][0]["version"] == "2"


async def test_pods_out_of_reach_are_asked_less_and_less() -> None:
    """A policy of the network stays: every two seconds would be for nothing."""
    world, sent = await committed(lambda number, age: AWAY, steps=[{"setWeight": 10}, {"pause": {}}])
    await world.run(60)
    sent.clear()
    await world.run(30)
    assert len(sent) <= len(world.ready("2"))
