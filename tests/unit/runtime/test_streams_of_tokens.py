"""A model server that counts its tokens: each preset of its reads its own histogram, out of one scrape."""

from __future__ import annotations

import re

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.core.model.assessment import Measured, Missing, Reading, Reason
from serinus.core.model.identity import Key
from serinus.runtime.sampler import Sampler
from serinus.runtime.watch import Watch
from serinus_local.token_server import Counters
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import spec

ERRORS = {"name": "stream-errors", "preset": "error-rate", "provider": "vllm", "thresholdRange": {"max": "5%"}}
FIRST = {"name": "first", "preset": "time-to-first-token", "quantile": "0.75", "thresholdRange": {"max": "1s"}}
EACH = {"name": "each", "preset": "time-per-output-token", "quantile": "0.75", "thresholdRange": {"max": "1s"}}
WHOLE = {"name": "whole", "preset": "latency", "provider": "vllm", "quantile": "0.75", "thresholdRange": {"max": "20s"}}
KEY = Key("ml", "llm")
LINE = re.compile(r"^(?P<name>[\w:]+)\{(?P<labels>.*)\} (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Store:
    """A Prometheus that has scraped two pods of the small server, when they began and again now."""

    def __init__(self, clock: VirtualClock, *, scraped: bool) -> None:
        self._clock = clock
        self._scraped = scraped
        self.asked: list[str] = []

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: bool = False) -> MetricsAnswer:
        self.asked.append(query)
        now = self._clock.now()
        if not self._scraped:
            return SeriesSet(())
        if query.startswith(("max(", "topk(")):
            return SeriesSet((Series({}, ((now, now if query.startswith("max") else 10.0),)),))
        names = set((re.search(r'__name__=~"([^"]*)"', query) or [""])[1].split("|"))
        return SeriesSet(tuple(one for arm in "cs" for one in _series(arm, now) if one.labels["__name__"] in names))


def _series(arm: str, now: float) -> list[Series]:
    """Give what a pod's own text says before and after forty answers, half of them slow; ten the engine broke off."""
    counters = Counters("llm")
    before = counters.text()
    for number in range(40):
        slow = 10.0 if number % 2 else 1.0
        counters.took("time_to_first_token", 0.03 * slow)
        counters.took("request_time_per_output_token", 0.003 * slow)
        counters.took("e2e_request_latency", 0.3 * slow)
        counters.ends("error" if arm == "c" and number % 4 == 0 else "stop")
    read = [[LINE.match(line) for line in text.splitlines()] for text in (before, counters.text())]
    where = {"namespace": "ml", "revision": arm, "modeldeployment": "llm", "instance": arm, "pod": f"llm-{arm}-1"}
    return [
        Series(
            {"__name__": old["name"], **dict(LABEL.findall(old["labels"])), **where},
            ((now - 5.0, float(old["value"])), (now, float(new["value"]))),
        )
        for old, new in zip(*read, strict=True)
        if old and new
    ]


async def _readings(*metrics: dict[str, object], scraped: bool = True) -> tuple[dict[str, Reading], Store]:
    clock = VirtualClock()
    store = Store(clock, scraped=scraped)
    sampler = Sampler(store, clock, wake=lambda _: None, scopes={})
    sampler.autostart = False
    analysis = policy_of(spec(analysis={"metrics": list(metrics), "interval": "1s"})).analysis
    canary, stable = Arm("ml", "llm", "c", "llm-c"), Arm("ml", "llm", "s", "llm-s")
    began = clock.now() - 60
    sampler.watch(Watch(KEY, "uid", canary, stable, analysis, began, cold_since=began - 600))
    await sampler.take_looks(1.0)
    look = sampler.look(KEY, "uid")
    assert look is not None
    return {name: seen.canary for name, seen in look.observations.items()}, store


async def test_each_preset_reads_its_own_histogram() -> None:
    """Buckets of two of them added up would be neither."""
    readings, _ = await _readings(ERRORS, FIRST, EACH, WHOLE)
    values = {name: reading.value for name, reading in readings.items() if isinstance(reading, Measured)}
    assert values == pytest.approx({"stream-errors": 0.25, "first": 0.375, "each": 0.03, "whole": 3.75})


async def test_only_what_is_read_is_asked_for() -> None:
    """An error rate needs no histogram, and a look at it none of the gateway's series."""
    _, store = await _readings(ERRORS)
    asked = [query for query in store.asked if "__name__" in query]
    assert asked
    assert not any("_bucket" in query or "istio" in query for query in store.asked)


@pytest.mark.parametrize("metric", [ERRORS, FIRST], ids=["errors", "a time"])
async def test_a_server_that_nobody_scrapes_is_blind(metric: dict[str, object]) -> None:
    """It is never taken for one without errors: the weight holds until it is scraped."""
    readings, _ = await _readings(metric, scraped=False)
    (reading,) = readings.values()
    assert isinstance(reading, Missing)
    assert reading.reason is Reason.TARGETS_ABSENT
