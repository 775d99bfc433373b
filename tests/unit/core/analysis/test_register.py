"""Samples that come together say what they say one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.exposition import read_istio
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.reported import ReportedCounter
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

OWNER = "ml", "fraud-canary"
CODES = "200", "500"
Told = list[tuple[float, float]]


@st.composite
def samples(draw: st.DrawFn) -> Told:
    """A counter that is scraped each five seconds, but for some scrapes, and restarts now and then."""
    first, value, told = draw(st.integers(0, 4)), 0.0, Told()
    for scrape in range(first, first + draw(st.integers(1, 12))):
        value = draw(st.sampled_from([0.0, value, value + 3, value + 10, math.nan, 2.0**60]))
        if draw(st.integers(0, 5)):
            told.append((5.0 * scrape, value))
        value = value if math.isfinite(value) else 0.0
    return told


@st.composite
def answer(draw: st.DrawFn) -> list[Series]:
    """Two codes of two gateways, each of which one or two jobs scrape."""
    return [
        Series({**labels(code, gateway), "job": job}, tuple(draw(samples())))
        for code in CODES
        for gateway in ("10.0.0.1:15020", "10.0.0.2:15020")
        for job in draw(st.sampled_from([["mesh"], ["mesh", "pods"]]))
    ]


def labels(code: str, gateway: str) -> dict[str, str]:
    return {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "source_workload": "istio-ingressgateway",
        "destination_service_namespace": OWNER[0],
        "destination_service_name": OWNER[1],
        "response_code": code,
        "instance": gateway,
    }


def counted(answers: list[list[Series]]) -> tuple[dict[float, Totals], tuple[float, ...]]:
    tallies = Tallies(read_istio, keep_s=math.inf)
    for number, one in enumerate(answers):
        tallies.ingest(one, [OWNER], 100.0 + number)
    ends = tallies.ends(OWNER, OWNER, (0.0, 200.0), began=0.0)
    return tallies.scrapes(OWNER, 0.0), ends


@given(st.lists(answer(), min_size=1, max_size=3))
def test_what_is_taken_at_once_counts_as_it_would_sample_by_sample(answers: list[list[Series]]) -> None:
    """Restarts, gaps, what is no number, and series that several jobs report, in the first answer and in later ones."""
    at_once = counted(answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReportedCounter, "take_all", lambda *_: None)
        assert counted(answers) == at_once


@given(st.lists(samples(), min_size=1, max_size=8))
def test_series_with_the_same_times_tell_of_their_place_what_each_would(told: list[Told]) -> None:
    """The scrape interval, and whether a series that begins later counts in full, whatever comes before it."""
    times = [(5.0 * scrape, 10.0 * scrape) for scrape in range(20)]
    twins = [Series({**labels("200", "10.0.0.1:15020"), "response_flags": flag}, tuple(times)) for flag in "ab"]
    late = [Series(labels(f"5{each:02}", "10.0.0.1:15020"), tuple(one)) for each, one in enumerate(told)]
    with_twin, alone = Tallies(read_istio, keep_s=math.inf), Tallies(read_istio, keep_s=math.inf)
    with_twin.ingest([*twins, *late], [OWNER], 100.0)
    alone.ingest([twins[0], *late], [OWNER], 100.0)
    assert with_twin.scrape_interval == alone.scrape_interval
    errors = [one.totals(OWNER, -1.0).server_errors for one in (with_twin, alone)]
    assert errors[0] == errors[1]
