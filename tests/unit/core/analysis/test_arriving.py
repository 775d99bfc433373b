"""What still arrives at a revision that the route shows nothing, read from counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from serinus.core.analysis.arriving import Moment, heard, read_drain, sent_query
from serinus.core.analysis.inflight import read_answers, read_entered
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from serinus.core.model.drain import UNCOUNTED, Drain

OWNER = ("ml", "fraud-a000000000")
WRITTEN = 1000.0
LASTS = 30.0
Samples = Sequence[tuple[float, float]]


def sent(samples: Samples, gateway: str = "edge-0") -> Series:
    labels = {
        "__name__": "envoy_cluster_upstream_rq_total",
        "cluster_name": "outbound|8000||fraud-a000000000.ml.svc.cluster.local",
        "pod": gateway,
        "instance": gateway,
    }
    return Series(labels, tuple(samples))


def answered(samples: Samples) -> Series:
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "destination_service_namespace": "ml",
        "destination_service_name": "fraud-a000000000",
        "response_code": "200",
        "instance": "edge-0",
    }
    return Series(labels, tuple(samples))


def each_second(*counts: float, first: float = WRITTEN - 5) -> Samples:
    """Samples of a counter, one a second, from five seconds before the write."""
    return [(first + second, count) for second, count in enumerate(counts)]


def read(*series: Series, now: float, targets: float | None = None) -> Drain:
    counters = [Tallies(reader, keep_s=900) for reader in (read_entered, read_answers)]
    for tallies, name in zip(counters, ("envoy_cluster_upstream_rq_total", "istio_requests_total"), strict=True):
        tallies.ingest([one for one in series if one.labels["__name__"] == name], [OWNER], now)
    return read_drain(*counters, OWNER, Moment(now, WRITTEN, 1.0), lasts=LASTS, targets=targets)


ARRIVES = Drain(counted=True, arriving=2.0)
PROVEN = Drain(counted=True, proven=True, in_flight=3.0, quiet_since=5.0)
ENDED = each_second(0, 10, 20, 30, 40, 50, 50, 50, 50, 50, 50, 50)
"""Ten a second until the write."""
GOES_ON = each_second(*(10.0 * second for second in range(12)))


def test_a_counter_that_stands_still_after_the_write_is_the_proof() -> None:
    found = read(sent(ENDED), now=WRITTEN + 6)
    assert (found.counted, found.proven, found.arriving, found.quiet) == (True, True, 0.0, True)


def test_a_counter_that_grows_says_that_requests_arrive() -> None:
    found = read(sent(GOES_ON), now=WRITTEN + 6)
    assert found.arriving > 0
    assert not found.proven


def test_a_scrape_from_before_the_write_proves_nothing() -> None:
    found = read(sent(ENDED[:6]), now=WRITTEN + 1)
    assert (found.proven, found.arriving, found.quiet) == (False, 0.0, False)


def test_what_came_across_the_write_is_held_against_nobody_and_proves_nothing() -> None:
    """A scrape tells of the whole time since the one before it."""
    found = read(sent([(WRITTEN - 10, 0), (WRITTEN + 5, 90)]), now=WRITTEN + 6)
    assert (found.proven, found.arriving) == (False, 0.0)


def test_one_gateway_of_two_that_goes_on_is_enough() -> None:
    assert read(sent(ENDED), sent(GOES_ON, "edge-1"), now=WRITTEN + 6).arriving > 0


def test_what_was_sent_goes_before_what_was_answered() -> None:
    """An answer that comes now was asked for before."""
    assert read(sent(ENDED), answered(GOES_ON), now=WRITTEN + 6).proven


@pytest.mark.parametrize(("seconds", "arriving"), [(6, False), (LASTS + 10, True)], ids=["soon", "too late for that"])
def test_answers_alone_are_waited_for_before_they_are_called_arriving(seconds: float, arriving: bool) -> None:
    counts = each_second(*(10.0 * second for second in range(int(seconds) + 6)))
    found = read(answered(counts), now=WRITTEN + seconds)
    assert not found.proven
    assert (found.arriving > 0) is arriving


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param(None, UNCOUNTED, id="nobody is scraped"),
        pytest.param(WRITTEN + 1, Drain(counted=True), id="somebody was, before the write had arrived"),
        pytest.param(WRITTEN + 5, Drain(counted=True, proven=True), id="somebody was, and knows nothing of it"),
    ],
)
def test_without_a_series_the_scrapes_of_the_gateways_decide(targets: float | None, expected: Drain) -> None:
    """A gateway that never sent it anything has no series for it."""
    assert read(now=WRITTEN + 6, targets=targets) == expected


def test_a_gateway_that_is_gone_is_not_waited_for() -> None:
    """Its last scrape is long ago; the others' are not."""
    assert read(sent(GOES_ON), now=WRITTEN + 60, targets=WRITTEN + 59).proven


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(ARRIVES, ARRIVES, id="requests arrive"),
        pytest.param(PROVEN, PROVEN, id="none arrives, and some are in flight"),
        pytest.param(Drain(counted=True, growing=True), Drain(counted=True, growing=True), id="answers came"),
        pytest.param(Drain(counted=True), replace(UNCOUNTED, quiet_since=9.0), id="nothing since the write"),
        pytest.param(None, replace(UNCOUNTED, quiet_since=9.0), id="nothing at all"),
    ],
)
def test_a_source_that_says_nothing_takes_nothing_back(before: Drain | None, expected: Drain) -> None:
    assert heard(before, UNCOUNTED, 9.0) == expected


def test_a_fresh_answer_says_that_what_arrived_arrives_no_more() -> None:
    found = Drain(counted=True, proven=True)
    assert heard(ARRIVES, found, 9.0) == replace(found, quiet_since=9.0)
    assert heard(PROVEN, found, 9.0) == replace(found, quiet_since=5.0)


def test_the_query_asks_the_gateways_of_the_source() -> None:
    asked = sent_query(Arm("ml", "fraud", "a000000000", OWNER[1]), 12.2, ("edge*",), ('cluster="eu"',))
    assert asked == (
        r'envoy_cluster_upstream_rq_total{cluster_name=~"outbound\\|(8000|8001)\\|[^|]*\\|(fraud-a000000000)\\.(ml)'
        r'\\.svc\\..*",pod=~"|(edge.*)-.+",cluster="eu"}[13s]'
    )
