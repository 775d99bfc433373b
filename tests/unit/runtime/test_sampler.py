"""Looks at all live rollouts: one question for all that share a source, a preset and an interval."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.assessment import AnalysisState, Look, Measured, Missing, Reason, Stage
from serinus.core.model.identity import Key
from serinus.runtime.own_queries import rendered
from serinus.runtime.sampler import LOOKS_AT_ONCE, Sampler
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

DRIFT = {
    "name": "drift",
    "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "0.25"},
}
WHOLE = {"name": "whole", "query": 'psi{namespace="{{namespace}}"}', "thresholdRange": {"max": "0.25"}}


class Answers:
    """The port `Metrics`: a counter of the canary that grows by ten a second, and 0.1 for a user's query."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.failure: NoAnswer | None = None
        self.fails = ""
        self.slow = False
        self.worse = ""
        """Whose query of his own says 0.9."""

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: bool = False) -> MetricsAnswer:
        self.asked.append(query)
        now = self.clock.now()
        if self.failure is not None and self.fails in query:
            return self.failure
        if own and self.slow:
            await asyncio.Event().wait()
        if query.startswith("istio"):
            return SeriesSet(())
        value = 0.9 if self.worse and f'"{self.worse}"' in query else 0.1
        return SeriesSet((Series({}, ((now, now if query.startswith("max") else value),)),))


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.answers = Answers(self.clock)
        self.woken: list[Key] = []
        self.sampler = Sampler(self.answers, self.clock, wake=self.woken.append)
        self.sampler.autostart = False

    def watch(self, number: int, *metrics: dict[str, object], interval: str = "1s") -> Key:
        analysis = policy_of(spec(analysis={"metrics": list(metrics) or [ERROR_RATE], "interval": interval})).analysis
        key, name = Key("ml", f"m{number}"), f"m{number}"
        canary, stable = (Arm("ml", name, f"{letter}{number}", f"{name}-{letter}") for letter in "cs")
        self.sampler.watch(Watch(key, f"uid-{number}", canary, stable, analysis, None))
        return key

    def crowd(self, number: int, *, not_well: int | None = None) -> None:
        """Watch so many at a weight, judged by a query of their own; all but one are well."""
        for each in range(number):
            key = self.watch(each, {**DRIFT, "query": 'psi{modeldeployment="{{name}}"}'})
            since, watch = self.clock.now() - 50, self.sampler._watches[key]
            stage, calm = Stage(10, 50, since), each != not_well
            self.sampler.watch(replace(watch, since=since, calm=calm, known=AnalysisState(), stage=stage))

    async def look_again(self) -> list[str]:
        """Take the looks of the next second: who is woken, one after the other."""
        self.clock.move(1.0)
        self.woken.clear()
        await self.sampler.take_looks(1.0)
        await self.sampler.settle()
        return [key.name for key in self.woken]


async def test_a_hundred_rollouts_are_one_question_and_one_for_the_targets() -> None:
    """The first time the whole window, then what has come since; never one a rollout.

    One more counts the scrapes, as no series tells how often they come.
    """
    desk = Desk()
    for number in range(40):
        desk.watch(number)
    await desk.sampler.take_looks(1.0)
    assert len(desk.answers.asked) == 3
    desk.answers.asked.clear()
    desk.clock.move(1.0)
    await desk.sampler.take_looks(1.0)
    assert len(desk.answers.asked) == 3
    assert len(desk.woken) == 80


async def test_a_newcomer_is_asked_about_for_the_whole_window() -> None:
    """The others only since the last answer."""
    desk = Desk()
    desk.watch(0)
    await desk.sampler.take_looks(1.0)
    desk.clock.move(1.0)
    desk.watch(1)
    desk.answers.asked.clear()
    await desk.sampler.take_looks(1.0)
    about = {("m0" in query, "m1" in query): query for query in desk.answers.asked if query.startswith("istio")}
    assert "[301s]" in about[False, True]
    assert "[5s]" in about[True, False]


async def test_an_outage_is_asked_about_in_full_when_it_is_over() -> None:
    """No scrape of it is lost."""
    desk = Desk()
    desk.watch(0)
    await desk.sampler.take_looks(1.0)
    desk.answers.failure = NoAnswer(Failure.UNREACHABLE, "refused")
    for _ in range(30):
        desk.clock.move(1.0)
        await desk.sampler.take_looks(1.0)
    desk.answers.failure = None
    desk.answers.asked.clear()
    desk.clock.move(1.0)
    await desk.sampler.take_looks(1.0)
    assert any("[35s]" in query for query in desk.answers.asked)


@pytest.mark.parametrize(
    ("failure", "reason"), [(Failure.UNREACHABLE, Reason.UNREACHABLE), (Failure.REFUSED, Reason.REFUSED)]
)
async def test_a_source_that_does_not_answer_is_a_reading(failure: Failure, reason: Reason) -> None:
    """Never an exception, never an old number."""
    desk = Desk()
    key = desk.watch(0)
    desk.answers.failure = NoAnswer(failure, "no")
    await desk.sampler.take_looks(1.0)
    look = desk.sampler.look(key, "uid-0")
    assert look is not None
    reading = look.observations["error-rate"].canary
    assert isinstance(reading, Missing)
    assert reading.reason is reason


async def test_a_users_query_is_asked_once_an_arm_where_it_tells_them_apart() -> None:
    """Otherwise once, and it has no baseline."""
    desk = Desk()
    key = desk.watch(0, DRIFT, WHOLE)
    await desk.sampler.take_looks(1.0)
    assert sorted(query for query in desk.answers.asked if query.startswith("psi")) == [
        'psi{modeldeployment="m0", revision="c0"}',
        'psi{modeldeployment="m0", revision="s0"}',
        'psi{namespace="ml"}',
    ]
    look = desk.sampler.look(key, "uid-0")
    assert look is not None
    assert look.observations["whole"].stable is None
    assert isinstance(look.observations["drift"].stable, Measured)


async def test_intervals_are_asked_for_apart() -> None:
    """Each in its own time."""
    desk = Desk()
    desk.watch(0, interval="1s")
    desk.watch(1, interval="5s")
    await desk.sampler.take_looks(5.0)
    assert desk.woken == [Key("ml", "m1")]


async def test_a_look_belongs_to_its_rollout() -> None:
    """The next Rollout of the same ModelDeployment has none yet, and a forgotten one has none any more."""
    desk = Desk()
    key = desk.watch(0)
    await desk.sampler.take_looks(1.0)
    assert desk.sampler.look(key, "uid-0") is not None
    assert desk.sampler.look(key, "uid-1") is None
    desk.sampler.watch(replace(desk.sampler._watches[key], rollout="uid-1"))
    assert desk.sampler.look(key, "uid-1") is None
    desk.sampler.forget(key)
    assert desk.sampler.look(key, "uid-0") is None


async def test_nobody_watched_is_nobody_asked() -> None:
    """An idle operator asks Prometheus nothing."""
    desk = Desk()
    await desk.sampler.take_looks(1.0)
    assert desk.answers.asked == []


async def test_after_a_quiet_week_no_more_than_the_window_is_asked_for() -> None:
    """A range that grows with the silence would be refused, and grow again."""
    desk = Desk()
    key = desk.watch(0)
    await desk.sampler.take_looks(1.0)
    desk.sampler.forget(key)
    desk.clock.move(7 * 86_400.0)
    desk.watch(0)
    desk.answers.asked.clear()
    await desk.sampler.take_looks(1.0)
    (asked,) = [query for query in desk.answers.asked if query.startswith("istio")]
    assert asked.endswith("[301s]")


async def test_what_one_chunk_cannot_be_told_of_blinds_nobody_else() -> None:
    """A hundred Services a question: the hundred and first rollout still sees."""
    desk = Desk()
    keys = [desk.watch(number) for number in range(100, 160)]
    desk.answers.failure, desk.answers.fails = NoAnswer(Failure.REFUSED, "too many samples"), "m100-c"
    await desk.sampler.take_looks(1.0)
    readings = [desk.sampler.look(key, f"uid-{key.name[1:]}").observations["error-rate"].canary for key in keys]  # type: ignore[union-attr]
    assert [isinstance(one, Missing) and one.reason is Reason.REFUSED for one in (readings[0], readings[-1])] == [
        True,
        False,
    ]


async def test_a_slow_query_of_a_users_own_delays_no_preset() -> None:
    """Its own rollout is Blind for it; every other look comes in time."""
    desk = Desk()
    desk.answers.slow = True
    slow, other = desk.watch(0, ERROR_RATE, DRIFT), desk.watch(1)
    async with asyncio.timeout(5):
        await desk.sampler.take_looks(1.0)
    assert desk.sampler.look(other, "uid-1") is not None
    look = desk.sampler.look(slow, "uid-0")
    assert look is not None
    late = look.observations["drift"].canary
    assert isinstance(late, Missing)
    assert late.reason is Reason.STALE
    await desk.sampler.close()


@pytest.mark.parametrize(
    ("written", "scraped", "asked"),
    [(None, None, "60s"), (None, 15.0, "60s"), (None, 30.0, "90s"), ("5m", 30.0, "5m"), ("30s", 15.0, "45s")],
)
def test_the_window_of_a_users_query_holds_three_scrapes(
    written: str | None, scraped: float | None, asked: str
) -> None:
    """A rate over fewer has no value half of the time."""
    window = {} if written is None else {"window": written}
    metric = {"name": "rate", "query": "rate(x[{{window}}])", "thresholdRange": {"max": "1"}, **window}
    (parsed,) = policy_of(spec(analysis={"metrics": [metric]})).analysis.metrics
    assert rendered(parsed, Arm("ml", "m", "c", "m-c"), scraped) == f"rate(x[{asked}])"


async def test_who_is_not_well_is_looked_at_and_woken_first() -> None:
    """Of three hundred; the last pass of everybody else is longer ago, as their looks change nothing."""
    desk = Desk()
    desk.crowd(300, not_well=7)
    for _ in range(4):
        woken = await desk.look_again()
    assert woken[0] == "m7"
    assert 1 < len(woken) < 200


async def test_a_look_that_changes_something_wakes_before_those_that_change_nothing() -> None:
    """It stands behind sixty others that have their turn, too."""
    desk = Desk()
    desk.crowd(120)
    for _ in range(3):
        await desk.look_again()
    last = sorted(desk.sampler._watches, key=desk.sampler._told.at)[LOOKS_AT_ONCE - 1].name
    desk.answers.worse = last
    assert (await desk.look_again())[0] == last


async def test_a_pass_is_over_before_looks_at_many_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A revert waits for the API server several times, and must not wait for sixty-four looks each time."""
    desk = Desk()
    desk.crowd(300)
    looks, over, passes, take = list[Watch](), list[int](), list[asyncio.Task[None]](), Sampler._look

    def counted(sampler: Sampler, watch: Watch, at: float) -> Look:
        looks.append(watch)
        return take(sampler, watch, at)

    async def revert() -> None:
        for _ in range(12):
            await asyncio.sleep(0)
        over.append(len(looks))

    monkeypatch.setattr(Sampler, "_look", counted)
    monkeypatch.setattr(desk.sampler, "_wake", lambda key: passes or passes.append(asyncio.create_task(revert())))
    await desk.sampler.take_looks(1.0)
    assert len(looks) == 300
    assert over[0] < 2 * LOOKS_AT_ONCE


async def test_who_looks_seldom_does_not_wait_for_a_turn_because_others_look_often() -> None:
    """How long a look may wait for its pass is a matter of those that are looked at together."""
    desk = Desk()
    desk.crowd(120)
    seldom = desk.watch(200, interval="5s")
    await desk.look_again()
    await desk.sampler.take_looks(5.0)
    assert desk.sampler.turn_seconds(Key("ml", "m0")) == pytest.approx(6.0)
    assert desk.sampler.turn_seconds(seldom) == 0.0
