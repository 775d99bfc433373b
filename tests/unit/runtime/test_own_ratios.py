"""A Ratio's two queries: asked once an arm, counted from look to look, and read over the metric's window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.assessment import Measured, Missing, Observation, Reason
from serinus.core.model.identity import Key
from serinus.runtime.own_queries import OwnQueries
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import spec

REJECTED: dict[str, Any] = {
    "name": "rejected",
    "type": "Ratio",
    "query": 'rejected_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "of": 'scored_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "5%"},
}
CANARY, STABLE = Arm("ml", "m", "c", "m-c"), Arm("ml", "m", "s", "m-s")


class Application:
    """The port `Metrics`: each version has scored ten more each second; a tenth of the canary's were rejected."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.began = clock.now()
        self.asked: list[str] = []
        self.refused = ""

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        self.asked.append(query)
        if self.refused and self.refused in query:
            return NoAnswer(Failure.UNREACHABLE, "connection refused")
        scored = 10.0 * (self.clock.now() - self.began)
        rejected = scored / 10.0 if '"c"' in query else 0.0
        value = rejected if query.startswith("rejected") else scored
        return SeriesSet((Series({}, ((self.clock.now(), value),)),))


class Desk:
    def __init__(self, metric: dict[str, Any] | None = None, **watched: Any) -> None:
        self.clock = VirtualClock()
        self.application = Application(self.clock)
        self.queries = OwnQueries(self.application, self.clock)
        analysis = policy_of(spec(analysis={"metrics": [metric or REJECTED], "interval": "5s"})).analysis
        self.watch = Watch(Key("ml", "m"), "uid", CANARY, STABLE, analysis, None)
        self.watch = replace(self.watch, **{name: self.clock.now() + at for name, at in watched.items()})

    async def look(self, times: int = 1, *, scraped: float | None = 5.0) -> Observation:
        """Look every five seconds, and give what the last look says."""
        (metric,) = self.watch.analysis.metrics
        for _ in range(times):
            self.clock.move(5.0)
            await self.queries.ask([self.watch], {"uid": scraped})
            seen = self.queries.observe(self.watch, metric, {"c": None, "s": None})
        return seen


async def test_each_revision_is_asked_both_queries() -> None:
    """With its own hash in both, and the record has both as they were asked of the canary."""
    desk = Desk()
    seen = await desk.look()
    assert sorted(desk.application.asked) == [
        'rejected_total{modeldeployment="m", revision="c"}',
        'rejected_total{modeldeployment="m", revision="s"}',
        'scored_total{modeldeployment="m", revision="c"}',
        'scored_total{modeldeployment="m", revision="s"}',
    ]
    assert (
        seen.query
        == 'rejected_total{modeldeployment="m", revision="c"} ; scored_total{modeldeployment="m", revision="c"}'
    )


async def test_queries_that_tell_no_revisions_apart_are_asked_once() -> None:
    """There is no baseline then, and nothing to compare."""
    desk = Desk({**REJECTED, "query": "rejected_total", "of": "scored_total"}, since=0.0)
    seen = await desk.look(3)
    assert desk.application.asked[:2] == ["rejected_total", "scored_total"]
    assert isinstance(seen.canary, Measured)
    assert (seen.stable, seen.increments) == (None, ())


async def test_both_revisions_have_a_share() -> None:
    """And what each look has added is compared."""
    seen = await Desk(since=0.0).look(4)
    assert isinstance(seen.canary, Measured)
    assert isinstance(seen.stable, Measured)
    assert (seen.canary.value, seen.canary.samples) == (pytest.approx(0.1), 150.0)
    assert (seen.stable.value, seen.stable.samples) == (0.0, 150.0)
    assert [(one.canary, one.stable) for one in seen.increments] == [((50.0, 5.0), (50.0, 0.0))] * 3


@pytest.mark.parametrize(
    ("window", "scraped", "samples"),
    [
        pytest.param(None, 5.0, 600.0, id="a minute"),
        pytest.param("30s", 5.0, 300.0, id="as the metric says"),
        pytest.param("30s", 20.0, 600.0, id="three scrapes at least"),
        pytest.param(None, None, 600.0, id="how often is scraped is not known"),
    ],
)
async def test_a_share_is_taken_over_the_window(window: str | None, scraped: float | None, samples: float) -> None:
    """Of all looks those that lie in it."""
    desk = Desk({**REJECTED, **({"window": window} if window else {})}, since=0.0)
    seen = await desk.look(40, scraped=scraped)
    assert seen.canary.samples == samples


async def test_a_share_is_of_the_stage() -> None:
    """What came before is not taken in, and a look that began before is not compared."""
    seen = await Desk(since=12.0).look(5)
    assert seen.canary.samples == 150.0
    assert [round(one.at - seen.increments[0].at) for one in seen.increments] == [0, 5]


async def test_a_canary_that_came_back_is_counted_from_the_second_scrape_on() -> None:
    """What its counters show first may be of before."""
    early, later = Desk(since=0.0, back_since=12.0), Desk(since=0.0, back_since=12.0)
    nothing = (await early.look(4)).canary
    assert isinstance(nothing, Missing)
    assert nothing.reason is Reason.INSUFFICIENT_DATA
    seen = await later.look(6)
    assert seen.canary.samples == 100.0
    assert len(seen.increments) == 2


async def test_before_the_first_weight_nothing_is_compared() -> None:
    """The counters are read, so that the first look with weight can count."""
    seen = await Desk().look(3)
    assert seen.increments == ()


async def test_one_query_without_an_answer_blinds_the_metric() -> None:
    """And is named; when it is back the counters tell what came meanwhile, but not of stable over the same time."""
    desk = Desk(since=0.0)
    await desk.look(3)
    desk.application.refused = 'scored_total{modeldeployment="m", revision="c"}'
    blind = (await desk.look()).canary
    assert isinstance(blind, Missing)
    assert (blind.reason, blind.message) == (Reason.UNREACHABLE, "of: connection refused")
    desk.application.refused = ""
    seen = await desk.look()
    assert seen.canary.samples == 200.0
    assert (await desk.look()).increments[-1].canary == (50.0, 5.0)


async def test_what_is_asked_of_a_rollout_that_is_over_is_forgotten() -> None:
    """The next one counts from its own first look."""
    desk = Desk(since=0.0)
    await desk.look(3)
    desk.queries.forget(desk.watch)
    assert isinstance((await desk.look()).canary, Missing)
