"""Errors inside the messages of gRPC streams are seen by no metric: nothing is called Safe without saying so."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from tests.support.world import trying

SLOW_WALK: list[Json] = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
async def test_safe_says_which_answers_nobody_judged(mode: str) -> None:
    """The canary answers streams: the verdict's message and a condition say that they are not judged."""
    world = await trying(steps=SLOW_WALK, analysis={"mode": mode})
    world.prometheus.stream_messages[world.revision("2")] = 1234.0
    await world.until(lambda w: w.condition("Serving")["reason"] == "StreamsNotWatched", limit=60)
    assert "about 1,000 messages a minute of its gRPC streams are not judged" in world.condition("Serving")["message"]
    assert world.condition("Serving")["status"] == "True"
    assert "90% to version 1, 10% to version 2" in world.condition("Serving")["message"]
    world.lever(promote={"throughStep": 2})
    await world.until(lambda w: w.weight == 100, limit=180)
    raised = [one["message"] for one in world.state["decisions"] if "10 to 100" in one.get("message", "")]
    assert raised
    assert all("gRPC streams are not judged" in message for message in raised)


async def test_a_canary_without_streams_is_called_safe_without_a_word() -> None:
    """One message a request is no stream."""
    world = await trying(steps=SLOW_WALK)
    await world.run(40)
    assert world.condition("Serving")["reason"] == "Split"
