"""Asking for stable's past: how much at once, how far back, and what a source that will not say is worth."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.identity import Key
from serinus.core.model.past import LONGEST_PAST_S, Past
from serinus.runtime.pasts import (
    CROWD_PAUSE_S,
    FEW,
    LONGEST_ASKING_S,
    LONGEST_STRETCH_S,
    MOST_SAMPLES,
    SHORTEST_STRETCH_S,
    STRETCH_SAMPLES,
    Pasts,
)
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

SCRAPE = 15.0
DAY = 86_400.0


class Archive:
    """A Prometheus with counters of stable since `born`, of so many replicas; `took` is what each answer takes (s)."""

    def __init__(self, clock: VirtualClock, *, replicas: int = 1, age: float = 2 * DAY) -> None:
        self.clock, self.replicas, self.born = clock, replicas, clock.now() - age
        self.asked: list[tuple[float, float]] = []
        self.samples: list[int] = []
        self.numbers: list[tuple[str, float | None, str]] = []
        self.sold: tuple[Series, ...] = ()
        self.failure: NoAnswer | None = None
        self.took = 0.0
        self.under_way = self.most_under_way = 0

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        now = self.clock.now()
        if query.startswith("(sales"):
            self.numbers.append((query, at, own))
            return SeriesSet(self.sold)
        if not query.startswith("istio"):
            return SeriesSet((Series({}, ((now, now),)),))
        seconds = float(re.search(r"\[(\d+)s\]", query)[1])  # type: ignore[index]
        if at is not None:
            self.asked.append((at - seconds, at))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await asyncio.sleep(0)
            self.clock.move(self.took)
            self.under_way -= 1
            if self.failure is not None:
                return self.failure
        found = tuple(self._series((at or now) - seconds, at or now))
        if at is not None:
            self.samples.append(sum(len(one.samples) for one in found))
        return SeriesSet(found)

    def _series(self, since: float, until: float) -> Iterator[Series]:
        first = max(since, self.born)
        times = [first - first % SCRAPE + SCRAPE * step for step in range(1, int((until - first) / SCRAPE) + 1)]
        for replica in range(self.replicas):
            for code, rate in (("200", 10.0), ("500", 0.1)):
                samples = tuple((at, float(int(rate * (at - self.born)))) for at in times)
                if samples:
                    owner = {"destination_service_namespace": "ml", "destination_service_name": "m-s"}
                    name = {"__name__": "istio_requests_total", "instance": f"gw-{replica}", "response_code": code}
                    yield Series({**name, **owner}, samples)


class Desk:
    """What asks for the past of rollouts whose stable was alone for so many seconds before now."""

    def __init__(self, *, alone: float = 2 * DAY, **archive: float) -> None:
        self.clock = VirtualClock()
        self.archive = Archive(self.clock, **archive)  # type: ignore[arg-type]
        self.presets = Presets(self.archive, self.clock, {})
        self.pasts = Pasts(self.archive, self.clock, self.presets)
        analysis = policy_of(spec(analysis={"metrics": [ERROR_RATE], "interval": "5s", "mode": "Sequential"})).analysis
        now, arms = self.clock.now(), (Arm("ml", "m", "c", "m-c"), Arm("ml", "m", "s", "m-s"))
        span = ((now - alone, now),) if alone else ()
        self.watch = Watch(Key("ml", "m"), "uid", *arms, analysis, None, stable_version="42", alone=span)

    async def past(self, watch: Watch | None = None) -> Past | None:
        watch = watch or self.watch
        await self.presets.ask([watch])
        self.pasts.begin([watch])
        for _ in range(5000):
            await asyncio.sleep(0)
            if self.pasts.of(watch) is not None:
                break
        return self.pasts.of(watch)


async def test_a_day_is_read_at_most_from_the_newest_end() -> None:
    """In stretches that follow each other without a gap."""
    desk = Desk()
    past = await desk.past()
    assert past is not None
    assert past.learnt
    assert past.seconds == pytest.approx(LONGEST_PAST_S, rel=0.01)
    ends = [end for _, end in desk.archive.asked]
    assert ends == sorted(ends, reverse=True)
    assert max(ends) - min(start for start, _ in desk.archive.asked) <= LONGEST_PAST_S + LONGEST_STRETCH_S
    assert all(start <= end for (start, _), (_, end) in zip(desk.archive.asked, desk.archive.asked[1:], strict=False))


async def test_as_far_as_the_source_has_it() -> None:
    """It keeps two hours."""
    past = await Desk(age=7200.0).past()
    assert past is not None
    assert past.seconds == pytest.approx(7200.0, rel=0.05)
    assert past.learnt


async def test_only_while_stable_was_alone() -> None:
    """Before that it was a canary itself."""
    desk = Desk(alone=5400.0)
    past = await desk.past()
    assert past is not None
    assert past.seconds == pytest.approx(5400.0, rel=0.02)


@pytest.mark.parametrize("replicas", [1, 40, 300])
async def test_no_answer_is_large_and_neither_is_their_sum(replicas: int) -> None:
    """A busy mesh has a shorter past, in shorter stretches; one scrape of all of it is the least that there is."""
    desk = Desk(replicas=replicas)
    await desk.past()
    least = 2 * replicas * (SHORTEST_STRETCH_S + 2 * SCRAPE) / SCRAPE
    assert max(desk.archive.samples[1:], default=0) <= max(2 * STRETCH_SAMPLES, 2 * least)
    assert sum(desk.archive.samples) <= MOST_SAMPLES + 2 * max(desk.archive.samples)


async def test_a_rollout_is_asked_about_once() -> None:
    """Each look begins what has not begun."""
    desk = Desk(alone=3600.0)
    await desk.past()
    asked = len(desk.archive.asked)
    await desk.past()
    assert len(desk.archive.asked) == asked


@pytest.mark.parametrize(
    "changes",
    [{"calibrated": True}, {"stable": None}, {"analysis": policy_of(spec()).analysis}],
    ids=["the evidence knows it", "no stable", "no test"],
)
async def test_nobody_asks_for_what_nobody_would_learn_from(changes: dict[str, object]) -> None:
    """A restarted operator has the evidence; Threshold mode has no test."""
    desk = Desk(alone=3600.0)
    desk.pasts.begin([replace(desk.watch, **changes)])  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert desk.archive.asked == []


async def test_a_refusal_is_the_reason() -> None:
    """In the source's own words, for people to read."""
    desk = Desk()
    desk.archive.failure = NoAnswer(Failure.REFUSED, "HTTP 422: too many samples")
    assert await desk.past() == Past("42", problem="HTTP 422: too many samples")
    assert len(desk.archive.asked) == 1


async def test_a_slow_source_is_asked_for_a_minute() -> None:
    """What has come by then counts."""
    desk = Desk()
    desk.archive.took = 10.0
    past = await desk.past()
    assert past is not None
    assert past.problem == f"no more of it was read within {LONGEST_ASKING_S:.0f} s"
    assert past.seconds > 3600.0
    assert past.learnt


async def test_a_stable_that_never_was_alone_has_no_past() -> None:
    """Nothing is asked."""
    desk = Desk(alone=0.0)
    assert await desk.past() == Past("42", problem="version 42 has never had all requests to itself")
    assert desk.archive.asked == []


async def test_many_rollouts_take_turns() -> None:
    """Of a source's places one at most is taken from the looks."""
    desk = Desk(alone=3600.0)
    others = [replace(desk.watch, rollout=f"uid-{number}") for number in range(5)]
    await desk.presets.ask(others)
    desk.pasts.begin(others)
    await desk.past(others[-1])
    assert desk.archive.most_under_way == 1


async def test_a_thousand_rollouts_leave_the_process_to_the_looks() -> None:
    """Between two stretches there is a pause as long as three of them."""
    desk = Desk(alone=3600.0)
    others = [replace(desk.watch, rollout=f"uid-{number}") for number in range(FEW + 2)]
    await desk.presets.ask(others)
    desk.pasts.begin(others)
    for number in range(3):
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(desk.archive.asked) == number + 1
        desk.clock.move(CROWD_PAUSE_S)
    await desk.pasts.close()


async def test_what_is_forgotten_is_not_asked_any_further() -> None:
    """The rollout has ended."""
    desk = Desk()
    await desk.presets.ask([desk.watch])
    desk.pasts.begin([desk.watch])
    await asyncio.sleep(0)
    desk.pasts.forget(desk.watch)
    for _ in range(50):
        await asyncio.sleep(0)
    assert desk.pasts.of(desk.watch) is None
    assert len(desk.archive.asked) <= 1


SALES = {
    "name": "sales",
    "query": 'sales{modeldeployment="{{name}}", revision="{{revision}}"}[{{window}}]',
    "thresholdRange": {"min": "1"},
}


def selling(desk: Desk, *metrics: dict[str, object]) -> Watch:
    """Watch numbers of the team's own, too."""
    analysis = policy_of(spec(analysis={"metrics": [ERROR_RATE, *metrics], "mode": "Sequential"})).analysis
    return replace(desk.watch, analysis=analysis)


def sold(*values: float) -> tuple[Series, ...]:
    return (Series({}, tuple((60.0 * at, value) for at, value in enumerate(values))),)


async def test_a_number_of_the_teams_own_is_asked_over_time() -> None:
    """One value for each time that it covers, of half a day, in the name of its namespace."""
    desk = Desk()
    desk.archive.sold = sold(*(40.0 + at % 31 for at in range(720)))
    past = await desk.past(selling(desk, SALES))
    assert past is not None
    query = '(sales{modeldeployment="m", revision="s"}[60s])[43200s:60s]'
    assert desk.archive.numbers == [(query, desk.clock.now(), "ml")]
    assert set(past.lessons) == {"error-rate", "sales"}


@pytest.mark.parametrize("found", [(), (*sold(1.0), *sold(2.0)), sold(1.0, 2.0)], ids=["none", "two series", "two"])
async def test_a_number_without_a_past_is_judged_without_it(found: tuple[Series, ...]) -> None:
    """What the counters have taught stands."""
    desk = Desk()
    desk.archive.sold = found
    past = await desk.past(selling(desk, SALES))
    assert past is not None
    assert set(past.lessons) == {"error-rate"}


@pytest.mark.parametrize(
    "metric",
    [
        pytest.param({**SALES, "query": "sales[5m]"}, id="without a baseline"),
        pytest.param({**SALES, "gating": False}, id="only watched"),
    ],
)
async def test_a_number_that_is_not_compared_is_not_asked_for(metric: dict[str, object]) -> None:
    """Nothing could be learnt from it."""
    desk = Desk()
    await desk.past(selling(desk, metric))
    assert desk.archive.numbers == []
