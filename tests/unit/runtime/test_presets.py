"""What is asked for the presets, and what an answer that is not as it should be means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from serinus.api.defaults import policy_of
from serinus.api.status import Verdict
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.scope import Scope
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.core.model.assessment import Measured, Missing, Observation, Reason
from serinus.core.model.identity import Key
from serinus.runtime.sampler import Sampler
from serinus.runtime.watch import Watch
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

LATENCY = {"name": "latency", "preset": "latency", "thresholdRange": {"max": "900ms"}}
OWN = {
    "name": "own",
    "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "1"},
}
TRITON = {**ERROR_RATE, "provider": "triton"}
KEY = Key("ml", "m")


class Store:
    """A Prometheus that gives one series of each Service, and what else it is told to."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.warnings: tuple[str, ...] = ()
        self.reporter = "istio-ingressgateway"
        self.on_question: Callable[[], object] = lambda: None
        self.more: list[dict[str, str]] = []

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: bool = False) -> MetricsAnswer:
        self.asked.append(query)
        self.on_question()
        now = self.clock.now()
        if not query.startswith("istio"):
            return SeriesSet((Series({}, ((now, now if query.startswith("max") else 0.1),)),), self.warnings)
        name = query.partition("{")[0]
        found = [_labels(name, service, self.reporter, le) for service in ("m-c", "m-s") for le in ("100", "+Inf")]
        samples = tuple((now - 9 + second, 10.0 * second) for second in range(10))
        return SeriesSet(tuple(Series({**labels}, samples) for labels in [*found, *self.more]), self.warnings)


def _labels(name: str, service: str, reporter: str, le: str) -> dict[str, str]:
    own = {"le": le} if name.endswith("_bucket") else {"response_code": "200"}
    owner = {"destination_service_namespace": "ml", "destination_service_name": service}
    return {"__name__": name, "reporter": "source", "source_workload": reporter, "instance": "gw", **owner, **own}


class Desk:
    def __init__(self, *metrics: dict[str, object], scope: Scope | None = None) -> None:
        self.clock = VirtualClock()
        self.store = Store(self.clock)
        scopes = {"default": scope} if scope else {}
        self.sampler = Sampler(self.store, self.clock, wake=lambda _: None, scopes=scopes)
        self.sampler.autostart = False
        analysis = policy_of(spec(analysis={"metrics": list(metrics), "interval": "1s"})).analysis
        canary, stable = Arm("ml", "m", "c", "m-c"), Arm("ml", "m", "s", "m-s")
        self.watch = Watch(KEY, "uid", canary, stable, analysis, None)
        self.sampler.watch(self.watch)

    async def seen(self, metric: str) -> Observation:
        await self.sampler.take_looks(1.0)
        look = self.sampler.look(KEY, "uid")
        assert look is not None
        return look.observations[metric]

    async def missing(self, metric: str) -> Missing:
        reading = (await self.seen(metric)).canary
        assert isinstance(reading, Missing), reading
        return reading


@pytest.mark.parametrize("metric", [ERROR_RATE, OWN], ids=["a-preset", "a-query-of-the-users-own"])
async def test_a_partial_answer_is_blind(metric: dict[str, object]) -> None:
    """What a store that did not answer holds may be just what matters."""
    desk = Desk(metric)
    desk.store.warnings = ("No StoreAPIs matched for this query",)
    missing = await desk.missing(str(metric["name"]))
    assert missing.reason is Reason.PARTIAL_ANSWER
    assert "No StoreAPIs" in missing.message


@pytest.mark.parametrize(
    "remark", ["PromQL info: metric might not be a counter", "PromQL warning: quantile value should be between 0 and 1"]
)
async def test_a_remark_on_the_query_leaves_nothing_out(remark: str) -> None:
    """The answer is whole."""
    desk = Desk(ERROR_RATE)
    desk.store.warnings = (remark,)
    assert isinstance((await desk.seen("error-rate")).canary, Measured)


async def test_a_partial_answer_proves_no_series_new() -> None:
    """What it left out comes back with all that it had counted."""
    desk = Desk(ERROR_RATE)
    desk.store.warnings = ("receive series from store-1: timed out",)
    await desk.seen("error-rate")
    desk.store.warnings = ()
    desk.clock.move(1.0)
    reading = (await desk.seen("error-rate")).canary
    assert isinstance(reading, Measured)
    assert reading.samples == 90


async def test_one_malformed_label_costs_nobody_a_look() -> None:
    """Neither the rollout whose Service it names nor any other."""
    desk = Desk(ERROR_RATE, LATENCY)
    bad = _labels("istio_request_duration_milliseconds_bucket", "m-c", "istio-ingressgateway", "ten")
    desk.store.more = [bad, {**bad, "le": "NaN"}, {"__name__": "istio_request_duration_milliseconds_bucket"}]
    for name in ("error-rate", "latency"):
        assert isinstance((await desk.seen(name)).canary, Measured)


async def test_copies_that_end_while_a_round_is_under_way_cost_nobody_a_look() -> None:
    """What counts from then on has not been asked yet: the next look says more."""
    desk = Desk(ERROR_RATE)
    copied = replace(desk.watch, mirrored=True)
    other = replace(copied, key=Key("ml", "o"), rollout="other", canary=Arm("ml", "o", "c", "o-c"))
    desk.sampler.watch(copied)
    desk.sampler.watch(other)
    desk.store.on_question = lambda: desk.sampler.watch(desk.watch)
    missing = await desk.missing("error-rate")
    assert (missing.verdict, missing.reason) == (Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA)
    assert desk.sampler.look(other.key, other.rollout) is not None
    assert isinstance((await desk.seen("error-rate")).canary, Measured)


async def test_several_clusters_are_blind_and_the_matcher_is_named() -> None:
    """Nobody's errors of elsewhere revert anything."""
    desk = Desk(ERROR_RATE)
    labels = _labels("istio_requests_total", "m-c", "istio-ingressgateway", "")
    desk.store.more = [{**labels, "cluster": name, "instance": name} for name in ("prod", "staging")]
    missing = await desk.missing("error-rate")
    assert missing.reason is Reason.SEVERAL_SERIES
    assert 'cluster="prod"' in missing.message


async def test_a_gateway_that_is_not_configured_is_named() -> None:
    """Else nobody would know why no request counts."""
    desk = Desk(ERROR_RATE)
    desk.store.reporter = "edge"
    missing = await desk.missing("error-rate")
    assert missing.reason is Reason.NO_TRAFFIC
    assert "those of edge do not count" in missing.message


@pytest.mark.parametrize(
    ("metric", "scope", "question"),
    [
        pytest.param(
            ERROR_RATE,
            Scope(gateways=("infra/edge-*",), matchers=('cluster="prod"',)),
            'max(timestamp(up{pod=~"(edge-.*)-.+",cluster="prod"}) or timestamp(istio_requests_total'
            '{reporter="source",source_workload=~"edge-.*",cluster="prod"}))',
            id="gateways",
        ),
        pytest.param(TRITON, Scope(), 'max(timestamp(up{namespace=~"ml"}))', id="pods"),
        pytest.param(ERROR_RATE, Scope(targets='up{job="x"}'), 'max(timestamp(up{job="x"}))', id="as-configured"),
    ],
)
async def test_the_newest_scrape_is_asked_of_our_targets_alone(
    metric: dict[str, object], scope: Scope, question: str
) -> None:
    """A store of many clusters has a million others."""
    desk = Desk(metric, scope=scope)
    await desk.sampler.take_looks(1.0)
    assert [query for query in desk.store.asked if query.startswith("max")] == [question]


async def test_a_sources_matchers_are_on_every_presets_query() -> None:
    """Requests, buckets, and Triton's counters, the newest scrapes and their number."""
    desk = Desk(ERROR_RATE, LATENCY, {**TRITON, "name": "pods"}, scope=Scope(matchers=('cluster="prod"',)))
    await desk.sampler.take_looks(1.0)
    assert len(desk.store.asked) == 6
    assert all('cluster="prod"' in query for query in desk.store.asked)
