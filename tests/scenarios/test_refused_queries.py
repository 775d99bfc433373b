"""Wrong PromQL is told when it is committed, in Prometheus' words, and not by the first rollout that needs it."""

from __future__ import annotations

from typing import Any

from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer
from tests.support.world import World, serving, trying
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

WRONG = {
    "name": "psi",
    "query": 'max(psi{modeldeployment="{{name}}", revision="{{revision}}"}))',
    "thresholdRange": {"max": "0.25"},
}
BAD_DATA = NoAnswer(Failure.REFUSED, "HTTP 400: bad_data: 1:30: parse error: unexpected right parenthesis ')'")
GONE = NoAnswer(Failure.UNREACHABLE, "connection refused")
FORBIDDEN = NoAnswer(Failure.REFUSED, "HTTP 403: forbidden")


def answering(world: World, answer: NoAnswer) -> list[str]:
    """Let the source answer the user's query so; give the queries that were asked."""
    real, asked = world.prometheus.ask, []

    async def ask(source: str, query: str, at: float | None = None, *, own: bool = False) -> MetricsAnswer:
        if own:
            asked.append(query)
            return answer
        return await real(source, query, at, own=own)

    world.prometheus.ask = ask  # type: ignore[method-assign]
    return asked


def analysed(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {"metrics": [ERROR_RATE, *metrics]}


async def test_a_wrong_query_is_told_when_it_is_committed() -> None:
    """Nothing new is tried, what serves goes on, and the query is asked just once."""
    world = await serving()
    asked = answering(world, BAD_DATA)
    world.commit(fraud("1", analysis=analysed(WRONG)))
    await world.run(120)
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "Refused")
    assert "psi" in stalled["message"]
    assert "unexpected right parenthesis" in stalled["message"]
    assert world.condition("Ready")["status"] == "True"
    assert len(asked) == 1


async def test_a_corrected_query_is_asked_anew() -> None:
    """The next commit is not judged by the last one."""
    world = await serving()
    answering(world, BAD_DATA)
    world.commit(fraud("1", analysis=analysed(WRONG)))
    await world.run(5)
    world.commit(fraud("1", analysis=analysed()))
    await world.run(5)
    assert world.condition("Stalled")["status"] == "False"


async def test_a_source_that_does_not_answer_has_refused_nothing() -> None:
    """Nor has one that will not answer us: that says nothing of the query. It is asked again, now and then."""
    for answer in (GONE, FORBIDDEN):
        world = await serving()
        asked = answering(world, answer)
        world.commit(fraud("1", analysis=analysed(WRONG)))
        await world.run(10)
        assert world.condition("Stalled")["status"] == "False"
        assert len(asked) == 1


async def test_a_wrong_query_keeps_no_revert_back() -> None:
    """It is committed while a bad version has weight."""
    world = await trying(at=10)
    answering(world, BAD_DATA)
    world.commit(fraud("2", analysis=analysed(WRONG)))
    world.models["2"].error_rate = 1.0
    assert await world.until(lambda w: w.routed.get("2", 0) == 0, limit=30) <= 5


async def test_a_new_version_with_a_wrong_query_gets_no_weight() -> None:
    """It could not be judged."""
    world = await serving()
    answering(world, BAD_DATA)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysed(WRONG)))
    await world.run(60)
    assert world.routed.get("2", 0) == 0
    assert world.condition("Stalled")["reason"] == "Refused"


async def test_a_fix_with_a_wrong_query_takes_the_place_of_a_stable_without_pods() -> None:
    """Nothing could be compared anyway; the query is still called wrong."""
    world = await serving()
    answering(world, BAD_DATA)
    world.break_pods("1", 4)
    await world.run(5)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysed(WRONG)))
    await world.until(lambda w: w.routed.get("2") == 100, limit=40)
    assert world.condition("Stalled")["reason"] == "Refused"
