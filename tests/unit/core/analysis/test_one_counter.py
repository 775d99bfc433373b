"""A series is one counter, whoever reports it: never counted twice, and never as a new one with its whole history."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.exposition import read_istio, read_triton
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

OWNER = ("ml", "fraud-1")
Labels = dict[str, str]
GATEWAY: Labels = {
    "__name__": "istio_requests_total",
    "reporter": "source",
    "source_workload": "istio-ingressgateway",
    "destination_service_namespace": "ml",
    "destination_service_name": "fraud-1",
    "response_code": "200",
    "job": "istio",
    "instance": "10.0.0.7:15020",
}


def series(extra: Labels, *samples: tuple[float, float]) -> Series:
    labels = {label: value for label, value in {**GATEWAY, **extra}.items() if value}
    return Series(labels, samples)


def every(seconds: float, until: float, *, begin: float = 1000.0, rate: float = 20.0) -> list[tuple[float, float]]:
    """Samples of a counter that was at 5,000 at 1000 s and grows by `rate` a second."""
    count = int((until - begin) / seconds) + 1
    return [(begin + seconds * i, 5000 + rate * (begin + seconds * i - 1000)) for i in range(count)]


def counted(*answers: list[Series]) -> Totals:
    tallies = Tallies(read_istio, keep_s=3600)
    for answer in answers:
        tallies.ingest(answer, [OWNER], max(one.samples[-1][0] for one in answer))
    return tallies.totals(OWNER, 0)


DUPLICATES = [
    pytest.param([{"prometheus_replica": "a"}, {"prometheus_replica": "b"}], id="a-pair-of-prometheus"),
    pytest.param([{"replica": "0"}, {"replica": "1"}], id="replicas-by-another-name"),
    pytest.param([{"monitor": "a"}, {"monitor": "b"}], id="replicas-by-a-label-of-their-own"),
    pytest.param([{"job": "envoy-stats"}, {"job": "istio-ingress"}], id="two-jobs"),
    pytest.param([{"instance": "10.0.0.7:15020"}, {"instance": "10.0.0.7:15090"}], id="two-ports"),
    pytest.param([{"pod": "gw-1"}, {"pod": "gw-1", "instance": "gw.example:443"}], id="one-pod-by-two-addresses"),
    pytest.param([{"pod": "gw-1"}, {"job": "static"}], id="a-job-that-does-not-name-the-pod"),
    pytest.param([{"job": "static"}, {"pod": "gw-1"}], id="a-job-that-names-the-pod-later"),
    pytest.param([{"instance": "[fd00::7]:15020"}, {"instance": "[fd00::7]:15090"}], id="an-address-of-ipv6"),
]


@pytest.mark.parametrize("together", [True, False], ids=["in-one-answer", "one-after-the-other"])
@pytest.mark.parametrize("reporters", DUPLICATES)
def test_a_counter_that_two_report_is_counted_once(reporters: list[Labels], together: bool) -> None:
    """From 1000 to 1026 s, whoever saw what: 520 requests."""
    answer = [series(extra, *every(5, 1025 + j, begin=1000.0 + j)) for j, extra in enumerate(reporters)]
    assert counted(*([answer] if together else [[one] for one in answer])).requests == 520


@pytest.mark.parametrize("nonsense", [2.0**64, 9.1e18, 1e16, float("inf"), float("nan"), -1.0])
def test_a_sample_that_is_no_count_spoils_no_later_one(nonsense: float) -> None:
    """A number of an exporter's that has underflowed: what comes after it is counted to the last request."""
    tallies = Tallies(read_istio, keep_s=300)
    for second in range(1, 1000):
        samples = [(float(second), nonsense if second == 100 else 100.0 * second)]
        errors = [(float(second), 50.0 * max(0, second - 800))]
        tallies.ingest([series({}, *samples), series({"response_code": "500"}, *errors)], [OWNER], float(second))
        tallies.forget(float(second))
    newest = tallies.totals(OWNER, 939)
    assert (newest.success, newest.server_errors) == (6000, 3000)


def test_a_gap_of_one_reporter_is_filled_by_the_other() -> None:
    """A replica of Prometheus is restarted: nothing is lost, and nothing comes late."""
    a = series({"replica": "a"}, (1000, 0), (1005, 100))
    b = series({"replica": "b"}, (1001, 20), (1006, 120), (1011, 220), (1016, 320))
    assert counted([a, b]).requests == 320


def test_a_restart_that_both_reporters_saw_counts_once() -> None:
    """The one sees it first."""
    a = series({"replica": "a"}, (1000, 900), (1005, 950), (1010, 30), (1015, 80))
    b = series({"replica": "b"}, (1001, 910), (1006, 960), (1011, 40), (1016, 90))
    assert counted([a, b]).requests == 60 + 90
    assert counted([a], [b]).requests >= 50 + 80


def test_an_old_value_that_comes_late_is_no_restart() -> None:
    """A replica that lags behind shows what the other has counted before."""
    a = series({"replica": "a"}, (1000, 900), (1005, 950), (1010, 1000), (1015, 1050))
    b = series({"replica": "b"}, (1001, 890), (1006, 940), (1011, 990), (1016, 1040))
    assert counted([a, b]).requests == 150


RELABELLED = [
    pytest.param({}, {"node": "n1"}, id="a-label-is-added"),
    pytest.param({"node": "n1"}, {}, id="a-label-is-dropped"),
    pytest.param({}, {"source_cluster": "one"}, id="a-label-of-istios-is-added"),
    pytest.param({"source_principal": "spiffe://a", "connection_security_policy": "none"}, {}, id="istios-are-dropped"),
    pytest.param({"job": "a"}, {"job": "b", "instance": "10.0.0.7:15090"}, id="another-job"),
    pytest.param(
        {"__name__": "istio_request_duration_milliseconds_bucket", "response_code": "", "le": "1000"},
        {"__name__": "istio_request_duration_milliseconds_bucket", "response_code": "", "le": "1000.0"},
        id="a-bound-is-written-otherwise",
    ),
]


@pytest.mark.parametrize(("before", "after"), RELABELLED)
def test_a_counter_goes_on_under_other_labels(before: Labels, after: Labels) -> None:
    """Its history was somebody else's, and what is between the two series is counted."""
    old, new = every(5, 1025), every(5, 1050, begin=1030.0)
    totals = counted([series(before, *old)], [series(after, *new[:2])], [series(after, *new)])
    assert totals.requests + totals.slower.get(1.0, 0.0) == 1000


@pytest.mark.parametrize("offset", [0.1, 0.4, 7.0, 14.0])
@pytest.mark.parametrize("apart", [False, True], ids=["in-one-answer", "one-after-the-other"])
def test_samples_of_one_target_with_unlike_times_prove_nothing_new(offset: float, apart: bool) -> None:
    """Federation and collectors give each series a time of its own: old errors are not the canary's."""
    good = series({}, (1000.0, 5e6), (1015.0, 5e6 + 100))
    old = series({"response_code": "503"}, (1000.0 + offset, 20000), (1015.0 + offset, 20000))
    totals = counted(*([[good], [good, old]] if apart else [[good, old]]))
    assert (totals.server_errors, totals.success) == (0, 100)


def test_a_new_gateway_whose_series_have_unlike_times_is_a_baseline() -> None:
    """It comes in mid-flight, and has counted since long ago."""
    new = {"instance": "10.0.0.8:15020"}
    answers = [[series({}, *every(5, 1025))], [series(new, (1030.0, 7e5)), series({}, (1030.0, 5600))]]
    late = [series({**new, "response_code": "503"}, (1030.4, 300)), series(new, (1035.0, 7e5))]
    assert counted(*answers, late).server_errors == 0


def test_the_first_error_counts_in_full_where_times_are_unlike() -> None:
    """Its target had been scraped without it for longer than any jitter."""
    good = [series({}, *every(15, 1090))]
    bad = [series({}, (1105.0, 7100)), series({"response_code": "503"}, (1105.4, 12))]
    assert counted(good, bad).server_errors == 12


def test_a_counter_that_was_silent_for_long_is_no_new_one() -> None:
    """Its gateway was scraped all the while, and it comes back with all that it had counted."""
    tallies = Tallies(read_istio, keep_s=3600)
    tallies.ingest([series({}, (1000, 500)), series({"response_code": "503"}, (1000, 40))], [OWNER], 1000)
    for at in range(1005, 3000, 5):
        tallies.ingest([series({}, (at, 500))], [OWNER], at)
        tallies.forget(at)
    tallies.ingest([series({}, (3000, 500)), series({"response_code": "503"}, (3000, 41))], [OWNER], 3000)
    assert tallies.totals(OWNER, 0).server_errors == 1


def test_federated_series_of_two_gateways_are_two_counters() -> None:
    """`instance` is the Prometheus that passes both on."""
    passed = [{"instance": "prom:9090", "exported_instance": f"10.0.0.{i}:15020"} for i in (7, 8)]
    assert counted([series(extra, (1000, 0), (1005, 50)) for extra in passed]).requests == 100


def test_an_address_that_another_pod_had_is_another_counter() -> None:
    """Addresses are given away again: the new pod's requests begin at zero, and the old one's are not taken back."""
    first = [series({"pod": "gw-1"}, (1000, 500), (1005, 600))]
    second = [series({"pod": "gw-2"}, (1010, 700), (1015, 720))]
    assert counted(first, second).requests == 120


def test_pods_of_triton_are_told_apart() -> None:
    """By the pod, whatever scrapes them."""
    tallies = Tallies(read_triton, keep_s=600)
    labels = {"__name__": "nv_inference_request_success", "namespace": "ml", "revision": "a", "model": "m"}
    answer = [
        Series({**labels, "pod": pod, "job": job}, ((1.0 + j / 2, 0.0), (2.0 + j / 2, 10.0)))
        for pod in ("a-1", "a-2")
        for j, job in enumerate(("triton", "kube-pods"))
    ]
    tallies.ingest(answer, [("ml", "a")], 3.0)
    assert tallies.totals(("ml", "a"), 0).requests == 20


@given(
    growth=st.lists(st.integers(0, 50), min_size=3, max_size=12),
    offset=st.sampled_from([0.0, 0.3, 2.5, 4.9]),
    missing=st.sets(st.integers(1, 11)),
)
def test_another_reporter_never_adds_a_request(growth: list[int], offset: float, missing: set[int]) -> None:
    """With it the total is at least what the first saw, and at most what the counter truly did."""
    values = [100 + sum(growth[: i + 1]) for i in range(len(growth))]
    first = [(1000.0 + 5 * i, float(value)) for i, value in enumerate(values) if i not in missing]
    other = [(at + offset, value) for at, value in ((1000.0 + 5 * i, float(v)) for i, v in enumerate(values))]
    alone = counted([series({}, *first)]).requests
    assert alone <= counted([series({}, *first), series({"replica": "b"}, *other)]).requests <= values[-1] - values[0]


@given(
    values=st.lists(st.sampled_from([0, 1, 2, 5, 20, -1, 10**6, math.nan]), min_size=2, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    codes=st.sampled_from([("200",), ("200", "500"), ("200", "404", "500")]),
)
def test_scrapes_that_come_together_count_as_each_by_itself(
    values: list[float], cuts: set[int], codes: tuple[str, ...]
) -> None:
    """Whether the counter rises, stands still, is reset or shows no number."""
    scrapes = [(1005.0 + 5 * i, float(sum(values[: i + 1]) if value >= 0 else value)) for i, value in enumerate(values)]
    before = [series({"response_code": code}, (995.0, 0.0), (1000.0, 0.0)) for code in codes]
    one_by_one, together = Tallies(read_istio, keep_s=3600), Tallies(read_istio, keep_s=3600)
    edges = [0, *sorted(cut for cut in cuts if cut < len(scrapes)), len(scrapes)]
    parts = [scrapes[start:end] for start, end in itertools.pairwise(edges)]
    for tallies, told in ((one_by_one, [[scrape] for scrape in scrapes]), (together, parts)):
        tallies.ingest(before, [OWNER], 1000.0)
        for part in told:
            tallies.ingest([series({"response_code": code}, *part) for code in codes], [OWNER], part[-1][0])
    assert together.totals(OWNER, 0) == one_by_one.totals(OWNER, 0)
    assert together.scrapes(OWNER, 0) == one_by_one.scrapes(OWNER, 0)
    assert together.scrape_interval == one_by_one.scrape_interval


@pytest.mark.parametrize(
    ("times", "age", "fresh"),
    [
        pytest.param([1000, 1005, 1010, 1015, 1315], 20, False, id="a-gap-among-scrapes"),
        pytest.param([1000, 1300], 400, False, id="a-gap-alone"),
        pytest.param([1000, 1300, 1305], 20, False, id="a-gap-and-one-scrape"),
        pytest.param([1000, 1015, 1030, 1045], 40, True, id="slow-scrapes"),
        pytest.param([1000, 1060, 1120], 170, True, id="a-scrape-a-minute"),
    ],
)
def test_a_gap_does_not_make_a_sample_fresh_for_long(times: list[float], age: float, fresh: bool) -> None:
    """Three intervals as they usually come."""
    tallies = Tallies(read_istio, keep_s=3600)
    for at in times:
        tallies.ingest([series({}, (at, 1.0)), series({"response_code": "500"}, (at, 1.0))], [OWNER], at)
    assert tallies.freshness(OWNER, times[-1] + age, 5.0).fresh is fresh


def test_the_slowest_place_tells_how_often_is_scraped() -> None:
    """By its longest series: one that has just begun has no interval yet; a place that is gone tells no more."""
    tallies = Tallies(read_istio, keep_s=3600)
    slow = [series({"instance": "b"}, *every(15, 1090))]
    begun = series({"instance": "a", "response_code": "503"}, (1090.0, 1))
    tallies.ingest([begun, series({"instance": "a"}, *every(5, 1090)), *slow], [OWNER], 1090)
    assert tallies.scrape_interval == 15.0
    tallies.ingest([series({"instance": "a"}, *every(5, 1500))], [OWNER], 1500)
    assert tallies.scrape_interval == 5.0


def test_a_source_that_shows_its_past_again_shows_no_restart() -> None:
    """Its clock was set back: what is lower than before was counted long ago."""
    tallies = Tallies(read_istio, keep_s=3600)
    tallies.ingest([series({}, (1000, 0), (1005, 5000))], [OWNER], 1005)
    tallies.ingest([series({}, (1010, 4000), (1015, 4500))], [OWNER], 1015, resets=False)
    tallies.ingest([series({}, (1020, 5010))], [OWNER], 1020)
    assert tallies.totals(OWNER, 0).requests == 5010
