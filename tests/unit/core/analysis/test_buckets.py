"""Histograms of two layouts are not compared, and what differs is said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from serinus.api.canary import Pace
from serinus.api.policy import Metric, Preset, ThresholdRange
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.buckets import buckets_apart
from serinus.core.analysis.exposition import read_istio
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.tally import Tallies
from serinus.core.model.assessment import AnalysisState, Assessment, Measured, Reason
from tests.unit.core.analysis.test_comparison import ERRORS, LATENCY, STAGE, look, policy
from tests.unit.core.analysis.test_increments import CANARY, STABLE, istio

OLD, NEW = (0.01, 0.05, 0.1), (0.01, 0.025, 0.05, 0.075, 0.1)
APART = buckets_apart((*NEW, math.inf), (*OLD, math.inf))


@pytest.mark.parametrize(
    ("canary", "stable", "said"),
    [
        pytest.param(NEW, OLD, "the canary has buckets at 25ms and 75ms that stable has not", id="finer"),
        pytest.param(OLD, NEW, "stable has buckets at 25ms and 75ms that the canary has not", id="coarser"),
        pytest.param(
            (0.01, 0.2),
            (0.01, 0.1),
            "the canary has a bucket at 200ms that stable has not, and stable has a bucket at 100ms that the canary",
            id="moved",
        ),
        pytest.param(
            (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07), (0.01,), "20ms, 30ms, 40ms, 50ms and 2 more", id="many"
        ),
        pytest.param((0.01, math.inf), (0.01,), "a bucket at +Inf", id="no-last-one"),
    ],
)
def test_bounds_that_differ_are_named(canary: tuple[float, ...], stable: tuple[float, ...], said: str) -> None:
    """Whoever changed the buckets sees what to change back, or how to go on without them."""
    text = buckets_apart(canary, stable)
    assert said in text
    assert text.endswith("give both the same buckets, or set `gating: false` for this metric")


@pytest.mark.parametrize(
    ("canary", "stable"), [(OLD, OLD), ((), OLD), (OLD, ())], ids=["same", "no-canary", "no-stable"]
)
def test_a_revision_without_a_histogram_disagrees_with_nobody(
    canary: tuple[float, ...], stable: tuple[float, ...]
) -> None:
    """It has had no traffic yet."""
    assert buckets_apart(canary, stable) == ""


def test_increments_of_two_layouts_are_not_given() -> None:
    """Missing bounds would be taken for empty buckets."""
    metric = Metric(name="p99", preset=Preset.LATENCY, threshold_range=ThresholdRange(max="1s"))
    tallies = Tallies(read_istio, keep_s=60)
    answer = [istio("fraud-b", 0, 2, le="25"), istio("fraud-a", 0, 2, le="50")]
    answer += [istio(service, 0, 6, le="+Inf") for service in ("fraud-a", "fraud-b")]
    tallies.ingest(answer, [CANARY, STABLE], now=2.0)
    assert preset_increments(metric, tallies, CANARY, STABLE, (0.0, 99.0)) == ((), ())


def test_buckets_of_a_pod_that_is_gone_are_forgotten() -> None:
    """A gateway that was replaced in mid-rollout holds nobody for ever."""
    tallies = Tallies(read_istio, keep_s=600)
    tallies.ingest([istio("fraud-a", 0, 2, le="25"), istio("fraud-a", 0, 2, le="+Inf")], [STABLE], now=2.0)
    later = istio("fraud-a", 0, 5, le="+Inf")
    tallies.ingest([replace(later, samples=((300.0, 9.0),))], [STABLE], now=300.0)
    assert tallies.bounds(STABLE) == {math.inf}


def judged(weight: int = 10, *, apart_from: int = 1, slow: bool = False, **metric: object) -> Assessment:
    """Look at errors and latency each second; from one look on the histograms are of two layouts."""
    analysis = policy(ERRORS, {**LATENCY, **metric})
    known, stage = AnalysisState(), replace(STAGE, weight=weight, next_weight=min(100, weight + 40))
    for at in range(1, 40):
        seen = look(at, names=("errors", "p99"))
        if at >= apart_from:
            reading = Measured(30.0 if slow else 0.4, 100.0 * at, at)
            apart = replace(seen.observations["p99"], canary=reading, increments=(), bounds=(), incomparable=APART)
            seen = replace(seen, observations={**seen.observations, "p99": apart})
        known, assessment = assess(seen, known, stage, analysis, seen.at, pace=Pace.TIMED)
        if assessment.verdict is Verdict.UNSAFE:
            break
    return assessment


@pytest.mark.parametrize("apart_from", [1, 20], ids=["from-the-start", "in-mid-rollout"])
def test_a_gating_latency_that_cannot_be_compared_holds(apart_from: int) -> None:
    """Equal latencies in other buckets were reverted; not to know is no pass either."""
    assessment = judged(apart_from=apart_from)
    assert (assessment.verdict, assessment.reason) == (Verdict.UNDECIDED, Reason.NOT_COMPARABLE)
    assert assessment.message == f"p99 cannot be compared: {APART}"


def test_a_watched_latency_that_cannot_be_compared_holds_nobody() -> None:
    """That is what the message offers."""
    assert judged(gating=False).verdict is Verdict.SAFE


def test_the_limit_stands_whatever_the_buckets_are() -> None:
    """It needs no stable to compare with."""
    assessment = judged(slow=True)
    assert (assessment.verdict, assessment.reason) == (Verdict.UNSAFE, Reason.LIMIT_EXCEEDED)


def test_at_full_weight_nothing_is_compared() -> None:
    """There is nothing to hold: the limits alone judge."""
    assert judged(weight=100).reason is not Reason.NOT_COMPARABLE
