"""From the raw series of stable's past to what they teach."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.judging import ClientErrors, Mode
from serinus.api.policy import Analysis, Metric, Preset, Provider, ThresholdRange
from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor
from serinus.core.analysis.exposition import READERS, Owner
from serinus.core.analysis.past import CountedMetric, PastReader, longest_over
from serinus.core.analysis.past_words import calibration_words, parse_past, render_past
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from serinus.core.model.past import Past

ISTIO, TRITON = ("ml", "fraud-a"), ("ml", "a")
FIVE_PERCENT = ThresholdRange(max="5%")
ERRORS = Metric(name="errors", preset=Preset.ERROR_RATE, threshold_range=FIVE_PERCENT, client_errors=ClientErrors.COUNT)
LATENCY = Metric(name="p99", preset=Preset.LATENCY, quantile="0.99", threshold_range=ThresholdRange(max="1s"))
SCRAPE = 5.0
HOUR = 3600.0


def counter(rng: np.random.Generator, mean: float, seconds: float, **labels: str) -> Series:
    """A counter that grows by about `mean` a scrape, from second 0 on."""
    grown = np.cumsum(rng.poisson(mean, int(seconds / SCRAPE) + 1))
    return Series(labels, tuple((SCRAPE * at, float(value)) for at, value in enumerate(grown)))


def istio(code: str, instance: str = "gateway", name: str = "istio_requests_total", **labels: str) -> dict[str, str]:
    owner = {"destination_service_namespace": "ml", "destination_service_name": "fraud-a"}
    return {"__name__": name, **owner, "instance": instance, "response_code": code, **labels}


def gateway(seed: int, seconds: float = HOUR, *, errors: float = 3.0, replicas: int = 2) -> list[Series]:
    rng = np.random.default_rng(seed)
    return [
        counter(rng, mean, seconds, **istio(code, f"gateway-{replica}"))
        for replica in range(replicas)
        for code, mean in (("200", 500.0), ("500", errors))
        if mean
    ]


def counted(series: list[Series], *metrics: Metric, owner: Owner = ISTIO) -> list[CountedMetric]:
    tallies = Tallies(READERS[metrics[0].provider or Provider.ISTIO], keep_s=1e9)
    tallies.ingest(series, [owner], now=1e6)
    return [CountedMetric(metric, tallies, owner) for metric in metrics]


def reader(*metrics: Metric) -> PastReader:
    return PastReader(Analysis(mode=Mode.SEQUENTIAL, interval="1s", metrics=metrics), SCRAPE)


def learnt(series: list[Series], *metrics: Metric, seconds: float = HOUR, owner: Owner = ISTIO) -> Past:
    told = reader(*metrics)
    told.read(counted(series, *metrics, owner=owner), (0.0, seconds))
    return told.past("42")


def test_an_hour_of_a_gateway_teaches_by_its_counts_over_time() -> None:
    """Its replicas have the same pods behind them, and are no halves."""
    past = learnt(gateway(1), ERRORS)
    assert (past.seconds, past.by_pod, past.learnt, past.scant) == (HOUR, False, True, {})
    assert 1.0 <= 1.0 / past.lessons["errors"].calibration.inverse_bound()[0] < 5.0


def test_pods_of_triton_are_halves() -> None:
    """What equal pods do at the same time is the measure of noise."""
    rng, triton = np.random.default_rng(2), ERRORS.model_copy(update={"provider": Provider.TRITON})
    series = [
        counter(
            rng, mean, HOUR, __name__=f"nv_inference_request_{what}", namespace="ml", revision="a", pod=f"fraud-{pod}"
        )
        for pod in range(6)
        for what, mean in (("success", 200.0), ("failure", 2.0))
    ]
    past = learnt(series, triton, owner=TRITON)
    assert (past.by_pod, past.learnt) == (True, True)


def test_stretches_teach_what_their_whole_would() -> None:
    """They come newest first, and are joined before they are learnt."""
    series = gateway(3)
    whole, pieces = reader(ERRORS), reader(ERRORS)
    whole.read(counted(series, ERRORS), (0.0, HOUR))
    for until in np.arange(HOUR, 0.0, -300.0):
        pieces.read(counted(series, ERRORS), (float(until) - 300.0, float(until)))
    one, other = (told.past("42").lessons["errors"].calibration for told in (whole, pieces))
    assert one.to_dict() == other.to_dict()


def test_a_gap_between_two_stretches_joins_nothing() -> None:
    """What was shared with another rollout in between belongs to neither."""
    series, told = gateway(4, 3 * HOUR), reader(ERRORS)
    told.read(counted(series, ERRORS), (2 * HOUR, 3 * HOUR))
    told.read(counted(series, ERRORS), (0.0, HOUR))
    assert told.past("42").seconds == 2 * HOUR


def test_the_rate_that_is_expected_is_the_newest() -> None:
    """An hour ago there were ten times the errors."""
    told = reader(ERRORS)
    told.read(counted(gateway(5, errors=1.0), ERRORS), (0.0, HOUR))
    told.read(counted(gateway(6, errors=10.0), ERRORS), (-HOUR, 0.0))
    events, requests = told.past("42").lessons["errors"].calibration.rate_memory()
    assert events[0] / requests[0] == pytest.approx(0.002, rel=0.3)


@pytest.mark.parametrize(
    ("series", "seconds", "scant"),
    [
        pytest.param(gateway(7, 1800.0), 1800.0, {}, id="half an hour"),
        pytest.param(gateway(8, errors=0.0), HOUR, {"errors": 0.0}, id="no errors"),
        pytest.param([], 0.0, {}, id="no series"),
    ],
)
def test_too_little_teaches_nothing(series: list[Series], seconds: float, scant: dict[str, float]) -> None:
    """The conservative path stands, and the record can say why."""
    past = learnt(series, ERRORS, seconds=max(seconds, 1800.0))
    assert (past.learnt, dict(past.lessons), past.seconds, dict(past.scant)) == (False, {}, seconds, scant)


def buckets(bounds: tuple[str, ...], seed: int = 9) -> list[Series]:
    rng, name = np.random.default_rng(seed), "istio_request_duration_milliseconds_bucket"
    steps = [rng.poisson(mean, 721) for mean in (300.0, 100.0, 20.0, 5.0)]
    return [
        Series(
            istio("200", name=name, le=bound),
            tuple((SCRAPE * at, float(value)) for at, value in enumerate(np.cumsum(sum(steps[: place + 1])))),
        )
        for place, bound in enumerate(bounds)
    ]


def test_a_histogram_s_past_chooses_its_bounds_before_the_first_request() -> None:
    """Without it the first five hundred requests carry no evidence."""
    past = learnt([*gateway(10), *buckets(("100", "250", "500", "+Inf"))], ERRORS, LATENCY)
    config = MonitorConfig(metrics=(MetricConfig("p99", "latency", bounds_s=(0.1, 0.25, 0.5)),))
    told, untold = RolloutMonitor(config), RolloutMonitor(config)
    told.learn(past.lessons)
    for one, status in ((told, "Measuring"), (untold, "BurnIn")):
        one.start_stage(10, 50, 0.0)
        verdict = one.observe(5.0, {"p99": ((6, 3, 1, 0), (60, 30, 10, 0))})
        assert verdict.evidence["p99"].status == status


def test_a_past_in_other_buckets_teaches_nothing() -> None:
    """What was counted beyond 250 ms says nothing of 300 ms."""
    past = learnt(buckets(("100", "250", "500", "+Inf")), LATENCY)
    monitor = RolloutMonitor(MonitorConfig(metrics=(MetricConfig("p99", "latency", bounds_s=(0.1, 0.3, 0.5)),)))
    before = monitor.to_dict()
    monitor.learn(past.lessons)
    assert monitor.to_dict() == before


def test_older_buckets_that_were_others_are_left_out() -> None:
    """The newest stretch says which there are."""
    told = reader(LATENCY)
    told.read(counted(buckets(("100", "250", "500", "+Inf")), LATENCY), (0.0, HOUR))
    told.read(counted(buckets(("100", "300", "500", "+Inf")), LATENCY), (-HOUR, 0.0))
    assert told.past("42").lessons["p99"].bounds_s == (0.1, 0.25, 0.5)


def test_the_longest_outage_is_remembered() -> None:
    """Two minutes at half of all requests."""
    requests, events = np.full(720, 100.0), np.zeros(720)
    events[100:124] = 50.0
    events[300:306] = 50.0
    assert longest_over(requests, events, 0.05) == 24
    past = learnt(gateway(11, errors=60.0), ERRORS)
    assert past.outages["errors"] == pytest.approx(HOUR, abs=SCRAPE)


def monitor(interval: float = 5.0) -> RolloutMonitor:
    config = MonitorConfig(metrics=(MetricConfig("errors"), MetricConfig("other")), scrape_interval_s=interval)
    return RolloutMonitor(config)


def test_a_lesson_is_worth_the_history_it_was_taken_from() -> None:
    """To six digits, and only for its own metric."""
    rng = np.random.default_rng(12)
    requests, events = rng.poisson(1000, 720), rng.poisson(5, 720)
    lesson = Lesson((), SCRAPE)
    lesson.take(np.stack((requests, events), axis=1).astype(float))
    lesson.shorten()
    taught = monitor()
    taught.learn({"errors": lesson})
    given_arrays = RolloutMonitor(taught.config, history={"errors": (requests, events)})
    ours, theirs = (one._shares.calibration for one in (taught, given_arrays))
    assert ours.inverse_bound() == pytest.approx(theirs.inverse_bound(), rel=1e-5)
    assert ours.inverse_bound()[1] == 0.0


def test_a_lesson_in_other_cells_is_matched_by_their_length() -> None:
    """The source is scraped less often than was thought: a window of a minute is still a minute."""
    lesson = Lesson((), SCRAPE)
    rng = np.random.default_rng(13)
    lesson.take(np.stack((rng.poisson(1000, 720), rng.poisson(5, 720)), axis=1).astype(float))
    slower = monitor(interval=30.0)
    slower.learn({"errors": lesson})
    assert slower._shares.calibration.phi[0, -1] == pytest.approx(lesson.calibration.phi[0, -1])


def test_what_was_learnt_is_part_of_the_stored_evidence() -> None:
    """And it is small: three hundred bytes a stream."""
    bare, taught = monitor(), monitor()
    taught.learn(learnt(gateway(14), ERRORS).lessons)
    stored = json.dumps(taught.to_dict())
    again = RolloutMonitor.from_dict(json.loads(stored))
    assert again._shares.calibration.inverse_bound()[0] == taught._shares.calibration.inverse_bound()[0]
    assert len(stored) - len(json.dumps(bare.to_dict())) < 1500


KNOWN = Past("42", 6 * HOUR, learnt=True)


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (KNOWN, "calibrated on 6 h of version 42, its counts over time"),
        (dataclasses.replace(KNOWN, by_pod=True), "calibrated on 6 h of version 42, halves by pod"),
        (
            dataclasses.replace(KNOWN, scant={"errors/4xx": 3.0}),
            "calibrated on 6 h of version 42, its counts over time; "
            "too few events in it: errors/4xx has 3, 50 are needed",
        ),
        (
            Past("42", 6 * HOUR, scant={"errors": 3.0}),
            "not calibrated: 6 h of version 42 had too few events (errors has 3; 50 are needed)",
        ),
        (
            Past("42", 720.0),
            "not calibrated: only 12 min of version 42 serving alone are on record, 40 min are needed",
        ),
        (Past("42", problem="connection refused"), "not calibrated: connection refused"),
        (Past("42"), "not calibrated: the source has no history of version 42 serving alone"),
    ],
    ids=["counts", "pods", "one stream lacks", "all lack", "short", "failed", "none"],
)
def test_what_it_is_calibrated_on_is_one_phrase(past: Past, words: str) -> None:
    """It says what is missing, and how much of it there is."""
    assert calibration_words(past) == words


@given(
    st.builds(
        Past,
        version=st.text(max_size=20),
        seconds=st.floats(0, 86_400).map(lambda value: round(value, 1)),
        by_pod=st.booleans(),
        problem=st.text(max_size=40),
        learnt=st.booleans(),
        scant=st.dictionaries(st.text(max_size=9), st.floats(0, 49), max_size=3),
        outages=st.dictionaries(st.text(max_size=9), st.floats(0, 86_400), max_size=3),
    )
)
def test_what_is_kept_of_it_is_read_back(past: Past) -> None:
    """All but what it taught, which is in the evidence."""
    assert parse_past(json.loads(json.dumps(render_past(past)))) == past
