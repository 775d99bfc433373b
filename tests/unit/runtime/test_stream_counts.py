"""How many messages of a canary's streams were answered: asked now and then, about each canary."""

from __future__ import annotations

import asyncio
import re

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.core.model.identity import Key
from serinus.runtime.presets import Presets
from serinus.runtime.sampler import Sampler
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
        self.hanging = ""
        """Word of the questions that wait until there are `answers`."""
        self.answers = asyncio.Event()
        self.answers.set()

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        self.asked.append(query)
        if self.hanging in query:
            await self.answers.wait()
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
        counts.begin([watch])
    await counts.settle()
    assert [counts.messages(watch) for watch in (often, seldom)] == [MESSAGES, MESSAGES]


async def test_a_canary_is_asked_about_now_and_then() -> None:
    """Nothing judges what is counted: a question a look would be too many."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    watch = _watch("a", "1s", clock.now() - 60.0)
    for _ in range(2 * int(EVERY_SECONDS)):
        counts.begin([watch])
        await counts.settle()
        clock.move(1.0)
    assert len(gateway.asked) == 2


async def test_canaries_that_came_one_after_the_other_are_soon_asked_about_together() -> None:
    """Else a round of fifteen of them would have a question about one of them with each look."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    watches: list[Watch] = []
    for number in range(int(EVERY_SECONDS)):
        watches.append(_watch(f"m{number}", "1s", clock.now() - 60.0))
        counts.begin(watches)
        await counts.settle()
        clock.move(1.0)
    for _ in range(2 * int(EVERY_SECONDS)):
        counts.begin(watches)
        await counts.settle()
        clock.move(1.0)
    gateway.asked.clear()
    for _ in range(2 * int(EVERY_SECONDS)):
        counts.begin(watches)
        await counts.settle()
        clock.move(1.0)
    assert len(gateway.asked) == 2
    assert all(f"{watch.canary.service}" in query for query in gateway.asked for watch in watches)


async def test_a_question_that_nobody_answers_is_asked_once() -> None:
    """The next looks go on with what is known, and do not ask beside it."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    watch = _watch("a", "1s", clock.now() - 60.0)
    gateway.answers.clear()
    for _ in range(3 * int(EVERY_SECONDS)):
        counts.begin([watch])
        await asyncio.sleep(0)
        clock.move(1.0)
    assert (len(gateway.asked), counts.messages(watch)) == (1, 0.0)
    gateway.answers.set()
    await counts.settle()
    assert counts.messages(watch) == MESSAGES


async def test_an_answer_about_a_canary_that_has_ended_is_dropped() -> None:
    """It would be kept for ever."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    counts = StreamCounts(gateway, clock, Presets(gateway, clock, {}))
    ended, goes_on = (_watch(name, "1s", clock.now() - 60.0) for name in "ab")
    gateway.answers.clear()
    counts.begin([ended, goes_on])
    await asyncio.sleep(0)
    counts.forget(ended)
    gateway.answers.set()
    await counts.settle()
    assert [counts.messages(watch) for watch in (ended, goes_on)] == [0.0, MESSAGES]


async def test_no_look_waits_for_the_question_about_streams() -> None:
    """A source that is slow with it alone: the look is taken all the same."""
    clock = VirtualClock()
    gateway = Gateway(clock)
    sampler = Sampler(gateway, clock, wake=lambda _: None)
    sampler.autostart = False
    gateway.hanging = "increase(istio_response_messages_total"
    gateway.answers.clear()
    watch = _watch("a", "1s", clock.now() - 60.0)
    sampler.watch(watch)
    await asyncio.wait_for(sampler.take_looks(1.0), 10.0)
    assert sampler.look(watch.key, watch.rollout) is not None
    assert any(gateway.hanging in query for query in gateway.asked)
    await sampler.close()
