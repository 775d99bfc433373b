"""What has ended leaves nothing behind: an operator lives for weeks, and rollouts come and go by the hundred."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sized

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.core.model.identity import Key
from serinus.runtime.sampler import Sampler
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

KEY = Key("ml", "fraud")
CANARY, STABLE = (Arm("ml", "fraud", letter, f"fraud-{letter}") for letter in "cs")
DRIFT = {"name": "drift", "query": 'psi{revision="{{revision}}"}', "thresholdRange": {"max": "0.25"}}
SCRAPES = 60


class Source:
    """A Prometheus in which stable answers, and the canary nothing but messages; each question is told of first."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.on_question: Callable[[], None] = lambda: None

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        self.on_question()
        # Whoever has asked is not answered in the same turn.
        await asyncio.sleep(0)
        now = self._clock.now()
        if query.startswith(("max(", "topk(", "psi")):
            return SeriesSet((Series({}, ((now, now if query.startswith("max") else 10.0),)),))
        canary, stable = (
            {"destination_service_namespace": arm.namespace, "destination_service_name": arm.service}
            for arm in (CANARY, STABLE)
        )
        if query.startswith("sum by"):
            return SeriesSet((Series(canary, ((now, 40.0),)),))
        if not query.startswith("istio_requests_total"):
            return SeriesSet(())
        labels = {"__name__": "istio_requests_total", "response_code": "200", "instance": "gw-1", **stable}
        samples = tuple((now - 5.0 * back, 1000.0 - 10.0 * back) for back in reversed(range(SCRAPES)))
        return SeriesSet((Series(labels, samples),))


class Watched:
    """A rollout that is looked at each second, with a query of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.source = Source(self.clock)
        self.woken = asyncio.Event()
        self.sampler = Sampler(self.source, self.clock, wake=lambda _: self.woken.set())
        self.sampler.autostart = False
        policy = {"metrics": [ERROR_RATE, DRIFT], "interval": "1s", "mode": "Sequential"}
        analysis, now = policy_of(spec(analysis=policy)).analysis, self.clock.now()
        self.rollout = Watch(
            KEY, "uid", CANARY, STABLE, analysis, now - 60, stable_version="42", alone=((now - 600, now - 60),)
        )

    async def look(self) -> None:
        await self.sampler.take_looks(1.0)
        await self.sampler.settle()

    def kept(self) -> dict[str, int]:
        """Count what is kept by rollout, or by revision for one alone."""
        sampler = self.sampler
        kept: Mapping[str, Sized] = {
            "watches": sampler._watches,
            "since": sampler._since,
            "looks": sampler._looks,
            "told": sampler._told._told,
            "put off": sampler._put_off,
            "quiet": sampler.silences._quiet,
            "pasts": sampler._pasts._found,
            "messages": sampler._streams._messages,
            "answers": sampler._own._answered,
            "foretold": sampler._weighing._foretold,
            "plans": sampler._glances._plans,
        }
        return {name: len(found) for name, found in kept.items() if len(found)}


async def test_a_rollout_that_has_ended_leaves_nothing() -> None:
    """What was known of it is of no use to anybody."""
    watched = Watched()
    watched.sampler.watch(watched.rollout)
    await watched.look()
    assert watched.kept().keys() >= {"looks", "quiet", "pasts", "messages", "answers"}
    watched.sampler.forget(KEY)
    assert watched.kept() == {}


@pytest.mark.parametrize("question", range(1, 9))
async def test_one_that_ends_while_it_is_looked_at_leaves_nothing(question: int) -> None:
    """A look asks for several things, one after the other; the rollout ends with any of these questions."""
    watched, asked = Watched(), 0

    def ends() -> None:
        nonlocal asked
        asked += 1
        if asked == question:
            watched.sampler.forget(KEY)

    watched.source.on_question = ends
    watched.sampler.watch(watched.rollout)
    await watched.look()
    assert asked >= question
    assert watched.kept() == {}


async def test_with_the_last_rollout_go_the_samples_of_all() -> None:
    """After a crowd of them nothing may be asked for days, and what each revision has shown takes over 100 KiB."""
    watched = Watched()
    presets = watched.sampler._presets
    watched.sampler.autostart = True
    watched.sampler.watch(watched.rollout)
    await watched.woken.wait()
    assert presets._counters._tallies
    assert watched.sampler.silences._heard
    watched.sampler.forget(KEY)
    while watched.sampler._rounds._loops:
        watched.clock.move(1.0)
        await asyncio.sleep(0)
    assert not presets._counters._tallies
    assert not presets._counters._known_until
    assert not watched.sampler.silences._heard
    await watched.sampler.close()
