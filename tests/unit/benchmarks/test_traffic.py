"""What the benchmark's Prometheus answers, read as the operator reads it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from benchmarks.prometheus import AskedFor, Server
from benchmarks.traffic import BAD_ANSWERS, BOUNDS_MS, GATEWAYS, PER_SECOND, Traffic
from serinus.adapters.prometheus.answers import read_answer
from serinus.core.analysis.exposition import Count, read_istio
from serinus.core.analysis.promql import Arm, gateways_scraped, istio_queries, newest_scrape, scrapes_within
from serinus.core.analysis.scope import USUAL_GATEWAYS
from serinus.core.model.answers import Series, SeriesSet

NOW = 1_800_000_000.25
ARMS = [Arm("bench", "model-00001", revision, f"model-00001-{revision}") for revision in ("aaaaaaaaaa", "bbbbbbbbbb")]
STABLE, CANARY = (arm.service for arm in ARMS)


@pytest.fixture
def server() -> Server:
    """One that was started just before."""
    made = Server()
    made.traffic = Traffic(NOW)
    return made


def series(server: Server, query: str, at: float) -> list[Series]:
    """Ask as the operator does."""
    answer = read_answer(200, server.answer(query, at))
    assert isinstance(answer, SeriesSet), answer
    return [*answer.series]


def counters(server: Server, at: float, seconds: float = 5.0) -> list[Series]:
    """Ask for what the default presets read of both revisions."""
    queries = istio_queries(ARMS, seconds=seconds, latency=True)
    return [one for query in queries for one in series(server, query, at)]


def total(found: list[Series], service: str, count: Count) -> float:
    """Give the newest value of a counter of a Service."""
    owned = [one for one in found if one.labels["destination_service_name"] == service]
    meant = [one for one in owned if (meaning := read_istio(one.labels)) is not None and meaning.count is count]
    return sum(one.samples[-1][1] for one in meant)


def test_both_revisions_have_requests_and_a_histogram_with_a_sample_each_second(server: Server) -> None:
    """As the default metrics ask for them: error rate and latency."""
    found = counters(server, NOW)
    assert len(found) == 2 * (1 + len(BOUNDS_MS))
    for one in found:
        times = [at for at, _ in one.samples]
        assert len(times) == 5
        assert all(NOW - 5 < at <= NOW for at in times)
        assert {round(later - at, 3) for at, later in pairwise(times)} == {1.0}


def test_the_histogram_counts_the_requests(server: Server) -> None:
    """Its last bucket is their number, and no bucket holds less than the one below it."""
    found = counters(server, NOW)
    buckets = [one for one in found if one.labels["destination_service_name"] == CANARY and "le" in one.labels]
    values = [one.samples[-1][1] for one in buckets]
    assert values == sorted(values)
    assert values[-1] == total(found, CANARY, Count.SUCCESS)


def test_counters_grow_by_what_is_asked_of_a_service(server: Server) -> None:
    """About fifty a second, and never by less than nothing, beyond the hour for which they are made up too."""
    for start in (NOW, NOW + 3_590):
        grown = total(counters(server, start + 60), CANARY, Count.SUCCESS) - total(
            counters(server, start), CANARY, Count.SUCCESS
        )
        assert grown == pytest.approx(60 * PER_SECOND, rel=0.1)


def test_bad_answers_show_at_the_next_scrape_and_not_before(server: Server) -> None:
    """The clock of a revert begins there; the other revision has none of it."""
    shown = server.traffic.spoil(CANARY, NOW)
    assert NOW < shown <= NOW + 1
    assert total(counters(server, shown - 0.01), CANARY, Count.SERVER_ERROR) == 0
    assert total(counters(server, shown + 0.01), CANARY, Count.SERVER_ERROR) == BAD_ANSWERS
    assert total(counters(server, shown + 2.01), CANARY, Count.SERVER_ERROR) == 3 * BAD_ANSWERS
    assert total(counters(server, shown + 2.01), STABLE, Count.SERVER_ERROR) == 0


def test_bad_answers_can_have_begun_before_anybody_says_so(server: Server) -> None:
    """A canary that has been bad since it got its weight; requests come again with them."""
    server.traffic.send(CANARY, NOW - 30, there=False)
    shown = server.traffic.spoil(CANARY, NOW - 10)
    assert NOW - 10 < shown <= NOW - 9
    assert total(counters(server, shown - 0.01), CANARY, Count.SERVER_ERROR) == 0
    assert total(counters(server, NOW), CANARY, Count.SERVER_ERROR) >= 9 * BAD_ANSWERS
    assert total(counters(server, NOW), CANARY, Count.SUCCESS) > total(counters(server, shown), CANARY, Count.SUCCESS)


def test_what_was_said_of_a_service_is_forgotten(server: Server) -> None:
    """Another model has its name by then."""
    server.traffic.spoil(CANARY, NOW - 10)
    server.traffic.forget()
    assert total(counters(server, NOW), CANARY, Count.SERVER_ERROR) == 0


def test_bad_answers_end_when_nobody_calls_and_do_not_come_back(server: Server) -> None:
    """What is tried again is good until it is spoilt again."""
    shown = server.traffic.spoil(CANARY, NOW)
    server.traffic.send(CANARY, shown + 1.01, there=False)
    ended = total(counters(server, shown + 5), CANARY, Count.SERVER_ERROR)
    server.traffic.send(CANARY, shown + 5, there=True)
    assert total(counters(server, shown + 20), CANARY, Count.SERVER_ERROR) == ended
    again = server.traffic.spoil(CANARY, shown + 20)
    assert total(counters(server, again + 0.01), CANARY, Count.SERVER_ERROR) == ended + BAD_ANSWERS


def test_a_service_that_nobody_calls_keeps_what_it_has_counted(server: Server) -> None:
    """And counts on from there when it is called again."""
    before = total(counters(server, NOW), CANARY, Count.SUCCESS)
    server.traffic.send(CANARY, NOW, there=False)
    server.traffic.send(CANARY, NOW + 1, there=False)
    away = total(counters(server, NOW + 30), CANARY, Count.SUCCESS)
    server.traffic.send(CANARY, NOW + 30, there=True)
    back = total(counters(server, NOW + 40), CANARY, Count.SUCCESS)
    assert away - before <= 2 * PER_SECOND
    assert back - away == pytest.approx(10 * PER_SECOND, rel=0.3)


def test_scrapes_are_spread_over_the_second_and_both_revisions_share_theirs() -> None:
    """Looks are in step with nobody's scrape."""
    traffic = Traffic(NOW)
    scrapes = [traffic.next_scrape(f"model-{number:05d}-aaaaaaaaaa", NOW) for number in range(99)]
    phases = {round(math.modf(at)[0], 3) for at in scrapes}
    assert len(phases) == GATEWAYS
    assert traffic.next_scrape(STABLE, NOW) == traffic.next_scrape(CANARY, NOW)


def test_the_newest_scrape_and_their_number_are_told(server: Server) -> None:
    """The questions by which the operator knows that something is scraped, and how often."""
    targets = gateways_scraped(USUAL_GATEWAYS, ())
    (newest,) = series(server, newest_scrape(*targets), NOW)
    ((at, value),) = newest.samples
    assert at == pytest.approx(NOW, abs=0.001)
    assert value == pytest.approx(NOW - 0.05, abs=0.051)
    (count,) = series(server, scrapes_within(*targets, seconds=120), NOW)
    assert count.samples[0][1] == 120


def test_what_is_no_presets_question_finds_nothing(server: Server) -> None:
    """As a Prometheus that has no such series."""
    assert series(server, "sum(envoy_cluster_upstream_rq_active{})", NOW) == []


def test_looks_are_counted_by_what_is_asked(server: Server) -> None:
    """A look asks for both revisions' requests; who reads the past asks for samples of long ago."""
    counters(server, NOW)
    now = server.asked
    assert (now.looks, now.of_long_ago) == (1, 0)
    counters(server, NOW, seconds=300.0)
    assert server.asked.since(now) == AskedFor(services=2, of_long_ago=4)
