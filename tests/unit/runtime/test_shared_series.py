"""The series of all rollouts of a group, asked for together: what is kept of them, for how long, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from serinus.api.policy import Provider
from serinus.core.analysis.promql import Arm, SeriesKind
from serinus.core.analysis.scope import Scope
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.runtime.groups import Group
from serinus.runtime.shared_series import PAST_AT_ONCE, SharedSeries
from serinus.runtime.source_times import SourceTimes
from tests.support.world.clock import START, VirtualClock

ARM = Arm("ml", "m", "c", "m-c")
REACH_S = 300.0


class Store:
    """Prometheus servers that have scraped one Service each second, ten requests each; `hanging` ones never answer."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.hanging: set[str] = set()
        self.away = False

    def names(self) -> tuple[str, ...]:
        return ("a", "b")

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        if source in self.hanging:
            await asyncio.Event().wait()
        if self.away:
            return NoAnswer(Failure.UNREACHABLE, "refused")
        now, reach = self.clock.now(), float(query.partition("[")[2].partition("s]")[0])
        times = [float(second) for second in range(int(now - reach) + 1, int(now) + 1)]
        labels = {"destination_service_namespace": "ml", "destination_service_name": ARM.service}
        labels |= {"__name__": "istio_requests_total", "reporter": "source", "source_workload": "istio-ingressgateway"}
        samples = tuple((at, 10.0 * (at - START + 1000)) for at in times)
        return SeriesSet((Series({**labels, "response_code": "200", "instance": "gw"}, samples),))


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = Store(self.clock)
        self.series = SharedSeries(SeriesKind.COUNTERS, self.store, self.clock, SourceTimes())

    @staticmethod
    def group(source: str = "a") -> Group:
        return Group(source, Provider.ISTIO, 5.0, Scope())

    async def ask(self, group: Group) -> None:
        asked = self.series.asked(group, [ARM], REACH_S)
        await self.series.take(asked, await self.series.answers(asked))

    def requests(self, group: Group) -> float:
        tallies = self.series.of(group)
        assert tallies is not None
        return tallies.totals(group.owner(ARM), self.clock.now() - 200.0).requests


async def test_a_source_that_hangs_holds_up_no_other() -> None:
    """The past of its rollouts is waited for beside that of the others."""
    desk = Desk()
    desk.store.hanging = {"a"}
    hung = [asyncio.create_task(desk.ask(desk.group("a"))) for _ in range(PAST_AT_ONCE + 1)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await desk.ask(desk.group("b"))
    assert desk.requests(desk.group("b")) == 2000
    for one in hung:
        one.cancel()
    await asyncio.gather(*hung, return_exceptions=True)


@pytest.mark.parametrize("away", [True, False], ids=["its-source-is-away", "nobody-asks"])
async def test_who_is_watched_is_not_forgotten(away: bool) -> None:
    """What is known is never asked for again: three minutes of a window are none too many."""
    desk, group = Desk(), Desk.group()
    await desk.ask(group)
    for _ in range(20):
        desk.clock.move(5.0)
        desk.store.away = away
        if away:
            await desk.ask(group)
    desk.store.away = False
    await desk.ask(group)
    assert desk.requests(group) == 2000


async def test_who_is_watched_no_more_is_read_again_from_the_beginning() -> None:
    """It is forgotten after a minute, and so is up to when it was known."""
    desk, group = Desk(), Desk.group()
    await desk.ask(group)
    desk.series.forget(group, [])
    desk.clock.move(100.0)
    desk.series.asked(group, [], REACH_S)
    assert desk.requests(group) == 0
    await desk.ask(group)
    assert desk.requests(group) == 2000


async def test_a_group_that_is_dropped_leaves_nothing() -> None:
    """Also one whose last answer has come after its increments were dropped."""
    desk, group = Desk(), Desk.group()
    desk.store.away = True
    await desk.ask(group)
    desk.series._tallies.clear()
    desk.series.keep([])
    assert not desk.series._failures
    assert not desk.series._known_until
