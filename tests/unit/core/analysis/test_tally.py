"""Raw counters as increments: per scrape target and label set, then summed."""

from __future__ import annotations

import gc
import weakref

import pytest

from serinus.core.analysis.exposition import read_istio
from serinus.core.analysis.tally import Tallies, unasked_for
from serinus.core.model.answers import Series

CANARY, STABLE = ("ml", "fraud-canary"), ("ml", "fraud-stable")
Samples = list[tuple[float, float]]


def series(samples: Samples, *, code: str = "200", service: str = "fraud-canary", gateway: str = "gw-1") -> Series:
    labels = {
        "__name__": "istio_requests_total",
        "destination_service_namespace": "ml",
        "destination_service_name": service,
        "response_code": code,
        "instance": gateway,
    }
    return Series(labels, tuple(samples))


def tallied(*answers: list[Series], keep_s: float = 600.0) -> Tallies:
    """Take answers one after the other, each about both revisions; time is that of the newest sample."""
    tallies, now = Tallies(read_istio, keep_s=keep_s), 0.0
    for answer in answers:
        now = max([now, *(at for one in answer for at, _ in one.samples)])
        tallies.ingest(answer, [CANARY, STABLE], now)
    return tallies


def requests(tallies: Tallies, since: float = 0.0) -> tuple[float, float]:
    """Successes and server errors of the canary."""
    totals = tallies.totals(CANARY, since)
    return totals.success, totals.server_errors


def test_the_first_value_of_a_target_that_is_new_to_us_is_a_baseline() -> None:
    """What it counted before we came is nobody's doing."""
    assert requests(tallied([series([(1, 5000), (2, 5007)])])) == (7, 0)


def test_samples_that_come_twice_count_once() -> None:
    """Ranges overlap, so that no scrape is missed."""
    answer = [series([(1, 0), (2, 10), (3, 15)])]
    assert requests(tallied(answer, answer)) == (15, 0)


def test_a_counter_that_was_reset_counts_from_zero() -> None:
    """The gateway restarted; what came after the restart is all that is known."""
    assert requests(tallied([series([(1, 100), (2, 110), (3, 4), (4, 9)])])) == (10 + 4 + 5, 0)


def test_one_pod_that_restarts_makes_no_sum_fall() -> None:
    """Increments are taken per target, then summed."""
    answer = [series([(1, 1000), (2, 1010)], gateway="gw-1"), series([(1, 1000), (2, 3)], gateway="gw-2")]
    assert requests(tallied(answer)) == (13, 0)


def test_the_first_500_on_a_target_that_we_know_counts_in_full() -> None:
    """It creates its series; as a baseline it would be lost."""
    tallies = tallied([series([(1, 0), (2, 10)])], [series([(3, 20)]), series([(3, 4)], code="500")])
    assert requests(tallies) == (20, 4)


def test_the_first_500_counts_in_full_within_the_first_answer_too() -> None:
    """Its first sample is younger than others of its target."""
    answer = [series([(1, 0), (2, 10), (3, 20)]), series([(3, 4)], code="500")]
    assert requests(tallied(answer)) == (20, 4)


def test_a_series_as_old_as_its_target_is_a_baseline() -> None:
    """The errors of before the rollout are not the canary's."""
    answer = [series([(1, 100), (2, 110)]), series([(1, 50), (2, 51)], code="500")]
    assert requests(tallied(answer)) == (10, 1)


def test_a_newcomer_on_a_known_target_that_was_never_asked_about_is_a_baseline() -> None:
    """A revision that served before we began to ask: its counters are old, although the gateway is known to us."""
    tallies = Tallies(read_istio, keep_s=600.0)
    tallies.ingest([series([(1, 0), (2, 10)], service="fraud-stable")], [STABLE], 2)
    tallies.ingest([series([(3, 7000), (4, 7001)])], [CANARY], 4)
    assert requests(tallies) == (1, 0)


def test_a_newcomer_on_a_known_target_counts_in_full_if_an_answer_lacked_it() -> None:
    """We asked about the canary, and it had no series: its first requests are all there are."""
    tallies = tallied([series([(1, 0), (2, 10)], service="fraud-stable")], [series([(3, 6)])])
    assert requests(tallies) == (6, 0)


def test_a_new_gateway_pod_is_a_baseline_and_then_counts() -> None:
    """It is new to us, and may have counted since long ago."""
    first = [series([(1, 0), (2, 10)])]
    second = [series([(3, 20)]), series([(3, 400), (4, 405)], gateway="gw-2")]
    assert requests(tallied(first, second)) == (25, 0)


def test_a_gap_in_the_scrapes_loses_nothing() -> None:
    """These are counts and not rates."""
    assert requests(tallied([series([(1, 0)])], [series([(200, 90)])])) == (90, 0)


@pytest.mark.parametrize(("since", "counted"), [(0, 15), (1, 15), (2, 5), (3, 0)])
def test_a_window_holds_what_was_scraped_after_its_beginning(since: float, counted: float) -> None:
    """The scrape at its very beginning belongs to what was before."""
    assert requests(tallied([series([(1, 0), (2, 10), (3, 15)])]), since) == (counted, 0)


def test_what_is_older_than_any_window_is_forgotten() -> None:
    """Memory is bounded by the longest window that is asked for."""
    tallies = tallied([series([(1, 0), (2, 10), (90, 30)])], [series([(100, 31)])], keep_s=20)
    tallies.forget(100.0)
    assert requests(tallies) == (21, 0)


def test_nan_and_negative_values_count_nothing() -> None:
    """A stale marker is no sample."""
    assert requests(tallied([series([(1, 0), (2, float("nan")), (3, -5), (4, 8)])])) == (8, 0)


@pytest.mark.parametrize(
    ("now", "interval", "fresh"),
    [
        pytest.param(5.0, 1.0, True, id="three intervals old"),
        pytest.param(5.1, 1.0, False, id="older than three intervals"),
        pytest.param(16.9, 5.0, True, id="looked at less often than scraped"),
    ],
)
def test_fresh_is_younger_than_three_scrapes(now: float, interval: float, fresh: bool) -> None:
    """As observed, or the interval of the looks if that is longer."""
    tallies = tallied([series([(1, 0), (2, 10)])])
    assert tallies.freshness(CANARY, now, interval).fresh is fresh


def test_nothing_known_is_not_fresh() -> None:
    """And has no newest sample."""
    freshness = tallied([]).freshness(CANARY, 1.0, 1.0)
    assert (freshness.newest, freshness.fresh) == (None, False)


def test_a_revision_is_as_fresh_as_its_targets() -> None:
    """A canary whose one series stands still on a gateway that is scraped is fresh: nobody asked it anything."""
    tallies = tallied(
        [series([(1, 0), (2, 10)]), series([(1, 0), (2, 10)], service="fraud-stable")],
        [series([(9, 10)]), series([(9, 80)], service="fraud-stable")],
    )
    assert tallies.freshness(CANARY, 10.0, 1.0).fresh


@pytest.mark.parametrize(
    ("unasked_s", "kept"),
    [pytest.param(600.0, True, id="asked for lately"), pytest.param(60.0, False, id="not asked for in a minute")],
)
def test_a_revision_that_nobody_asks_for_is_kept_as_long_as_was_said(unasked_s: float, kept: bool) -> None:
    """Hundreds come and go in an hour; one that comes again is read again, and counts as if it were new."""
    tallies = Tallies(read_istio, keep_s=600.0, unasked_s=unasked_s)
    tallies.ingest([series([(1, 100), (2, 110)])], [CANARY], 2)
    tallies.forget(100.0)
    assert requests(tallies) == ((10, 0) if kept else (0, 0))
    tallies.ingest([series([(1, 100), (2, 110), (101, 130)])], [CANARY], 102)
    assert requests(tallies) == (30, 0)


@pytest.mark.parametrize(("interval", "seconds"), [(1.0, 60.0), (60.0, 180.0)], ids=["each second", "each minute"])
def test_what_is_looked_at_seldom_is_kept_for_some_looks(interval: float, seconds: float) -> None:
    """Or it would be forgotten between two of them."""
    assert unasked_for(interval) == seconds


def test_what_nobody_asks_for_any_more_is_forgotten() -> None:
    """A process that lives for weeks must not keep every revision that ever was."""
    tallies = Tallies(read_istio, keep_s=60)
    labels = {
        "__name__": "istio_requests_total",
        "destination_service_namespace": "ml",
        "destination_service_name": "gone",
        "response_code": "200",
        "instance": "gateway-1",
    }
    tallies.ingest([Series(labels, ((1.0, 1.0), (2.0, 5.0)))], [("ml", "gone")], now=2.0)
    assert tallies.freshness(("ml", "gone"), 2.0, 1.0).newest == 2.0
    tallies.forget(2000.0)
    assert tallies.freshness(("ml", "gone"), 2000.0, 1.0).newest is None


def test_what_is_dropped_is_freed_at_once() -> None:
    """The garbage collector of an operator looks seldom: what waits for it piles up while rollouts come and go."""
    gc.disable()
    try:
        tallies = tallied([series([(1, 100), (2, 110)])], [series([(3, 120)])])
        assert requests(tallies) == (20, 0)
        dropped = weakref.ref(tallies)
        del tallies
        assert dropped() is None
    finally:
        gc.enable()
