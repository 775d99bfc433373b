"""Scrape by scrape: what the sequential test is fed with."""

from __future__ import annotations

import math

from serinus.api.policy import Metric, Preset, Provider, ThresholdRange
from serinus.core.analysis.exposition import read_istio, read_triton
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

CANARY, STABLE = ("ml", "fraud-b"), ("ml", "fraud-a")
ERRORS = Metric(name="errors", preset=Preset.ERROR_RATE, threshold_range=ThresholdRange(max="5%"))
LATENCY = Metric(name="p99", preset=Preset.LATENCY, threshold_range=ThresholdRange(max="1s"))


def istio(service: str, *values: float, code: str = "200", le: str | None = None) -> Series:
    """Scrapes of one series of the gateway, a second apart, from second 0."""
    name = "istio_requests_total" if le is None else "istio_request_duration_milliseconds_bucket"
    labels = {
        "__name__": name,
        "destination_service_namespace": "ml",
        "destination_service_name": service,
        "instance": "gateway",
        **({"response_code": code} if le is None else {"le": le}),
    }
    return Series(labels, tuple((float(at), value) for at, value in enumerate(values)))


def triton(pod: str, *values: float) -> Series:
    """Scrapes of one pod's successes."""
    labels = {"__name__": "nv_inference_request_success", "namespace": "ml", "revision": "a", "pod": pod}
    return Series(labels, tuple((float(at), value) for at, value in enumerate(values)))


def test_both_revisions_stand_side_by_side_at_each_scrape() -> None:
    """Requests, server errors, client errors."""
    tallies = Tallies(read_istio, keep_s=60)
    answer = [istio("fraud-b", 0, 1, 3), istio("fraud-b", 0, 0, 1, code="500"), istio("fraud-a", 10, 19, 37)]
    tallies.ingest(answer, [CANARY, STABLE], now=3.0)
    increments, bounds = preset_increments(ERRORS, tallies, CANARY, STABLE, (0.5, 99.0))
    assert [(one.at, one.canary, one.stable) for one in increments] == [
        (1.0, (1.0, 0.0, 0.0), (9.0, 0.0, 0.0)),
        (2.0, (3.0, 1.0, 0.0), (18.0, 0.0, 0.0)),
    ]
    assert bounds == ()


def test_what_was_taken_in_is_not_given_again() -> None:
    """A look after the last scrape that was taken in is empty."""
    tallies = Tallies(read_istio, keep_s=60)
    tallies.ingest([istio("fraud-b", 0, 1, 3)], [CANARY], now=3.0)
    assert preset_increments(ERRORS, tallies, CANARY, STABLE, (2.0, 99.0))[0] == ()


def test_a_histogram_is_given_as_answers_of_each_bucket() -> None:
    """Cumulative counts become differences; bounds are in seconds, without +Inf."""
    tallies = Tallies(read_istio, keep_s=60)
    answer = [istio("fraud-b", 0, 2, le="100"), istio("fraud-b", 0, 5, le="500"), istio("fraud-b", 0, 6, le="+Inf")]
    tallies.ingest(answer, [CANARY], now=2.0)
    increments, bounds = preset_increments(LATENCY, tallies, CANARY, STABLE, (0.0, 99.0))
    assert bounds == (0.1, 0.5)
    assert increments[0].canary == (2.0, 3.0, 1.0)
    assert not any(math.isinf(bound) for bound in bounds)


def test_the_halves_of_stables_pods_add_up_to_stable() -> None:
    """Triton's series are per pod: what equal pods do is the measure of noise."""
    tallies = Tallies(read_triton, keep_s=60)
    metric = ERRORS.model_copy(update={"provider": Provider.TRITON})
    pods = [triton(f"pod-{number}", 0, number) for number in range(1, 7)]
    tallies.ingest(pods, [("ml", "b"), ("ml", "a")], now=2.0)
    (increment,), _ = preset_increments(metric, tallies, ("ml", "b"), ("ml", "a"), (0.0, 99.0))
    assert increment.halves is not None
    one, other = increment.halves
    assert tuple(map(sum, zip(one, other, strict=True))) == increment.stable == (21.0, 0.0, 0.0)
    assert one[0] > 0
    assert other[0] > 0


def test_a_gateways_halves_would_say_nothing_of_pods() -> None:
    """Its series are not per pod."""
    tallies = Tallies(read_istio, keep_s=60)
    tallies.ingest([istio("fraud-a", 0, 9)], [STABLE], now=2.0)
    (increment,), _ = preset_increments(ERRORS, tallies, CANARY, STABLE, (0.0, 99.0))
    assert increment.halves is None
