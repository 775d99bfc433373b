"""How many messages of a canary's streams were answered: asked now and then, about each canary."""

from __future__ import annotations

import re

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.core.model.identity import Key
from serinus.runtime.presets import Presets
from serinus.runtime.streams import EVERY_SECONDS, StreamCounts
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

MESSAGES = 40.0


class Gateway:
    """A Prometheus in which each canary that is asked about has answered messages."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.asked: list[str] = []

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        self.asked.append(query)
        canaries = re.findall(r"(\w+)-c\b", query)
        labels = ({"destination_service_namespace": "ml", "destination_service_name": f"{name}-c"} for name in canaries)
        return SeriesSet(tuple(Series(each, ((self._clock.now(), MESSAGES),)) for each in labels))


def _watch(name: str, interval: str, since: float) -> Watch:
    analysis = policy_of(spec(analysis={"metrics": [ERROR_RATE], "interval": interval})).analysis
    canary, stable = (Arm("ml", name, letter, f"{name}-{letter}") for letter in "cs")
    return Watch(Key("ml", name), f"{name}-1", canary, stable, analysis, since=since)


async def test_rollouts_of_two_intervals_are_asked_about_however_close_their_rounds_are() -> None:
    """They share a source: that one of them has just been asked about says nothing of the other."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    often, seldom = (_watch(name, interval, clock.now() - 60.0) for name, interval in (("a", "1s"), ("b", "10s")))
    for watch in (often, seldom):
        await counts.ask([watch])
    assert [counts.messages(watch) for watch in (often, seldom)] == [MESSAGES, MESSAGES]


async def test_a_canary_is_asked_about_now_and_then() -> None:
    """Nothing judges what is counted: a question a look would be too many."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    watch = _watch("a", "1s", clock.now() - 60.0)
    for _ in range(2 * int(EVERY_SECONDS)):
        await counts.ask([watch])
        clock.move(1.0)
    assert len(gateway.asked) == 2
