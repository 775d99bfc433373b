"""What vLLM's own series mean: how a request has ended, and the times of its tokens."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from serinus.api.defaults import default_metrics, filled_in
from serinus.api.judging import Mode
from serinus.api.pod_template import PodTemplate
from serinus.api.policy import Analysis, Metric, Preset, Provider, ThresholdRange
from serinus.api.runtime import Runtime, RuntimeType
from serinus.api.status import Verdict
from serinus.core.analysis.exposition import Count, Meaning, histogram_of, own_labels, read_server, reader_of
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.inflight import waiting
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.promql import Arm, preset_queries
from serinus.core.analysis.readings import observe_preset
from serinus.core.analysis.tally import LastSample, Tallies
from serinus.core.model.answers import Series
from serinus.core.model.assessment import Measured, Missing, Reason
from serinus.core.serving.openai import VLLM_COUNTERS
from serinus_local.token_server import REASONS, Counters

CANARY, STABLE = ("ml", "llm/bbbb"), ("ml", "llm/aaaa")
FIRST_TOKEN = Metric(name="first-token", preset=Preset.TIME_TO_FIRST_TOKEN, quantile="0.5")
ERRORS = Metric(
    name="stream-errors",
    preset=Preset.ERROR_RATE,
    provider=Provider.VLLM,
    threshold_range=ThresholdRange(max="5%"),
)


def _ended(reason: str) -> Mapping[str, str]:
    name = "vllm:request_success_total"
    return {"__name__": name, "namespace": "ml", "revision": "llm/bbbb", "finished_reason": reason, "engine": "0"}


@pytest.mark.parametrize(
    ("reason", "count", "code"),
    [
        ("stop", Count.SUCCESS, ""),
        ("length", Count.SUCCESS, ""),
        ("repetition", Count.SUCCESS, ""),
        ("error", Count.SERVER_ERROR, "vLLM error"),
        ("abort", Count.SERVER_ERROR, "vLLM abort"),
    ],
)
def test_a_stream_that_the_engine_ended_before_its_end_has_failed(reason: str, count: Count, code: str) -> None:
    """It began with 200. A caller who leaves is counted as nothing, so an abort is the server's own."""
    assert reader_of(Provider.VLLM)(_ended(reason)) == Meaning(CANARY, count, code=code)
    assert read_server(_ended(reason)) == Meaning(CANARY, count, code=code)


def test_the_small_server_of_the_tests_counts_by_the_same_names() -> None:
    """Every series that we ask for is one of its, reasons and buckets too."""
    said = Counters("llm").text()
    names = {line.partition("{")[0] for line in said.splitlines()}
    asked = {*VLLM_COUNTERS.requests.split("|"), VLLM_COUNTERS.pending, *VLLM_COUNTERS.histograms.values()}
    assert asked <= names
    assert VLLM_COUNTERS.broken_off < set(REASONS)


@pytest.mark.parametrize(
    ("preset", "histogram"),
    [
        (Preset.ERROR_RATE, ""),
        (Preset.LATENCY, "vllm:e2e_request_latency_seconds_bucket"),
        (Preset.TIME_TO_FIRST_TOKEN, "vllm:time_to_first_token_seconds_bucket"),
        (Preset.TIME_PER_OUTPUT_TOKEN, "vllm:request_time_per_output_token_seconds_bucket"),
    ],
)
def test_each_time_has_its_own_histogram(preset: Preset, histogram: str) -> None:
    """The same pod has several, whose buckets must not be added up."""
    metric = Metric(name="m", preset=preset, provider=Provider.VLLM, threshold_range=ThresholdRange(max="1"))
    assert histogram_of(metric) == histogram
    arm = Arm("ml", "llm", "bbbb", "llm-bbbb")
    (query,) = preset_queries(Provider.VLLM, [arm], seconds=5, latency=True, histogram=histogram)
    assert ("_bucket" in query) == bool(histogram)
    assert histogram in query
    for other in VLLM_COUNTERS.histograms.values():
        labels = {"__name__": other, "namespace": "ml", "revision": "llm/bbbb", "le": "0.25"}
        wanted = Meaning(CANARY, Count.SLOWER, bound_s=0.25) if other == histogram else None
        assert reader_of(Provider.VLLM, histogram)(labels) == wanted


def test_the_gateways_have_one_histogram_and_it_has_no_name() -> None:
    assert histogram_of(Metric(name="m", preset=Preset.LATENCY)) == ""


def test_how_a_request_ended_makes_another_counter_of_it() -> None:
    """One after the other they would be a counter that was reset."""
    assert own_labels(_ended("stop"))[0] != own_labels(_ended("error"))[0]


def _scraped(reasons: Mapping[str, int], times: Mapping[str, int], *, revision: str) -> list[Series]:
    """Give two samples of each counter: nothing, and what happened until five seconds later."""
    common = {"namespace": "ml", "revision": revision, "instance": revision, "engine": "0"}
    ended = [(dict(_ended(reason)), count) for reason, count in reasons.items()]
    name = "vllm:time_to_first_token_seconds_bucket"
    fast = [({"__name__": name, "le": bound}, count) for bound, count in times.items()]
    return [Series({**labels, **common}, ((100.0, 0.0), (105.0, float(count)))) for labels, count in [*ended, *fast]]


def _tallies(metric: Metric) -> Tallies:
    tallies = Tallies(reader_of(Provider.VLLM, histogram_of(metric)), keep_s=60)
    broken = _scraped({"stop": 30, "error": 10, "abort": 0}, {"0.1": 10, "1.0": 40, "+Inf": 40}, revision=CANARY[1])
    good = _scraped({"stop": 40, "error": 0, "abort": 0}, {"0.1": 40, "1.0": 40, "+Inf": 40}, revision=STABLE[1])
    tallies.ingest([*broken, *good], [CANARY, STABLE], 105.0)
    return tallies


def _value(metric: Metric) -> Measured:
    tallies, seen = _tallies(metric), LastSample(105.0, fresh=True)
    canary, stable = ((tallies.totals(owner, 0.0), seen) for owner in (CANARY, STABLE))
    found = observe_preset(metric, query="", canary=canary, stable=stable, targets_fresh=True).canary
    assert isinstance(found, Measured)
    return found


def test_errors_inside_streams_are_an_error_rate() -> None:
    found = _value(filled_in(Analysis(metrics=(ERRORS,))).metrics[0])
    assert (found.value, found.samples) == (0.25, 40)
    assert [(one.code, one.count) for one in found.errors] == [("vLLM error", 10)]


def test_the_time_to_the_first_token_is_a_quantile_of_its_histogram() -> None:
    """Both revisions' buckets are paired for the test, as any latency's."""
    metric = filled_in(Analysis(metrics=(FIRST_TOKEN,))).metrics[0]
    assert metric.provider is Provider.VLLM
    assert 0.1 < _value(metric).value < 1.0
    increments, bounds = preset_increments(metric, _tallies(metric), CANARY, STABLE, (100.0, 105.0))
    assert bounds == (0.1, 1.0)
    assert [increment.canary for increment in increments] == [(10.0, 30.0, 0.0)]


def test_what_waits_for_the_engine_waits_for_the_model() -> None:
    labels = {"__name__": VLLM_COUNTERS.pending, "namespace": "ml", "revision": "llm/bbbb", "model_name": "llm"}
    assert waiting([Series(labels, ((5.0, 3.0),))]) == {CANARY: {5.0: 3.0}}


@pytest.mark.parametrize("server", [None, RuntimeType.TRITON, RuntimeType.MLSERVER, RuntimeType.OPENAI])
def test_streams_are_watched_by_default_where_there_are_streams(server: RuntimeType | None) -> None:
    """Everything of it is compared with stable; for other servers nothing has changed."""
    metrics = default_metrics(Runtime(image="i", type=server))
    assert (metrics[0].name, metrics[0].counted_by) == ("error-rate", Provider.ISTIO)
    own = [metric.name for metric in metrics if metric.counted_by is Provider.VLLM]
    assert own == (["stream-errors", "first-token-p99", "per-token-p99"] if server is RuntimeType.OPENAI else [])
    assert filled_in(Analysis(mode=Mode.SEQUENTIAL, metrics=metrics)).metrics


def test_a_server_that_the_team_starts_is_watched_at_the_gateway_alone() -> None:
    """Nobody knows whether it has series of vLLM's: without them the weight would be held for ever."""
    started = Runtime(image="sglang:1", type=RuntimeType.OPENAI, pod_template=PodTemplate(command=("sglang",)))
    assert [(one.name, one.counted_by) for one in default_metrics(started)] == [("error-rate", Provider.ISTIO)]


@pytest.mark.parametrize(
    ("at_gateways", "reason", "says"),
    [
        pytest.param(37.0, Reason.NO_SERIES, "vLLM's counters show nothing, although 37 requests", id="another server"),
        pytest.param(0.0, Reason.NO_TRAFFIC, "no request has reached this revision yet", id="nobody asks"),
        pytest.param(None, Reason.NO_TRAFFIC, "vLLM's counters show no request to this revision yet", id="not known"),
    ],
)
def test_a_server_without_such_series_is_told_from_one_that_nobody_asks(
    at_gateways: float | None, reason: Reason, says: str
) -> None:
    """By what the gateways count; where none is asked, no more is said than is known."""
    metric = filled_in(Analysis(metrics=(FIRST_TOKEN,))).metrics[0]
    nothing = (Totals(), LastSample(None, fresh=False))
    seen = observe_preset(
        metric, query="", canary=nothing, stable=nothing, targets_fresh=True, at_gateways=at_gateways
    ).canary
    assert isinstance(seen, Missing)
    assert (seen.verdict, seen.reason) == (Verdict.UNDECIDED, reason)
    assert seen.message.startswith(says)


@pytest.mark.parametrize("provider", [Provider.ISTIO, Provider.TRITON, Provider.SIDECAR])
def test_no_gateway_counts_tokens(provider: Provider) -> None:
    with pytest.raises(ValueError, match="counts no tokens"):
        Metric(name="m", preset=Preset.TIME_TO_FIRST_TOKEN, provider=provider)
